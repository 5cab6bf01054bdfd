"""The runs of pictures: at most one at a time for each (series, address), and what is known of earlier ones."""

from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import msgspec
import structlog
import trio

from phaseline.errors import DiskFull, NoRun, PhaselineError, UnknownJob
from phaseline.model.events import ErrorOccurred, Event, JobCancelled, JobCompleted, JobFailed, JobStarted
from phaseline.model.job import Job
from phaseline.model.snapshot import Estimate, Snapshot, State
from phaseline.model.workflows import DALLE, dalle_job_id, valid_address
from phaseline.wire import encode_run
from phaseline_server.atomic_files import replace_file
from phaseline_server.jobs.tracker import Tracker, now
from phaseline_server.pictures.dress import Dress, make_dress
from phaseline_server.pictures.pipeline import make_picture
from phaseline_server.pictures.reporting import RunReporter
from phaseline_server.pictures.studio import Studio

__all__ = ["RunState", "Runs"]

_log: Final = structlog.get_logger()

Key = tuple[str, str]
INTERRUPTED: Final = "INTERRUPTED"
ENDED: Final = "cancelled: the server was ended; ask for the picture again: it goes on from there"
_ROOM_S: Final = 1.0


class RunState(msgspec.Struct, frozen=True):
    """What is told of a picture: its run's snapshot, and its dress."""

    snapshot: Snapshot
    dress: Dress


@dataclass
class _Run:
    """A picture being made, or made lately."""

    dress: Dress
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    begun: trio.Event = field(default_factory=trio.Event)  # its start is kept, or was refused
    over: trio.Event = field(default_factory=trio.Event)

    def put_on(self, dress: Dress) -> None:
        """Replace the dress by one of which more is known."""
        self.dress = dress


