"""The names of a job's workflow and series in lists and details, and what distinguishes it from others."""

from typing import Final

from phaseline_tui.drawing.scene import Scene
from phaseline_tui.model.history_totals import TotalLine
from phaseline_tui.model.jobs import JobView
from phaseline_tui.model.words import clock_time

__all__ = ["difference_of", "source_of"]

_SECONDS_APART: Final = 60.0


def source_of(shown: JobView | TotalLine) -> str:
    """Return the workflow and series of a job or of totals: `render·simple`."""
    return "·".join(part for part in (shown.workflow, shown.series) if part)


def difference_of(job: JobView, scene: Scene) -> str:
    """Return what distinguishes a job from others of its name (series, host or start); empty if its name is unique."""
    words = []
    for difference in job.differs_by:
        if difference == "series":
            words.append(job.series or job.workflow)
        elif difference == "host":
            words.append(job.host or job.origin)
        else:
            seconds = job.started_at is not None and scene.wall - job.started_at < _SECONDS_APART
            words.append(clock_time(job.started_at, scene.local, scene.wall, seconds=seconds))
    return " ".join(words)
