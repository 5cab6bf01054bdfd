"""Part of a live stream, for tests and screenshots."""

from typing import Any

from phaseline_tui.model.connection import Batch
from tests.support.tui_jobs import frame

__all__ = ["stream"]

Json = dict[str, Any]


def message(kind: str, job_id: str, **fields: Any) -> Json:
    return {"type": kind, "job_id": job_id, "workflow": "photo", "series": "wedding", "host": "atlas"} | fields


def stream(origin: str = "") -> list[Batch]:
    """Return the messages of some seconds: jobs start, progress, report errors and end."""
    names = {"job_31": "DSC_0031.NEF", "job_32": "東京タワー.CR3", "job_33": "IMG_2207.jpg"}
    messages: list[Json] = [
        *(message("job_started", job, photo_info={"file_name": name}, stages=["importing", "exporting"])
          for job, name in names.items()),
        message("job_progress", "job_31", stage="importing", progress=40, message="reading 48 MB"),
        message("stage_completed", "job_31", stage="importing", stage_seconds=2.1, average_seconds=1.9),
        message("job_progress", "job_32", stage="importing", progress=12, message="reading 61 MB"),
        message("photo_info", "job_31", photo_data={"camera": "Z 8", "iso": 640, "lens": "85 mm"}),
        message("error_occurred", "job_32", stage="importing", error_type="timeout",
                error_message="the card did not answer for 30 s; trying again"),
        message("stage_completed", "job_33", stage="importing", skipped=True),
        message("job_progress", "job_31", stage="exporting", progress=71, message="writing DSC_0031.jpg"),
        message("job_failed", "job_32", state="failed", duration=31.4, result={"error": "the card was taken out"}),
        message("job_failed", "job_33", state="cancelled", duration=4.0, result={"error": "cancelled"}),
        message("job_completed", "job_31", success=True, duration=9.6, state="completed"),
        {"type": "error", "error": "job job_9 is not known; start it with job_started", "code": "UNKNOWN_JOB"},
    ]  # fmt: skip
    return [Batch((frame(each),), 990.0 + number, origin=origin) for number, each in enumerate(messages)]
