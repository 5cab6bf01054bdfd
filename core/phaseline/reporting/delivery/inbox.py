"""The inbox: any thread adds reports without blocking, and the background thread takes them.

The latest progress of each job is kept separately until another report of the job arrives or the background thread
takes it. So frequent reports don't fill the memory. After an outage, the server only receives the latest one, and the
first one of each phase, with which the phase began.
"""

import threading
from collections.abc import Callable
from typing import Final

from phaseline.client.notes import warn
from phaseline.errors import PhaselineError, shown
from phaseline.model.events import JobProgress
from phaseline.reporting.delivery.thinning import thinned
from phaseline.reporting.record import Record, encoded
from phaseline.reporting.values import name, text_of

__all__ = ["Inbox", "Sample", "Waiter", "progress_event"]

# Phase, percent and text; for counted work, also the units that are done, their total and their name.
Sample = tuple[str, float | None, str] | tuple[str, float | None, str, float, float | None, str]
_SLACK: Final = 2  # the inbox is thinned when it exceeds its size by this factor
_MOST_PHASES: Final = 10_000  # of jobs whose ends other processes report, too


def progress_event(
    job_id: str,
    phase: str,
    percent: float | None,
    text: str,
    done: float | None = None,
    total: float | None = None,
    unit: str = "",
) -> JobProgress:
    """Return the report of a sample."""
    return JobProgress(
        job_id=job_id,
        phase=name(phase, "work"),
        progress=None if total else percent,  # the server computes it, since the total may grow
        done=done,
        total=total,
        unit=name(unit, "", 40),
        text=text_of(text),
    )


class Waiter:
    """A caller that waits until all reports before it are delivered.

    Attributes:
        impatient: Whether to end the wait early if delivery is unlikely.
        order: The `order` of the last record before it.
        delivered: Whether all of them were delivered.
        gone: Whether the caller has stopped waiting.
    """

    def __init__(self, *, impatient: bool) -> None:
        self.impatient = impatient
        self.order = 0
        self.delivered = self.gone = False
        self._over = threading.Event()

    @property
    def over(self) -> bool:
        """Whether `end` was called."""
        return self._over.is_set()

    def end(self, *, delivered: bool) -> None:
        """End the wait."""
        self.delivered = delivered
        self._over.set()

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds; return whether all reports are delivered."""
        self._over.wait(timeout)
        self.gone = True
        return self.delivered


class _Watch:
    """A job's progress that the background thread samples."""

    def __init__(self, sample: Callable[[], Sample | None]) -> None:
        self.sample = sample
        self.taken: Sample | None = None
        self.warned = False


