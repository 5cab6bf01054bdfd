"""The runner of a queue: one process that starts jobs while slots are free, and ends when nothing waits or runs.

It holds a lock for its life. If it is killed, its jobs go on, and the first of them that ends starts another runner, as
does the next command of the queue.
"""

import os
import select
from contextlib import suppress
from typing import Final

from phaseline.reporting import Reporter
from phaseline.reporting.job import JobReporter
from phaseline_cli.client.failures import Failure
from phaseline_cli.queue.conditions import check_conditions
from phaseline_cli.queue.slots import begin, mark_dead, wake
from phaseline_cli.queue.store import QueuedJob, Store
from phaseline_cli.run.command import name_of, series_of, workflow_of

__all__ = ["run_queue"]

_AFTER_S: Final = 2.0
"""Interval at which the server is asked about jobs that others wait for."""
_LOST_S: Final = 5.0
"""Interval of the check for processes that died without recording their end."""


def run_queue(store: Store, lock: int) -> None:
    """Run the queue until nothing waits or runs; `lock` is the descriptor of the runner's lock."""
    os.set_inheritable(lock, False)  # noqa: FBT003 - otherwise the jobs would inherit the lock
    with suppress(FileExistsError):
        os.mkfifo(store.folder / "wake", 0o600)
    news = os.open(store.folder / "wake", os.O_RDWR | os.O_NONBLOCK)
    with Reporter() as reporter:
        announced = _Announced(store, reporter)
        while True:
            check_conditions(store)
            with store.locked():
                wait_s = _fill(store)
                announced.update(store.waiting())
                if wait_s is None:
                    (store.folder / "wake").unlink()
                    os.close(lock)  # the next command of the queue starts a new runner
                    return
            if select.select([news], [], [], wait_s)[0]:
                os.read(news, 4096)
            with suppress(ChildProcessError):  # they record their end themselves
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _fill(store: Store) -> float | None:
    """Start the jobs for which there are slots; return when to look again, or None if there is nothing to do."""
    mark_dead(store)
    settings, jobs = store.settings(), store.jobs()
    running = sum(job.state == "running" for job in jobs)
    waiting = [job for job in jobs if job.state == "queued"]
    for job in [] if settings.paused else waiting:
        if running >= settings.slots:
            break
        if not job.after:
            begin(store, job)
            running += 1
    if not running and not store.waiting():
        return None
    return _AFTER_S if any(job.after for job in store.waiting()) else _LOST_S


class _Announced:
    """The waiting jobs that were reported to the server."""

    def __init__(self, store: Store, reporter: Reporter) -> None:
        self._store = store
        self._reporter = reporter
        self._jobs: dict[str, tuple[JobReporter, int]] = {}

    def update(self, waiting: list[QueuedJob]) -> None:
        """Report new places, and the ends of jobs that were removed or cancelled."""
        for place, job in enumerate(waiting, 1):
            known = self._jobs.get(job.job_id)
            if known is None or known[1] != place:
                reported = known[0] if known is not None else self._job(job)
                self._jobs[job.job_id] = (reported.queue(self._store.queue, place), place)
        names = {job.job_id for job in waiting}
        for job_id in [job_id for job_id in self._jobs if job_id not in names]:
            reported, _ = self._jobs.pop(job_id)
            self._reporter.attend(job_id, {})
            with suppress(Failure):
                job = self._store.job(job_id)
                if job.state != "cancelled":
                    continue  # it has begun, and reports itself
                reported.cancel(job.reason)
                continue
            reported.cancel("removed from the queue")

    def _job(self, job: QueuedJob) -> JobReporter:
        def remove(reason: str) -> None:
            with self._store.locked():
                waiting = self._store.job(job.job_id)
                if waiting.state != "queued":
                    raise RuntimeError("it has begun")
                waiting.end("cancelled", reason or "cancelled")
                self._store.write(waiting)
            wake(self._store)

        return self._reporter.job(
            name_of(job.argv),
            workflow=workflow_of(job.argv),
            series=series_of(job.argv),
            job_id=job.job_id,
            worker={"command": " ".join(job.argv)[:500]} if self._reporter.identity.sends("command") else {},
            on_cancel=remove,
        )
