"""The spool: the undelivered records of one producer, in order, numbered and bounded; for the background thread."""

from collections.abc import Iterable
from itertools import chain, islice
from typing import Final

from phaseline.reporting.delivery.known import KnownJobs
from phaseline.reporting.delivery.thinning import thinned
from phaseline.reporting.record import Record

__all__ = ["Spool"]

_MOST_SURE: Final = 10_000


class Spool:
    """Records that no server has acknowledged yet.

    Each is waiting, in flight, or held back. If a server temporarily rejects a job's record, the record and all later
    ones of the job are held back for a while. Numbers only rise, because a server ignores a report whose number is not
    above the last one.

    If another process starts a job, only one of its records is in flight until the server accepts one. Otherwise the
    start could arrive between two records, so that the server rejects the earlier one and accepts the later one.

    Attributes:
        producer: The name of the producer; it changes if the server rejects its numbers.
        epoch: The epoch of the server that has acknowledged records, "" before.
        known: The records of active jobs that this server has.
        size: Its capacity, by weight.
        in_flight: The records that are sent and not answered, by number.
        dropped: Number of records dropped because the spool was full.
    """

    def __init__(self, producer: str, size: int) -> None:
        """Store records up to the weight `size`, plus those that must not be dropped."""
        self.producer = producer
        self.epoch = ""
        self.known = KnownJobs()
        self.in_flight: dict[int, Record] = {}
        self.dropped = 0
        self.size = size
        self._waiting: dict[int, Record] = {}
        self._weight = 0
        self._held: dict[str, list[Record]] = {}
        self._number = 0
        self._order = 0
        # By job, the number of its latest record, if that is progress.
        self._progress: dict[str, int] = {}
        self._sure: set[str] = set()  # jobs that the server has, or whose start it receives first
        self._asked: set[str] = set()  # other jobs, with one record in flight

    def __len__(self) -> int:
        """Return the number of records that are not acknowledged."""
        return len(self.in_flight) + len(self._waiting) + sum(map(len, self._held.values()))

    @property
    def order(self) -> int:
        """The order of the latest record."""
        return self._order

    @property
    def number(self) -> int:
        """The number of the latest record."""
        return self._number

    @property
    def waiting(self) -> int:
        """The number of records that wait to be sent."""
        return len(self._waiting)

    @property
    def settled(self) -> int:
        """The number up to which all records are settled or held back."""
        return next(chain(self.in_flight, self._waiting), self._number + 1) - 1

    @property
    def held(self) -> list[Record]:
        """The records that are held back."""
        return list(chain(*self._held.values()))

    def numbered(self) -> list[Record]:
        """Return the records that are in flight or waiting, in order."""
        return [*self.in_flight.values(), *self._waiting.values()]

    def delivered(self, order: int) -> bool:
        """Return whether all records up to this order are acknowledged."""
        left = chain(self.in_flight.values(), self._waiting.values(), *self._held.values())
        return all(record.order > order for record in left)

    # ------------------------------------------------------------------ adding records

    def add(self, record: Record) -> None:
        """Add a new record; of a job's waiting progress in a phase, only the first and the latest are stored."""
        self._order += 1
        record.order = self._order
        if (held := self._held.get(record.job_id)) is not None:
            if record.supersedes(held[-1]):
                held.pop()
            held.append(record)
            if len(held) > self.size:
                self._held[record.job_id] = thinned(held, self.size)
            return
        latest = self._progress.pop(record.job_id, 0)
        if record.is_progress:
            before = self._waiting.get(latest)
            if before is not None and record.supersedes(before):
                self._drop(latest)
            self._progress[record.job_id] = self._number + 1
        self._append(record)
        if self._weight > self.size:
            self._thin()

    def restore(self, record: Record) -> None:
        """Add a record from a file; it has its number already."""
        self._order += 1
        record.order = self._order
        self._number = max(self._number, record.number)
        self._waiting[record.number] = record
        self._weight += record.weight

    def restore_settled(self, upto: int, epoch: str) -> None:
        """Restore from a file that a server of `epoch` has settled all records up to the number `upto`."""
        self.epoch = epoch
        for number in [number for number in self._waiting if number <= upto]:
            self.known.note(self._waiting[number])
            self._drop(number)
        self._number = max(self._number, upto)

    def _append(self, record: Record) -> None:
        self._number += 1
        record.number = self._number
        self._waiting[record.number] = record
        self._weight += record.weight

    def _drop(self, number: int) -> None:
        self._weight -= self._waiting.pop(number).weight

    def _thin(self) -> None:
        kept = thinned(list(self._waiting.values()), self.size)
        self.dropped += len(self._waiting) - len(kept)
        self._fill(kept)

    def _fill(self, waiting: Iterable[Record]) -> None:
        self._waiting = {record.number: record for record in waiting}
        self._weight = sum(record.weight for record in self._waiting.values())

    # ------------------------------------------------------------------ delivering

    def send(self, most: int) -> list[Record]:
        """Return up to `most` waiting records, oldest first; they are then in flight."""
        sent = []
        for record in islice(self._waiting.values(), max(0, most)):
            if record.job_id not in self._sure:
                if record.is_beginning:
                    self._sure.add(record.job_id)
                elif record.job_id in self._asked:
                    break
                else:
                    self._asked.add(record.job_id)
            sent.append(record)
        for record in sent:
            self._drop(record.number)
            self.in_flight[record.number] = record
        return sent

    def settle(self, number: int, *, accepted: bool) -> None:
        """Remove an answered record, which the server has `accepted` or not."""
        record = self.in_flight.pop(number)
        self._asked.discard(record.job_id)
        if accepted:
            self.known.note(record)
            if record.is_end:
                self._sure.discard(record.job_id)
            else:
                if len(self._sure) > _MOST_SURE:  # this process does not see the ends that others report
                    self._sure.clear()
                self._sure.add(record.job_id)

    def rewind(self) -> None:
        """Make all records in flight wait again, with their numbers, because the connection was lost."""
        if not self.in_flight:
            return  # a failed attempt to connect
        self._fill([*self.in_flight.values(), *self._waiting.values()])
        self.in_flight.clear()
        self._progress.clear()
        self._asked.clear()

    def renew(self) -> None:
        """Start with a server without data: send the records that the previous one had first, with new numbers."""
        known, flow = self.known.records(), self.numbered()
        held = [record for record in flow if record.job_id in self._held] + self.held
        flow = [record for record in flow if record.job_id not in self._held]
        self.known = KnownJobs()
        self.in_flight.clear()
        self._held.clear()
        self._progress.clear()
        self._sure.clear()
        self._asked.clear()
        self._fill(())
        for record in chain(known, flow, sorted(held, key=_sequence)):
            self._append(record)

    # ------------------------------------------------------------------ holding back

    def hold(self, number: int) -> None:
        """Hold back a temporarily rejected record and all later ones of its job."""
        record = self.in_flight.pop(number)
        self._sure.discard(record.job_id)
        self._asked.discard(record.job_id)
        held = self._held.setdefault(record.job_id, [])
        held.append(record)
        later = [waiting for waiting in self._waiting.values() if waiting.job_id == record.job_id]
        for waiting in later:
            self._drop(waiting.number)
            held.append(waiting)
        held.sort(key=_sequence)

    def is_held(self, job_id: str) -> bool:
        """Return whether records of a job are held back."""
        return job_id in self._held

    @property
    def may_release(self) -> bool:
        """Whether records are held back and none of the same jobs is in flight."""
        return bool(self._held) and not any(record.job_id in self._held for record in self.in_flight.values())

    def release(self) -> None:
        """Release the held records: append them to the waiting ones, with new numbers."""
        held, self._held = self._held, {}
        self._progress.clear()
        for record in chain(*held.values()):
            self._append(record)

    def replace(self, number: int, by: Record) -> None:
        """Replace a record in flight by another one, to be sent again."""
        by.order = self.in_flight.pop(number).order
        self._asked.discard(by.job_id)
        self._append(by)


def _sequence(record: Record) -> tuple[int, int]:
    return record.order, record.number
