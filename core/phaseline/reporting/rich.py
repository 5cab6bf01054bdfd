"""Reporting of `rich.progress` bars. Requires the library rich.

from rich.progress import Progress
from phaseline.reporting.rich import follow

with reporter.job("render shot 12") as job, Progress() as progress, follow(progress, job):
    for frame in progress.track(frames, description="render"):
        render(frame)
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import Progress, Task, TaskID
from rich.text import Text

from phaseline.reporting.delivery.inbox import Sample
from phaseline.reporting.job import JobReporter
from phaseline.reporting.values import name, text_of

__all__ = ["follow"]


@contextmanager
def follow(progress: Progress, job: JobReporter) -> Iterator[Progress]:
    """Report the tasks of `progress` as phases of `job` for the duration of the block.

    A task's first description names its phase. A job is in one phase at a time, so of several concurrent tasks the
    first is reported until it is finished. The background thread reads the tasks, visible or not; updating them costs
    no more than without it.
    """
    tasks = _Tasks(progress, job)
    outer = job.watch(tasks.sample)
    try:
        yield progress
    finally:
        job.watch(outer)
        last = tasks.sample()
        if last is not None:
            job.report_sample(last)


class _Tasks:
    def __init__(self, progress: Progress, job: JobReporter) -> None:
        self._progress = progress
        self._job = job
        self._names: dict[TaskID, str] = {}
        self._over: set[TaskID] = set()
        self._lock = threading.RLock()

    def sample(self) -> Sample | None:
        """Report the tasks that have finished, and return the progress of the first of the others."""
        with self._lock:  # the block may end while the background thread is in here
            return self._sample()

    def _sample(self) -> Sample | None:
        begun = [task for task in self._progress.tasks if task.start_time is not None and task.id not in self._over]
        for task in sorted(begun, key=lambda task: task.start_time or 0.0):
            phase = self._names.setdefault(task.id, _plain(task.description))
            if not task.finished:
                return _sample_of(phase, task)
            self._over.add(task.id)
            self._job.report_sample(_sample_of(phase, task, 100.0))
            self._job.complete(phase, count=task.completed)
        return None


def _plain(description: object) -> str:
    try:
        text = Text.from_markup(description).plain  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 - markup may be invalid, and a description of any type
        text = text_of(description)
    return name(text, "work")


def _sample_of(phase: str, task: Task, percent: float | None = None) -> Sample:
    try:
        if percent is None and task.total is not None:
            percent = min(100.0, max(0.0, task.percentage))
        text = f"{task.completed:g}" if task.total is None else f"{task.completed:g} of {task.total:g}"
        return phase, percent, text, max(0, task.completed), task.total or None, ""
    except Exception:  # noqa: BLE001 - the worker may set the count and the total to anything
        return phase, percent, text_of(task.completed)
