"""The server: one Trio nursery runs the quart-trio app under hypercorn, the tracker, the broadcaster and the runs."""

import gc
import sys
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import trio

from phaseline.eta import EmaEngine
from phaseline_server.access.exposure import check_exposure
from phaseline_server.access.keeper import Keeper
from phaseline_server.access.views import JobsView
from phaseline_server.atomic_files import check_data_dir, make_data_dir
from phaseline_server.config.settings import Settings
from phaseline_server.door import open_listeners
from phaseline_server.door.inherited import inherited_listeners
from phaseline_server.errors import Deposed, LogUnavailable
from phaseline_server.http.answer_budget import AnswerBudget
from phaseline_server.http.app import make_app
from phaseline_server.http.clients import Clients
from phaseline_server.http.services import Services
from phaseline_server.jobs.course_storage import CourseStorage
from phaseline_server.jobs.courses import Courses
from phaseline_server.jobs.output import Outputs
from phaseline_server.jobs.output_storage import OutputStorage
from phaseline_server.jobs.tracker import Tracker, now
from phaseline_server.jobs.watchdog import Patience, Watchdog
from phaseline_server.learning.archive import run_archive
from phaseline_server.learning.boxes import Boxes
from phaseline_server.learning.learner import Learning
from phaseline_server.learning.metrics_file import MetricsFile
from phaseline_server.log.engines import open_store
from phaseline_server.log.protocol import Retention, Store
from phaseline_server.log.stream import Log
from phaseline_server.pictures import helpers
from phaseline_server.pictures.gallery import Gallery
from phaseline_server.pictures.runs import Runs
from phaseline_server.pictures.studio import open_studio
from phaseline_server.pictures.thumbnails import Thumbnails
from phaseline_server.runtime.entrance import Entrance, Reception, first_of
from phaseline_server.runtime.keeping import open_keeper
from phaseline_server.runtime.listening import reload_at_hangup
from phaseline_server.runtime.logging_setup import announce_data_dir, configure_logs
from phaseline_server.runtime.mirror import serve_mirror
from phaseline_server.runtime.restore import restore
from phaseline_server.runtime.signals import watch_signals
from phaseline_server.runtime.systemd import attend

__all__ = ["run", "serve", "tune_interpreter"]

_log: Final = structlog.get_logger()
# The committing thread needs the interpreter often and briefly; with the default interval it would wait 5 ms each time.
_TURN_S: Final = 0.0003


def run(settings: Settings, *, explicit_bind: bool, explicit_data_dir: bool) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code.

    Args:
        settings: The configuration.
        explicit_bind: Whether the user chose `settings.bind`. A default address that is in use may be skipped.
        explicit_data_dir: Whether the user chose `settings.data_dir`. The default one is named in the log.

    Raises:
        PhaselineError: The server can't start, because of the data directory or the addresses.
    """
    configure_logs(settings.log_format, settings.log_level)
    tune_interpreter()
    data_dir = Path(settings.data_dir)
    make_data_dir(data_dir, parents=not explicit_data_dir)
    if not explicit_data_dir:
        announce_data_dir(data_dir)
    trio.run(_main, settings, explicit_bind, strict_exception_groups=True)
    return 0


def tune_interpreter() -> None:
    """Tune the interpreter of this process for a busy server."""
    # See docs/decisions/0042: nothing else runs during a garbage collection.
    gc.freeze()
    gc.set_threshold(2_000, 4, 500)
    sys.setswitchinterval(_TURN_S)


async def _main(settings: Settings, explicit_bind: bool) -> None:  # noqa: FBT001 - trio.run passes by position
    async with trio.open_nursery() as around:
        work = trio.CancelScope()
        await around.start(watch_signals, work.cancel)
        try:
            with work:
                async with trio.open_nursery() as nursery:
                    await nursery.start(partial(serve, settings, explicit_bind=explicit_bind))
                    await attend()
        finally:
            around.cancel_scope.cancel()


async def serve(
    settings: Settings,
    *,
    explicit_bind: bool = True,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled. Start it with `nursery.start`, which returns the bound URLs.

    On shutdown the server accepts no more connections, cancels the runs, publishes that, closes the clients'
    connections, and saves the statistics.

    Raises:
        PhaselineError: The server can't start, because of the data directory, journal, metrics file or addresses.
        JournalFailed: The disk failed while the server was running.
    """
    data_dir = Path(settings.data_dir)
    await trio.to_thread.run_sync(check_data_dir, data_dir)
    listeners = inherited_listeners() or await open_listeners(settings.bind, explicit_bind)
    try:
        async with open_keeper(settings, data_dir, partial(check_exposure, settings, listeners)) as keeper:
            entrance = Entrance(settings, listeners, task_status)
            if settings.follow:
                await serve_mirror(entrance, listeners, keeper)
            while True:
                try:
                    await _serve_while_leading(entrance, settings, data_dir, keeper)
                except* (Deposed, LogUnavailable) as errors:
                    _log.warning("this server no longer leads the log", error=str(first_of(errors)))
    finally:
        for listener in listeners:
            listener.socket.close()


