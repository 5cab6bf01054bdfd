"""The reports of a picture's run: its phases and its progress, at a limited rate."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import trio

from phaseline.model.events import JobProgress, PhaseCompleted
from phaseline.model.workflows import PicturePhase
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.pictures.redaction import Redaction

__all__ = ["RunReporter"]

# Ten job_progress per second and job are allowed. All seven phases may start within one second, each with a report,
# which leaves three for progress in between.
_PAUSE_S: Final = 0.25


class RunReporter:
    """Reports one run to the tracker."""

    def __init__(self, tracker: Tracker, job_id: str, redaction: Redaction) -> None:
        """Report for the job `job_id`, without what `redaction` hides."""
        self._redaction = redaction
        self._tracker = tracker
        self._job_id = job_id
        self._phase = PicturePhase.SETUP
        self._reported = -math.inf  # time of the latest report

    @property
    def phase(self) -> PicturePhase:
        """The latest phase."""
        return self._phase

    @asynccontextmanager
    async def during(self, phase: PicturePhase, text: str) -> AsyncIterator[dict[str, Any]]:
        """Report the start of `phase`, and after the block its end; the yielded dict is the result."""
        self._phase = phase
        self._reported = trio.current_time()
        await self._tracker.report(JobProgress(job_id=self._job_id, phase=phase, text=text))
        result: dict[str, Any] = {}
        yield result
        await self._tracker.report(PhaseCompleted(job_id=self._job_id, phase=phase, result=result))

    async def skip(self, phase: PicturePhase, why: str) -> None:
        """Report that `phase` is skipped."""
        self._phase = phase
        event = PhaseCompleted(job_id=self._job_id, phase=phase, result={"reason": why}, skipped=True)
        await self._tracker.report(event)

    async def progress(self, percent: float | None, text: str) -> None:
        """Report the progress of the phase, unless the latest report is too recent."""
        if trio.current_time() - self._reported < _PAUSE_S:
            return
        self._reported = trio.current_time()
        shown = self._redaction.hide(text)
        await self._tracker.report(JobProgress(job_id=self._job_id, phase=self._phase, progress=percent, text=shown))
