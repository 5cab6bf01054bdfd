"""An outbox: a spool and its file, which change together."""

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from phaseline.errors import DiskFull, IllegalEvent, TooMany, UnknownJob
from phaseline.reporting.delivery.spool import Spool
from phaseline.reporting.record import Record, bare_end

if TYPE_CHECKING:
    from pathlib import Path

    from phaseline.reporting.delivery.spool_file import SpoolFile

__all__ = ["Outbox"]

_FOR_NOW: Final = frozenset({TooMany.code, DiskFull.code})
_PAUSE_S: Final = 1.0
# A job may have been started by another process, whose report of it is still under way: it is waited for so often.
_UNKNOWN_PAUSES_S: Final = (0.25, 0.5, 1.0)


class Outbox:
    """What one producer has to deliver, kept in memory and, if wanted, in a file.

    Attributes:
        spool: The records.
    """

    def __init__(self, spool: Spool, file: "SpoolFile | None" = None) -> None:
        self.spool = spool
        self._release_at = 0.0
        self._file = file
        self._stale = False  # the file, as it has other numbers than the spool
        self._unknown: dict[str, int] = {}  # by job, how often it was waited for

    @classmethod
    def own(cls, producer: str, size: int, directory: "Path | None") -> "Outbox":
        """Return this process's own."""
        spool = Spool(producer, size)
        if directory is None:
            return cls(spool)
        from phaseline.reporting.delivery.spool_file import SpoolFile  # noqa: PLC0415 - locks files as Windows can't

        return cls(spool, SpoolFile.of(spool, directory))

    @classmethod
    def adopted(cls, directory: "Path", size: int) -> Iterator["Outbox"]:
        """Yield those of dead processes."""
        from phaseline.reporting.delivery.spool_file import adopted  # noqa: PLC0415 - as above

        for spool, file in adopted(directory, size):
            yield cls(spool, file)

    @property
    def fd(self) -> int:
        """Its open file, or -1."""
        return self._file.fd if self._file else -1

    @property
    def release_at(self) -> float:
        """When what is held back may go again, on the Trio clock; infinite for nothing, or not yet."""
        return self._release_at if self.spool.may_release else math.inf

    def is_due(self, now: float) -> bool:
        """Say whether there is something to send, or to let go."""
        return self.spool.waiting > 0 or now >= self.release_at

    def add(self, records: Iterable[Record]) -> None:
        """Take in what was just reported."""
        added = list(records)
        for record in added:
            self.spool.add(record)
        if self._file and added:
            self._file.add(added)

    def meet(self, epoch: str) -> None:
        """Prepare to deliver to a server of this epoch: a new one is told first what another one was told."""
        spool = self.spool
        if epoch != spool.epoch:
            known = bool(spool.epoch)
            spool.epoch = epoch
            if known:
                spool.renew()
                self._stale = True
                self._save()

    def rewind(self) -> None:
        """Take in that the connection was lost."""
        self.spool.rewind()
        self._unknown.clear()

    def acknowledge(self, number: int) -> None:
        """Take in that the server has the record of this number."""
        self._unknown.pop(self.spool.in_flight[number].job_id, None)
        self.spool.settle(number, told=True)
        self._save()

    def refuse(self, number: int, code: str, text: str, now: float) -> tuple[Record, str, str] | None:
        """Take in that the server does not take the record of this number.

        Returns:
            What to tell the worker: nothing if it is only for now, or no matter.
        """
        spool, record = self.spool, self.spool.in_flight[number]
        told: tuple[Record, str, str] | None = (record, code, text)
        if self._is_for_now(record, code, now):
            spool.hold(number)
            self._stale, told = True, None
        elif record.is_end and not record.bare and code not in {UnknownJob.code, IllegalEvent.code}:
            # Whatever is wrong with its result: the job is over, and must not seem active for ever.
            spool.replace(number, bare_end(record.kind, record.job_id, text))
            self._stale = True
        else:
            # A job that begins while it is active is known: another process, or another start, told the server of it.
            begun = record.kind == "job_started" and code == IllegalEvent.code
            spool.settle(number, told=begun)
            if begun and record.again:
                told = None
        self._save()
        return told

    def _is_for_now(self, record: Record, code: str, now: float) -> bool:
        """Say whether a refused record may be taken later, and see to it that it goes again then."""
        if code not in _FOR_NOW and code != UnknownJob.code:
            return False
        if self.spool.is_held(record.job_id):  # for one that was sent along with it
            return True
        pause = _PAUSE_S
        if code == UnknownJob.code:
            tries = self._unknown.pop(record.job_id, 0)
            if tries == len(_UNKNOWN_PAUSES_S):
                return False
            pause, self._unknown[record.job_id] = _UNKNOWN_PAUSES_S[tries], tries + 1
        self._release_at = now + pause
        return True

    def release(self) -> None:
        """Let go what was held back."""
        self.spool.release()
        self._stale = True
        self._save()

    def close(self) -> None:
        """Leave what is not delivered to the next reporter, if there is a file."""
        if self._file:
            self._file.close()

    def _save(self) -> None:
        """Write what has changed, if there is a file; but not for each answer while more are to come."""
        if self._file and not self.spool.in_flight:
            if self._stale:
                self._file.rewrite()
            else:
                self._file.mark()
            self._stale = False