async def _serve_while_leading(entrance: Entrance, settings: Settings, data_dir: Path, keeper: Keeper) -> None:
    """Wait until the log is open for this server; then serve until cancelled, or until another server leads."""
    retention = Retention(events=settings.keep_events, jobs=settings.keep_jobs, age_s=settings.keep_for)
    async with (
        entrance.reception(keeper) as reception,
        open_store(
            data_dir, retention, settings.log, server=entrance.url, lag=reception.lag, waiting=reception.update
        ) as store,
    ):
        await _serve_from(store, entrance, reception, keeper)


async def _serve_from(store: Store, entrance: Entrance, reception: Reception, keeper: Keeper) -> None:
    settings = entrance.settings
    data_dir = Path(settings.data_dir)
    metrics_file = MetricsFile(data_dir)
    # A finished run answers its pollers for done_ttl, even if jobs stay in memory for less time.
    retention_s = max(settings.retention, settings.done_ttl)
    known = await restore(store, metrics_file, now(), retention_s=retention_s, max_jobs=settings.max_jobs)
    gc.freeze()  # the restored jobs
    log, ema = Log(store, settings.history, settings.queue, settings.max_memory // 4), EmaEngine(known.statistics)
    learning, outputs, learned = Learning(store, known.statistics), Outputs(), await store.learned()
    courses = Courses(learning)
    job_states = (OutputStorage(store, outputs), CourseStorage(store, courses))
    for part in job_states:
        part.restore(learned)
    learning.restore(learned)
    tracker = Tracker(
        log,
        ema if settings.eta_engine == "ema" else learning.model,
        known.statistics,
        max_jobs=settings.max_jobs,
        max_bytes=settings.max_memory // 4 * 3,
        bounds=(settings.max_phases, settings.max_job_bytes),
        jobs=known.jobs,
        producers=known.producers,
        listener=courses,
        ends=known.ends,
    )
    lifecycle = Watchdog(
        tracker,
        learning.habits,
        Patience(
            retention_s=retention_s,
            stall_after_s=settings.stall_after,
            lease_s=settings.lease,
            gone_after_s=settings.gone_after,
            lost_after_s=settings.lost_after,
        ),
    )
    door, closing = reception.door, reception.closing
    try:
        async with tracker.keeping(), open_studio(settings) as studio, trio.open_nursery() as nursery:
            runs = Runs(nursery, tracker, studio, done_ttl=settings.done_ttl)
            await runs.restore()
            with helpers.serving(runs, tracker, metrics_file):
                nursery.start_soon(metrics_file.run, tracker)
                nursery.start_soon(lifecycle.run)
                nursery.start_soon(learning.run)
                for part in job_states:
                    nursery.start_soon(part.run)
                if settings.archive_runs:
                    nursery.start_soon(run_archive, tracker, data_dir)
                nursery.start_soon(log.run_pruning, now)
                nursery.start_soon(log.run_fan_out)
                nursery.start_soon(keeper.run)
                nursery.start_soon(reload_at_hangup, entrance.tls)
                clients, answers = Clients(most=settings.max_connections), AnswerBudget(settings.answer_bytes)
                jobs, gallery = JobsView(tracker, keeper, outputs), Gallery(studio)
                boxes = Boxes(tracker, learning.boxes)
                nursery.start_soon(boxes.run)
                parts = (keeper, learning, boxes, clients, answers, courses, Thumbnails(gallery))
                services = Services(settings, jobs, runs, gallery, door, closing, *parts, address=entrance.url)
                await reception.admit(nursery, services, make_app(services))
                await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            await metrics_file.finish(tracker)
            await learning.save()
            for part in job_states:
                await part.save()
