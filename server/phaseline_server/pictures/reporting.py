"""What a picture's run reports: its phases, and how far it is, at a pace that suits people."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import trio

from phaseline.model.events import JobProgress, PhaseCompleted
from phaseline.model.workflows import DallePhase
from phaseline_server.jobs.tracker import Tracker

__all__ = ["RunReporter"]

# Ten job_progress a second and job are allowed. All seven phases may begin within one, and each says so, which leaves
# three for what comes in between.
_PAUSE_S: Final = 0.25


class RunReporter:
    """Reports one run to the tracker."""

    def __init__(self, tracker: Tracker, job_id: str) -> None:
        """Report as `job_id`."""
        self._tracker = tracker
        self._job_id = job_id
        self._phase = DallePhase.SETUP
        self._told = -math.inf

    @property
    def phase(self) -> DallePhase:
        """The phase that was entered last."""
        return self._phase

    @asynccontextmanager
    async def during(self, phase: DallePhase, text: str) -> AsyncIterator[dict[str, Any]]:
        """Report that `phase` begins, and after the block that it ended, with what the block put in the dict."""
        self._phase = phase
        self._told = trio.current_time()
        await self._tracker.report(JobProgress(job_id=self._job_id, phase=phase, text=text))
        result: dict[str, Any] = {}
        yield result
        await self._tracker.report(PhaseCompleted(job_id=self._job_id, phase=phase, result=result))

    async def skip(self, phase: DallePhase, why: str) -> None:
        """Report that `phase` is passed by."""
        self._phase = phase
        event = PhaseCompleted(job_id=self._job_id, phase=phase, result={"reason": why}, skipped=True)
        await self._tracker.report(event)

    async def tell(self, percent: float | None, text: str) -> None:
        """Report how far the phase is, unless something was reported just now."""
        if trio.current_time() - self._told < _PAUSE_S:
            return
        self._told = trio.current_time()
        await self._tracker.report(JobProgress(job_id=self._job_id, phase=self._phase, progress=percent, text=text))