class Inbox:
    """The reports that the background thread has not taken yet.

    The lock is held for a few list and dict operations only, never during a wait. It is an RLock, because a signal
    handler or finalizer may report while its own thread holds the lock.
    """

    def __init__(self, size: int, wake: Callable[[], None]) -> None:
        """Store reports of about the weight `size`; call `wake` when one arrives while the background thread sleeps."""
        self._size = size
        self._wake = wake
        self._lock = threading.RLock()
        self._items: list[Record | Waiter] = []
        self._latest: dict[str, Record] = {}
        self._phases: dict[str, str | None] = {}  # by job: the phase of its latest report, if that is progress
        self._watches: dict[str, _Watch] = {}
        self._asleep = self._timed = False
        self.dropped = 0

    def put(self, record: Record) -> None:
        """Add a report. The order of concurrent reports for one job is undefined."""
        with self._lock:
            # A signal handler may report between any two of these steps, so each leaves a consistent state.
            before = self._latest.pop(record.job_id, None)
            if before is not None and not record.supersedes(before):
                self._items.append(before)
            self._place(record)
            if record.is_progress:
                self._latest[record.job_id] = record
            else:
                self._items.append(record)
            if len(self._items) > _SLACK * self._size:
                self._thin()
            if not (record.is_progress and self._timed):
                self._rouse()

    def _place(self, record: Record) -> None:
        """Record whether progress follows progress in the same phase."""
        before = self._phases.pop(record.job_id, None)
        if record.is_progress:
            record.follows = before == record.phase
            if len(self._phases) >= _MOST_PHASES:
                self._phases.clear()
            self._phases[record.job_id] = record.phase

    def place(self) -> int:
        """Return the place after all complete reports, for `insert`; call it in the background thread."""
        with self._lock:
            return len(self._items)

    def insert(self, record: Record, place: int) -> None:
        """Add a report before those that other threads have added since `place`."""
        with self._lock:
            self._items.insert(place, record)
            self._rouse()

    def put_waiter(self, waiter: Waiter) -> None:
        """Add a caller that waits until all earlier reports are delivered."""
        with self._lock:
            self._items.extend(self._latest.values())
            self._latest.clear()
            self._items.append(waiter)
            self._rouse()

    def watch(self, job_id: str, sample: Callable[[], Sample | None] | None) -> Callable[[], Sample | None] | None:
        """Sample a job's progress with `sample`, or stop if it is None; return the previous function.

        The background thread calls `sample` a few times a second while it is connected. It must not block.
        """
        with self._lock:
            before = self._watches.pop(job_id, None)
            if sample is not None:
                self._watches[job_id] = _Watch(sample)
                self._rouse()
            return before.sample if before else None

    def _rouse(self) -> None:
        if self._asleep:
            self._asleep = False
            self._wake()

    def _thin(self) -> None:
        before = self._items
        self._items = []
        records = [item for item in before if isinstance(item, Record)]
        kept: list[Record | Waiter] = [*thinned(records, self._size)]
        self.dropped += len(records) - len(kept)
        kept += [item for item in before if isinstance(item, Waiter)]
        self._items[:0] = kept

    # ------------------------------------------------------------------ the background thread's side

    def take(self, *, progress: bool) -> list[Record | Waiter]:
        """Return and remove all reports in order; the jobs' latest progress only if `progress`."""
        samples = self._samples() if progress else []
        with self._lock:
            items, self._items = self._items, []
            if progress:
                recent, self._latest = self._latest, {}
                items.extend(recent.values())
                for watch, sample, record in samples:
                    # The worker's own report takes precedence, and a loop that has ended reported its last count.
                    if record.job_id not in recent and self._watches.get(record.job_id) is watch:
                        watch.taken = sample
                        self._place(record)
                        items.append(record)
            return items

    def _samples(self) -> list[tuple[_Watch, Sample, Record]]:
        # Outside of the lock, because a sample may need another lock, whose holder may be about to report.
        with self._lock:
            watches = list(self._watches.items())
        found = []
        for job_id, watch in watches:
            try:
                sample = watch.sample()
                if sample is None or sample == watch.taken:
                    continue
                record = encoded(progress_event(job_id, *sample))
            except Exception as error:  # noqa: BLE001 - the worker's function may raise anything
                if not isinstance(error, PhaselineError):
                    self._forget(job_id, watch)
                if not watch.warned:
                    watch.warned = True
                    warn("the progress of the job %s is not reported: %s", shown(job_id), text_of(error))
                continue
            found.append((watch, sample, record))
        return found

    def _forget(self, job_id: str, watch: _Watch) -> None:
        with self._lock:
            if self._watches.get(job_id) is watch:
                del self._watches[job_id]

    def sleep(self, *, timed: bool) -> bool:
        """Return whether the inbox is empty; if so, the next report calls `wake`.

        Args:
            timed: Whether progress does not call `wake`, because it is read at the next interval or not needed yet.
        """
        with self._lock:
            self._asleep, self._timed = not self._items and (timed or not self._latest), timed
            return self._asleep

    @property
    def moving(self) -> bool:
        """Whether there is progress to take at the next interval."""
        return bool(self._latest or self._watches)
