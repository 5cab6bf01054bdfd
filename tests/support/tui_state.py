"""Messages of one job, and the state of the view after them."""

from typing import Any

from phaseline_tui.model.frames import Frame
from phaseline_tui.model.jobs import JobView
from phaseline_tui.model.state import ViewState
from tests.support.tui_jobs import frame

__all__ = ["STARTED", "message", "only_job", "state_of"]


def state_of(*frames: Frame, received: float = 1000.0) -> ViewState:
    state = ViewState()
    state.apply(frames, received)
    return state


def only_job(state: ViewState) -> JobView:
    (job,) = state.jobs.values()
    return job


def message(kind: str, **fields: Any) -> Frame:
    common = {
        "job_id": "job_1",
        "photo_id": 4,
        "timestamp": "2026-11-09T18:30:00Z",
        "epoch": "e1",
        "workflow": "photo",
        "series": "s",
        "host": "atlas",
        "state": "active",
        "percent": 10.0,
        "eta_seconds": 40.0,
        "eta_low_seconds": 30.0,
        "eta_high_seconds": 60.0,
        "eta_basis": "history",
        "eta_runs": 3,
        "stage_index": 1,
        "stage_count": 3,
        "elapsed_seconds": 5.0,
    }
    return frame({"type": kind} | common | fields)


STARTED = message(
    "job_started",
    seq=1,
    photo_info={"file_name": "IMG_1.CR3"},
    stages=["importing", "exif_analysis", "exporting"],
    averages={"importing": 2.0, "exif_analysis": None},
    elapsed_seconds=0.0,
    percent=0.0,
)
