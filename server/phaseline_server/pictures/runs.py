"""The runs of pictures: at most one active run per series and address, and recent runs."""

from functools import partial
from typing import Final

import msgspec
import structlog
import trio

from phaseline.errors import PhaselineError, UnknownJob
from phaseline.model.events import ErrorOccurred, JobCompleted, JobFailed, JobStarted
from phaseline.model.job import Job
from phaseline.model.snapshot import Estimate, Order, Snapshot
from phaseline.model.states import State
from phaseline.model.workflows import PICTURES, Picture, makes_pictures, picture_of, valid_address
from phaseline_server.jobs.tracker import Tracker, now
from phaseline_server.pictures.dress import Dress, make_dress
from phaseline_server.pictures.errors import NoRun
from phaseline_server.pictures.making import INTERRUPTED, Maker, PictureRun, interrupted, result_of
from phaseline_server.pictures.studio import Studio

__all__ = ["RunState", "Runs"]

_SHORT_ADDRESS: Final = 13
_log: Final = structlog.get_logger()

Key = tuple[str, str]


class RunState(msgspec.Struct, frozen=True):
    """The state of a picture: its run's snapshot and its dress."""

    snapshot: Snapshot
    dress: Dress


class Runs:
    """All runs. The tracker holds their jobs; this holds their dresses and cancel scopes."""

    def __init__(self, nursery: trio.Nursery, tracker: Tracker, studio: Studio, *, done_ttl: float) -> None:
        """Create an empty registry of runs.

        Args:
            nursery: Runs the tasks that make pictures.
            tracker: Receives the reports.
            studio: The storage, series and providers.
            done_ttl: Seconds for which the snapshot of a finished run is available.
        """
        self._nursery = nursery
        self._tracker = tracker
        self._studio = studio
        self._done_ttl = done_ttl
        self._maker = Maker(tracker, studio)
        self._runs: dict[Key, PictureRun] = {}
        tracker.workers.orders.attend(self._receive_order)

    def _receive_order(self, job_id: str, order: Order) -> None:
        series, _, address = job_id.removeprefix(f"{PICTURES.name}:").partition(":")
        run = self._runs.get((series, address))
        if run is not None and not run.over.is_set() and order.order_id not in run.orders:
            run.orders.add(order.order_id)
            self._nursery.start_soon(self._maker.cancel, run, job_id, order)

    async def restore(self) -> None:
        """Restore the runs of the tracker's jobs, and report those that were active at the last shutdown as failed."""
        for job in self._tracker.jobs():
            picture = picture_of(job.job_id)
            if picture is None or not makes_pictures(job.workflow.name):
                continue
            series, address = picture
            try:
                there = partial(self._studio.storage.annotated_exists, series, address)
                stored = job.state is State.COMPLETED and await trio.to_thread.run_sync(there)
                dress = partial(self._stored_dress if stored else self._new_dress, series, address)
                run = PictureRun(await trio.to_thread.run_sync(dress))
            except PhaselineError as error:  # a job of another client, or of a deleted series
                _log.info("cannot restore a run", job_id=job.job_id, error=str(error))
                continue
            run.begun.set()
            run.over.set()
            self._runs[series, address] = run
            if not job.state.ended:
                phase = job.phase or None
                text = "the server stopped before the picture was complete; request it again to resume"
                await self._maker.end(
                    ErrorOccurred(job_id=job.job_id, error_type=INTERRUPTED, text=text, phase=phase),
                    JobFailed(job_id=job.job_id, result={"error": "interrupted", "code": INTERRUPTED, "stage": phase}),
                )

    def _new_dress(self, series: str, address: str) -> Dress:
        return make_dress(self._studio.library.get(series), valid_address(address))

    # ------------------------------------------------------------------ state

    def known(self, series: str, address: str) -> RunState | None:
        """Return the state of an active or recent run, or None."""
        run = self._runs.get((series, address))
        if run is None:
            return None
        job_id = Picture(series, address).job_id
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
        """Return the state of a picture, without starting a run.

        Raises:
            UnknownSeries: The series is not defined, and the picture does not exist.
            NoRun: There is neither a run nor a picture.
        """
        await self._wait_begun(series, address)
        if known := self.known(series, address):
            return known
        dress, there = await trio.to_thread.run_sync(self._prepared, series, address)
        if not there:
            raise NoRun(series, address)
        return _synthetic(series, address, dress)

    async def _wait_begun(self, series: str, address: str) -> None:
        """Wait until a run that another request is starting has begun."""
        while (run := self._runs.get((series, address))) is not None and not run.begun.is_set():
            await run.begun.wait()

    def _prepared(self, series: str, address: str, *, anew: bool = False) -> tuple[Dress, bool]:
        """Return a picture's dress, and whether the picture exists; with `anew`, ignore an existing picture."""
        if not anew and self._studio.storage.annotated_exists(series, address):
            return self._stored_dress(series, address), True
        return make_dress(self._studio.library.get(series), address), False

    def _stored_dress(self, series: str, address: str) -> Dress:
        """Return the dress of an existing picture: the stored one, or else a new one."""
        storage = self._studio.storage
        dress = storage.read_dress(series, address) or make_dress(self._studio.library.get(series), address)
        return msgspec.structs.replace(
            dress, annotated_path=storage.relative("annotated", series, address), cache_hit=True, completed=True
        )

    # ------------------------------------------------------------------ start and end

    async def start(self, series: str, address: str, *, retry: bool = False) -> RunState:
        """Start a picture's run, unless there is a run or the picture exists, and return its state.

        Args:
            series: A valid name.
            address: A valid address, in lower case.
            retry: Start again although a recent run exists. A picture that existed before that run is not made again.

        Raises:
            UnknownSeries: The series is not defined, and the picture does not exist.
            IllegalEvent: Another client reports a job with this run's id.
            TooMany: Too many jobs are active.
        """
        await self._wait_begun(series, address)
        known = self.known(series, address)
        if known is not None and interrupted(known.snapshot):
            known = None
        if known is not None and not (retry and known.snapshot.state.ended):
            return known
        anew = known is not None and not known.snapshot.cache_hit
        dress, hit = await trio.to_thread.run_sync(partial(self._prepared, series, address, anew=anew))
        if known is not None and hit:
            return known
        # Another request may have started the run meanwhile. After this check, nothing is awaited before the run is
        # registered.
        await self._wait_begun(series, address)
        again = self.known(series, address)
        known_ended = known is not None and again is not None and again.snapshot.state.ended
        if again is not None and not known_ended and not interrupted(again.snapshot):
            return again
        self._forget_old()
        run = PictureRun(dress)
        self._runs[series, address] = run
        job_id = Picture(series, address).job_id
        try:
            # Shielded, because a disconnect of the client must not leave a run that never begins or ends.
            with trio.CancelScope(shield=True):
                await self._begin(run, series, address, hit=hit, anew=anew)
        except PhaselineError:
            del self._runs[series, address]
            run.over.set()
            raise
        finally:
            run.begun.set()
        return RunState(self._tracker.snapshot(job_id), run.dress)

    async def _begin(self, run: PictureRun, series: str, address: str, *, hit: bool, anew: bool) -> None:
        job_id = Picture(series, address).job_id
        await self._tracker.report(
            JobStarted(
                job_id=job_id,
                name=_short(address),
                workflow=PICTURES.name,
                series=series,
                photo_id=address,
                photo_info={"series": series, "address": address},
                cache_hit=hit,
                orders=() if hit else ("cancel",),
            )
        )
        if hit:
            await self._tracker.report(JobCompleted(job_id=job_id, result=result_of(run.dress)))
            run.over.set()
        else:
            self._nursery.start_soon(partial(self._maker.make, run, series, address, resume=not anew), name=job_id)

    def _forget_old(self) -> None:
        """Remove finished runs whose jobs the tracker has removed."""
        for key, run in tuple(self._runs.items()):
            if run.over.is_set() and self._tracker.ended_s(Picture(*key).job_id) is None:
                del self._runs[key]

    async def remove(self, series: str, address: str) -> tuple[bool, bool]:
        """Cancel an active run or remove a finished one, and remove the picture with its other files.

        Returns:
            Whether a run was canceled, and whether files were removed.

        Raises:
            NoRun: There is neither a run nor a picture.
            OutsideDataDir: A symbolic link points outside the data directory.
            DataDirError: A file cannot be removed.
        """
        run = self._runs.get((series, address))
        cancelled = False
        if run is not None and not run.over.is_set():
            run.scope.cancel()
            await run.over.wait()
            # False if the run ended by itself at the same time.
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
        """Return the state of a run, and remove the run if it has ended: GetProgress of the picture API."""
        state = self.known(series, address)
        if state is not None and state.snapshot.state.ended:
            self._runs.pop((series, address), None)
            self._tracker.forget(state.snapshot.job_id)
        return state


def _short(address: str) -> str:
    """Return an address as a name: its two ends, if it is long."""
    return address if len(address) <= _SHORT_ADDRESS else f"{address[:6]}…{address[-6:]}"


def _synthetic(series: str, address: str, dress: Dress) -> RunState:
    """Return the state of an existing picture without a run."""
    moment, job = now(), Job(Picture(series, address).job_id)
    job.apply(JobStarted(job_id=job.job_id, workflow=PICTURES.name, series=series, cache_hit=True), moment)
    job.apply(JobCompleted(job_id=job.job_id, result=result_of(dress)), moment)
    return RunState(job.snapshot(moment, Estimate(100.0), {}), dress)
