"""One run of a picture: it is made, its end is always reported, and its last snapshot is archived."""

import traceback
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import structlog
import trio

from phaseline.errors import DiskFull, PhaselineError
from phaseline.model.events import ErrorOccurred, Event, JobCancelled, JobCompleted, JobFailed, OrderTaken
from phaseline.model.snapshot import Order, Snapshot
from phaseline.model.states import State
from phaseline.model.workflows import Picture
from phaseline.wire import encode_run
from phaseline_server.atomic_files import replace_file
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.pictures.dress import Dress
from phaseline_server.pictures.pipeline import make_picture
from phaseline_server.pictures.reporting import RunReporter
from phaseline_server.pictures.studio import Studio

__all__ = ["ENDED", "INTERRUPTED", "Maker", "PictureRun", "interrupted", "result_of"]

_log: Final = structlog.get_logger()

INTERRUPTED: Final = "INTERRUPTED"
ENDED: Final = "canceled: the server stopped; request the picture again to resume"
# The text that servers of version 0.1.0 have stored.
_ENDED_BEFORE: Final = "cancelled: the server was ended; ask for the picture again: it goes on from there"
_RETRY_S: Final = 1.0


@dataclass
class PictureRun:
    """An active or recent run."""

    dress: Dress
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    begun: trio.Event = field(default_factory=trio.Event)  # the start is recorded, or was rejected
    over: trio.Event = field(default_factory=trio.Event)
    orders: set[str] = field(default_factory=set)  # the ids of the orders received
    reason: str = ""  # the reason of the cancellation

    def put_on(self, dress: Dress) -> None:
        """Replace the dress by a more complete one."""
        self.dress = dress


class Maker:
    """Makes pictures, one for each call of `make`."""

    def __init__(self, tracker: Tracker, studio: Studio) -> None:
        """Report to `tracker`, and use the parts of `studio`."""
        self._tracker = tracker
        self._studio = studio

    async def make(self, run: PictureRun, series: str, address: str, *, resume: bool) -> None:
        """Make one picture; always report its end."""
        job_id = Picture(series, address).job_id
        reporter = RunReporter(self._tracker, job_id, self._studio.redaction)
        try:
            with run.scope:
                await make_picture(self._studio, reporter, series, address, run.put_on, resume=resume)
                await self._tracker.report(JobCompleted(job_id=job_id, result=result_of(run.dress)))
        except PhaselineError as error:
            await self._failed(job_id, reporter, error.code, str(error))
        except Exception as error:  # noqa: BLE001 - a bug must end only this run and not the server
            trace = self._studio.redaction.hide(traceback.format_exc())
            _log.error("unhandled error in a picture run", job_id=job_id, exception=trace)
            await self._failed(job_id, reporter, "INTERNAL", f"internal server error: {error!r}; see the server's log")
        finally:
            try:
                reason = run.reason or "cancelled"
                if self._tracker.ended_s(job_id) is None:
                    await self.end(JobCancelled(job_id=job_id, reason=reason if run.scope.cancel_called else ENDED))
                with trio.CancelScope(shield=True):
                    await self._archive(run, series, address)
            finally:
                run.over.set()

    async def cancel(self, run: PictureRun, job_id: str, order: Order) -> None:
        """Take an order to cancel a run, and carry it out."""
        await self.end(OrderTaken(job_id=job_id, order_id=order.order_id, order=order.order))
        run.reason = order.reason
        run.scope.cancel()

    async def _failed(self, job_id: str, reporter: RunReporter, code: str, text: str) -> None:
        phase, text = str(reporter.phase), self._studio.redaction.hide(text)
        await self.end(
            ErrorOccurred(job_id=job_id, error_type=code, text=text, phase=phase),
            JobFailed(job_id=job_id, result={"error": text, "code": code, "stage": phase}),
        )

    async def end(self, *events: Event) -> None:
        """Report the end of a run without raising errors: another client may have ended the job already."""
        left = deque(events)
        while left:
            try:
                with trio.CancelScope(shield=True):
                    await self._tracker.report(left[0])
                left.popleft()
            except DiskFull as error:
                # If the server stops meanwhile, the next start reports the run as interrupted.
                _log.warning("disk full; retrying to report the end of a run", job_id=left[0].job_id, error=str(error))
                await trio.sleep(_RETRY_S)
            except PhaselineError as error:
                _log.warning("cannot report the end of a run", job_id=left[0].job_id, error=str(error))
                return

    async def _archive(self, run: PictureRun, series: str, address: str) -> None:
        """Write the final snapshot to the archive, if it is enabled."""
        archive = self._studio.archive
        if archive is None:
            return
        name = f"{series}-{address}"
        try:
            snapshot = self._tracker.snapshot(Picture(series, address).job_id)
            name = f"{name}-{snapshot.started_ns}.json"
            document, data_dir = encode_run(snapshot, run.dress), archive.parents[1]
            await trio.to_thread.run_sync(replace_file, archive / name, document, data_dir, 0o600)
        except PhaselineError as error:
            _log.warning("cannot archive a run", name=name, error=str(error))


def interrupted(snapshot: Snapshot) -> bool:
    """Return whether a run ended only because the server stopped, so that it can resume without `retry`."""
    result = snapshot.result or {}
    stopped = snapshot.state is State.CANCELLED and result.get("error") in {ENDED, _ENDED_BEFORE}
    return result.get("code") == INTERRUPTED or stopped


def result_of(dress: Dress) -> dict[str, str]:
    """Return the result of a picture's job."""
    return {"title": dress.title_prompt, "picture": dress.annotated_path}