class Runs:
    """All runs. The tracker knows their jobs; this knows their dresses, and who cancels them."""

    def __init__(self, nursery: trio.Nursery, tracker: Tracker, studio: Studio, *, done_ttl: float) -> None:
        """Make pictures in `nursery` with what is in `studio`; tell of an ended run for `done_ttl` seconds."""
        self._nursery = nursery
        self._tracker = tracker
        self._studio = studio
        self._done_ttl = done_ttl
        self._runs: dict[Key, _Run] = {}

    async def restore(self) -> None:
        """Take up what the tracker knows of before: a run that was active then died with its server, and has failed."""
        for job in self._tracker.jobs():
            if job.workflow.name != DALLE.name or not job.job_id.startswith(f"{DALLE.name}:"):
                continue
            series, _, address = job.job_id.removeprefix(f"{DALLE.name}:").partition(":")
            try:
                there = partial(self._studio.storage.annotated_exists, series, address)
                stored = job.state is State.COMPLETED and await trio.to_thread.run_sync(there)
                dress = partial(self._stored_dress if stored else self._new_dress, series, address)
                run = _Run(await trio.to_thread.run_sync(dress))
            except PhaselineError as error:  # somebody else's job, or a series that is gone
                _log.info("a run of before is not taken up", job_id=job.job_id, error=str(error))
                continue
            run.begun.set()
            run.over.set()
            self._runs[series, address] = run
            if not job.state.ended:
                phase = job.phase or None
                text = "the server was ended before the picture was made; ask for it again: it goes on from there"
                await self._end(
                    ErrorOccurred(job_id=job.job_id, error_type=INTERRUPTED, text=text, phase=phase),
                    JobFailed(job_id=job.job_id, result={"error": "interrupted", "code": INTERRUPTED, "stage": phase}),
                )

    def _new_dress(self, series: str, address: str) -> Dress:
        return make_dress(self._studio.library.get(series), valid_address(address))

    # ------------------------------------------------------------------ asking

    def known(self, series: str, address: str) -> RunState | None:
        """Return the run that is active, or ended lately."""
        run = self._runs.get((series, address))
        if run is None:
            return None
        job_id = dalle_job_id(series, address)
        try:
            snapshot = self._tracker.snapshot(job_id)
        except UnknownJob:
            if run.begun.is_set():
                del self._runs[series, address]
            return None
        if (self._tracker.ended_s(job_id) or 0.0) > self._done_ttl:
            return None
        return RunState(snapshot, run.dress)

    async def state(self, series: str, address: str) -> RunState:
        """Return what is known of a picture, without starting anything.

        Raises:
            UnknownSeries: No such series is defined, and no picture of it is there.
            NoRun: Nothing is known of it.
        """
        await self._wait_begun(series, address)
        if known := self.known(series, address):
            return known
        dress, there = await trio.to_thread.run_sync(self._prepared, series, address)
        if not there:
            raise NoRun(series, address)
        return _synthetic(series, address, dress)

    async def _wait_begun(self, series: str, address: str) -> None:
        """Wait for a run that somebody else is just beginning."""
        while (run := self._runs.get((series, address))) is not None and not run.begun.is_set():
            await run.begun.wait()

    def _prepared(self, series: str, address: str, *, anew: bool = False) -> tuple[Dress, bool]:
        """Return a picture's dress, and whether the picture is there and not to be made `anew`."""
        if not anew and self._studio.storage.annotated_exists(series, address):
            return self._stored_dress(series, address), True
        return make_dress(self._studio.library.get(series), address), False

    def _stored_dress(self, series: str, address: str) -> Dress:
        """Return the dress of a picture that is there: as it was stored, or else made anew."""
        storage = self._studio.storage
        dress = storage.read_dress(series, address) or make_dress(self._studio.library.get(series), address)
        return msgspec.structs.replace(
            dress, annotated_path=storage.relative("annotated", series, address), cache_hit=True, completed=True
        )

    # ------------------------------------------------------------------ doing

    async def start(self, series: str, address: str, *, retry: bool = False) -> RunState:
        """Return the state of a picture's run, which is started unless there is one, or the picture is there.

        Args:
            series: A valid name.
            address: A valid address, in lower case.
            retry: Start over even though a run has ended lately. A picture that was there before is not made again.

        Raises:
            UnknownSeries: No such series is defined, and no picture of it is there.
            IllegalEvent: Somebody else reports a job under this run's id.
            TooMany: Too many jobs are active.
        """
        await self._wait_begun(series, address)
        known = self.known(series, address)
        if known is not None and _interrupted(known.snapshot):
            known = None
        if known is not None and not (retry and known.snapshot.state.ended):
            return known
        anew = known is not None and not known.snapshot.cache_hit
        dress, hit = await trio.to_thread.run_sync(partial(self._prepared, series, address, anew=anew))
        if known is not None and hit:
            return known
        # Others may have started it while we looked; once they have, nothing is awaited from here to its entry.
        await self._wait_begun(series, address)
        again = self.known(series, address)
        known_ended = known is not None and again is not None and again.snapshot.state.ended
        if again is not None and not known_ended and not _interrupted(again.snapshot):
            return again
        self._forget_old()
        run = _Run(dress)
        self._runs[series, address] = run
        job_id = dalle_job_id(series, address)
        try:
            # Shielded: a client that leaves right now must not leave a run behind that never begins or ends.
            with trio.CancelScope(shield=True):
                await self._begin(run, series, address, hit=hit, anew=anew)
        except PhaselineError:
            del self._runs[series, address]
            run.over.set()
            raise
        finally:
            run.begun.set()
        return RunState(self._tracker.snapshot(job_id), run.dress)

    async def _begin(self, run: _Run, series: str, address: str, *, hit: bool, anew: bool) -> None:
        job_id = dalle_job_id(series, address)
        await self._tracker.report(
            JobStarted(
                job_id=job_id,
                workflow=DALLE.name,
                series=series,
                photo_id=address,
                photo_info={"series": series, "address": address},
                cache_hit=hit,
            )
        )
        if hit:
            await self._tracker.report(JobCompleted(job_id=job_id, result=_result(run.dress)))
            run.over.set()
        else:
            self._nursery.start_soon(partial(self._make, run, series, address, resume=not anew), name=job_id)

    def _forget_old(self) -> None:
        """Forget the runs whose jobs the tracker has forgotten."""
        for key, run in tuple(self._runs.items()):
            if run.over.is_set() and self._tracker.ended_s(dalle_job_id(*key)) is None:
                del self._runs[key]

    async def _make(self, run: _Run, series: str, address: str, *, resume: bool) -> None:
        """Make one picture, and report how it ended, whatever happens."""
        job_id = dalle_job_id(series, address)
        reporter = RunReporter(self._tracker, job_id)
        try:
            with run.scope:
                await make_picture(self._studio, reporter, series, address, run.put_on, resume=resume)
                await self._tracker.report(JobCompleted(job_id=job_id, result=_result(run.dress)))
        except PhaselineError as error:
            await self._failed(job_id, reporter, error.code, str(error))
        except Exception as error:  # noqa: BLE001 - a mistake of ours ends this run, and never the server
            _log.exception("a run failed", job_id=job_id)
            await self._failed(job_id, reporter, "INTERNAL", f"the server made a mistake: {error!r}; see its log")
        finally:
            try:
                if self._tracker.ended_s(job_id) is None:
                    await self._end(
                        JobCancelled(job_id=job_id, reason="cancelled" if run.scope.cancel_called else ENDED)
                    )
                with trio.CancelScope(shield=True):
                    await self._archive(series, address)
            finally:
                run.over.set()

    async def _failed(self, job_id: str, reporter: RunReporter, code: str, text: str) -> None:
        phase = str(reporter.phase)
        await self._end(
            ErrorOccurred(job_id=job_id, error_type=code, text=text, phase=phase),
            JobFailed(job_id=job_id, result={"error": text, "code": code, "stage": phase}),
        )

    async def _end(self, *events: Event) -> None:
        """Report the end of a run, which is not to fail: who else reports under its id may have ended it already."""
        left = deque(events)
        while left:
            try:
                with trio.CancelScope(shield=True):
                    await self._tracker.report(left[0])
                left.popleft()
            except DiskFull as error:
                # If the server ends meanwhile, the next one finds the run interrupted.
                _log.warning("the end of a run waits for room on the disk", job_id=left[0].job_id, error=str(error))
                await trio.sleep(_ROOM_S)
            except PhaselineError as error:
                _log.warning("the end of a run was refused", job_id=left[0].job_id, error=str(error))
                return

    async def remove(self, series: str, address: str) -> tuple[bool, bool]:
        """Cancel an active run, forget one that is over, and remove the picture with all that belongs to it.

        Returns:
            Whether a run was cancelled, and whether files were removed.

        Raises:
            NoRun: There was nothing to cancel, forget or remove.
            OutsideDataDir: A symbolic link leads out.
            DataDirError: A file can't be removed.
        """
        run = self._runs.get((series, address))
        cancelled = False
        if run is not None and not run.over.is_set():
            run.scope.cancel()
            await run.over.wait()
            # If not, it ended by itself at the same time.
            cancelled = run.scope.cancelled_caught
        removed = await trio.to_thread.run_sync(self._studio.storage.remove, series, address)
        if run is None and not removed:
            raise NoRun(series, address)
        if not cancelled and self._runs.get((series, address)) is run:
            self._runs.pop((series, address), None)
        return cancelled, removed

    async def wait_over(self) -> None:
        """Wait until no run is active."""
        for run in tuple(self._runs.values()):
            await run.over.wait()

    # ------------------------------------------------------------------ the rest

    def take_done(self, series: str, address: str) -> RunState | None:
        """Return what is known of a run, and forget it if it has ended: seed A's GetProgress."""
        state = self.known(series, address)
        if state is not None and state.snapshot.state.ended:
            self._runs.pop((series, address), None)
            self._tracker.forget(state.snapshot.job_id)
        return state

    async def _archive(self, series: str, address: str) -> None:
        """Write the final snapshot to the archive, if that is wanted."""
        archive, run = self._studio.archive, self._runs.get((series, address))
        if archive is None or run is None:
            return
        name = f"{series}-{address}"
        try:
            snapshot = self._tracker.snapshot(dalle_job_id(series, address))
            name = f"{name}-{snapshot.started_ns}.json"
            document, data_dir = encode_run(snapshot, run.dress), archive.parents[1]
            await trio.to_thread.run_sync(replace_file, archive / name, document, data_dir)
        except PhaselineError as error:
            _log.warning("a run was not archived", name=name, error=str(error))


def _interrupted(snapshot: Snapshot) -> bool:
    """Say whether a run ended only because its server did: then it may go on at once."""
    result = snapshot.result or {}
    return result.get("code") == INTERRUPTED or (snapshot.state is State.CANCELLED and result.get("error") == ENDED)


def _result(dress: Dress) -> dict[str, str]:
    return {"title": dress.title_prompt, "picture": dress.annotated_path}


def _synthetic(series: str, address: str, dress: Dress) -> RunState:
    """Return the state of a picture that is there, of whose run nothing is known."""
    moment, job = now(), Job(dalle_job_id(series, address))
    job.apply(JobStarted(job_id=job.job_id, workflow=DALLE.name, series=series, cache_hit=True), moment)
    job.apply(JobCompleted(job_id=job.job_id, result=_result(dress)), moment)
    return RunState(job.snapshot(moment, Estimate(100.0), {}), dress)
