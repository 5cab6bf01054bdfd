"""The inbox: where any thread leaves its reports, without waiting, and the background thread takes them from.

Of each job the latest progress stands apart until something else of the job comes, or the background thread has use for
it: so whoever reports a million times a second fills no memory, and a server that was away is told the latest only.
"""

import threading
from collections.abc import Callable
from typing import Final

from phaseline.client.notes import warn
from phaseline.errors import PhaselineError
from phaseline.model.events import JobProgress
from phaseline.reporting.delivery.thinning import thinned
from phaseline.reporting.record import Record, encoded

__all__ = ["Inbox", "Sample", "Waiter"]

Sample = tuple[str, float | None, str]  # phase, percent, text
_SLACK: Final = 2  # so many times its size the inbox grows before it is looked through for what may go


class Waiter:
    """Somebody who waits until all that was reported before is delivered.

    Attributes:
        impatient: Whether it is left waiting no longer once there is no hope.
        order: Of the last report before it.
        delivered: Whether it came to that.
        gone: Whether it waits no longer.
    """

    def __init__(self, *, impatient: bool) -> None:
        self.impatient = impatient
        self.order = 0
        self.delivered = self.gone = False
        self._over = threading.Event()

    @property
    def over(self) -> bool:
        """Whether it was let go."""
        return self._over.is_set()

    def end(self, *, delivered: bool) -> None:
        """Let go whoever waits."""
        self.delivered = delivered
        self._over.set()

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds; say whether all is delivered."""
        self._over.wait(timeout)
        self.gone = True
        return self.delivered


class _Watch:
    """A loop that counts by itself, looked at by the background thread."""

    def __init__(self, sample: Callable[[], Sample | None]) -> None:
        self.sample = sample
        self.told: Sample | None = None


class Inbox:
    """Reports that the background thread has not taken yet.

    The lock is held for a few list and dict operations, never while anything is waited for. It is an RLock, because a
    signal handler or a finalizer may report while its own thread is in here.
    """

    def __init__(self, size: int, wake: Callable[[], None]) -> None:
        """Hold reports of the weight `size`, roughly; call `wake` when there is something, and nobody looks."""
        self._size = size
        self._wake = wake
        self._lock = threading.RLock()
        self._items: list[Record | Waiter] = []
        self._latest: dict[str, Record] = {}
        self._watches: dict[str, _Watch] = {}
        self._asleep = self._timed = False
        self.dropped = 0

    def put(self, record: Record) -> None:
        """Leave a report. Two threads that report the same job at once do so in either order."""
        with self._lock:
            # Each step leaves everything in order for a signal handler that reports between two of them.
            before = self._latest.pop(record.job_id, None)
            if before is not None:
                if record.is_progress and record.phase == before.phase:
                    record.replaces(before)
                else:
                    self._items.append(before)
            if record.is_progress:
                self._latest[record.job_id] = record
            else:
                self._items.append(record)
            if len(self._items) > _SLACK * self._size:
                self._thin()
            if not (record.is_progress and self._timed):
                self._rouse()

    def put_waiter(self, waiter: Waiter) -> None:
        """Leave somebody who waits until all before is delivered."""
        with self._lock:
            self._items.extend(self._latest.values())
            self._latest.clear()
            self._items.append(waiter)
            self._rouse()

    def watch(self, job_id: str, sample: Callable[[], Sample | None] | None) -> Callable[[], Sample | None] | None:
        """Look at a job's progress by `sample` from now on, or no longer; return by what it was looked at before.

        `sample` is called by the background thread while somebody listens, a few times a second. It must not wait.
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
        """Return all that was left, in order; the jobs' latest progress too, if `progress` is wanted."""
        samples = self._samples() if progress else []
        with self._lock:
            items, self._items = self._items, []
            if progress:
                recent, self._latest = self._latest, {}
                items.extend(recent.values())
                for watch, said, record in samples:
                    # What a worker said itself goes first; and a loop that ended meanwhile has said all.
                    if record.job_id not in recent and self._watches.get(record.job_id) is watch:
                        watch.told = said
                        items.append(record)
            return items

    def _samples(self) -> list[tuple[_Watch, Sample, Record]]:
        # Outside of the lock: a sample may need a lock of its own, whose holder may be about to report.
        with self._lock:
            watches = list(self._watches.items())
        found = []
        for job_id, watch in watches:
            try:
                said = watch.sample()
                if said is None or said == watch.told:
                    continue
                phase, percent, text = said
                record = encoded(JobProgress(job_id=job_id, phase=phase, progress=percent, text=text))
            except Exception as error:  # noqa: BLE001 - of the worker's own making
                if not isinstance(error, PhaselineError):
                    self._forget(job_id, watch)
                warn("progress of the job %a can't be told: %s", job_id, error)
                continue
            found.append((watch, said, record))
        return found

    def _forget(self, job_id: str, watch: _Watch) -> None:
        with self._lock:
            if self._watches.get(job_id) is watch:
                del self._watches[job_id]

    def sleep(self, *, timed: bool) -> bool:
        """Say whether there is nothing to take; from then on, whoever leaves something calls `wake`.

        Args:
            timed: Whether progress wakes nobody, as it is looked at in time, or of no use yet.
        """
        with self._lock:
            self._asleep, self._timed = not self._items and (timed or not self._latest), timed
            return self._asleep

    @property
    def moving(self) -> bool:
        """Whether there is progress to look at again soon."""
        return bool(self._latest or self._watches)
