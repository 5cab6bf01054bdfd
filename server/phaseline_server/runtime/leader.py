"""The leader: it writes the log. One nursery runs its app, tracker, broadcaster and picture runs."""

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import trio

from phaseline.eta import EmaEngine
from phaseline_server.access.keeper import Keeper
from phaseline_server.access.views import JobsView
from phaseline_server.config.settings import Settings
from phaseline_server.http.app import make_app
from phaseline_server.http.services import make_services
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
from phaseline_server.log.protocol import Store
from phaseline_server.log.stream import Log
from phaseline_server.pictures import helpers
from phaseline_server.pictures.runs import Runs
from phaseline_server.pictures.studio import open_studio
from phaseline_server.runtime.entrance import Entrance, Reception
from phaseline_server.runtime.listening import reload_at_hangup
from phaseline_server.runtime.restore import restore

__all__ = ["lead"]


class _Saved(Protocol):
    """State that is saved periodically and at the end."""

    async def run(self) -> None: ...
    async def save(self) -> None: ...


@dataclass(frozen=True)
class _LeadingParts:
    """The parts that write the log, with the restored state."""

    settings: Settings
    log: Log
    tracker: Tracker
    watchdog: Watchdog
    learning: Learning
    courses: Courses
    outputs: Outputs
    metrics_file: MetricsFile
    saved: Sequence[_Saved]

    def start(self, nursery: trio.Nursery) -> None:
        """Start their tasks."""
        nursery.start_soon(self.metrics_file.run, self.tracker)
        nursery.start_soon(self.watchdog.run)
        for part in self.saved:
            nursery.start_soon(part.run)
        if self.settings.archive_runs:
            nursery.start_soon(run_archive, self.tracker, Path(self.settings.data_dir))
        nursery.start_soon(self.log.run_pruning, now)
        nursery.start_soon(self.log.run_fan_out)

    async def save(self) -> None:
        """Save what they learned; call it at the end."""
        await self.metrics_file.finish(self.tracker)
        for part in self.saved:
            await part.save()


async def lead(store: Store, entrance: Entrance, reception: Reception, keeper: Keeper) -> None:
    """Write an open log, and serve it until cancelled.

    Args:
        store: The log.
        entrance: The addresses of the server.
        reception: Serves clients already; it shows them the app.
        keeper: The tokens.

    Raises:
        JournalUnusable: The log's content can't be read.
        JournalFailed: The storage failed.
        Deposed: Another server leads the log.
        LogUnavailable: The database with the log can't be reached.
    """
    settings = entrance.settings
    parts = await _restore_parts(store, settings)
    tracker, learning = parts.tracker, parts.learning
    try:
        async with tracker.keeping(), open_studio(settings) as studio, trio.open_nursery() as nursery:
            runs = Runs(nursery, tracker, studio, done_ttl=settings.done_ttl)
            await runs.restore()
            with helpers.serving(runs, tracker, parts.metrics_file):
                parts.start(nursery)
                nursery.start_soon(keeper.run)
                nursery.start_soon(reload_at_hangup, entrance.tls)
                boxes = Boxes(tracker, learning.boxes)
                nursery.start_soon(boxes.run)
                services = make_services(
                    settings=settings,
                    tracker=JobsView(tracker, keeper, parts.outputs),
                    runs=runs,
                    studio=studio,
                    door=reception.door,
                    closing=reception.closing,
                    keeper=keeper,
                    learning=learning,
                    boxes=boxes,
                    courses=parts.courses,
                    address=entrance.url,
                )
                await reception.admit(nursery, services, make_app(services))
                await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            await parts.save()


async def _restore_parts(store: Store, settings: Settings) -> _LeadingParts:
    metrics_file = MetricsFile(Path(settings.data_dir))
    # A finished run answers its pollers for done_ttl, even if jobs stay in memory for less time.
    retention_s = max(settings.retention, settings.done_ttl)
    known = await restore(store, metrics_file, now(), retention_s=retention_s, max_jobs=settings.max_jobs)
    gc.freeze()  # the collector skips the restored jobs
    learned = await store.learned()
    learning, outputs = Learning(store, known.statistics), Outputs()
    courses = Courses(learning)
    saved = (OutputStorage(store, outputs), CourseStorage(store, courses), learning)
    for part in saved:
        part.restore(learned)
    log = Log(store, settings.history, settings.queue, settings.max_memory // 4)
    tracker = Tracker(
        log,
        EmaEngine(known.statistics) if settings.eta_engine == "ema" else learning.model,
        known.statistics,
        max_jobs=settings.max_jobs,
        max_bytes=settings.max_memory // 4 * 3,
        bounds=(settings.max_phases, settings.max_job_bytes),
        jobs=known.jobs,
        producers=known.producers,
        listener=courses,
        ends=known.ends,
    )
    patience = Patience(
        retention_s=retention_s,
        stall_after_s=settings.stall_after,
        lease_s=settings.lease,
        gone_after_s=settings.gone_after,
        lost_after_s=settings.lost_after,
    )
    watchdog = Watchdog(tracker, learning.habits, patience)
    return _LeadingParts(settings, log, tracker, watchdog, learning, courses, outputs, metrics_file, saved)
