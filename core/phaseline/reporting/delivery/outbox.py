"""An outbox: a spool and its file, kept consistent."""

import math
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from phaseline.client.address import LOG_AWAY
from phaseline.errors import DiskFull, IllegalEvent, TooMany, UnknownJob
from phaseline.reporting.delivery.spool import Spool
from phaseline.reporting.record import Record, bare_end

if TYPE_CHECKING:
    from pathlib import Path

    from phaseline.reporting.delivery.spool_file import SpoolFile

__all__ = ["Outbox"]

_FOR_NOW: Final = LOG_AWAY | {TooMany.code, DiskFull.code}
_PAUSE_S: Final = 1.0
# Another process may have started the job, and its report may arrive late; these are the pauses between retries.
_UNKNOWN_PAUSES_S: Final = (0.25, 0.5, 1.0)
_NUMBER_REUSED: Final = "NUMBER_REUSED"
_MOST_NAMES: Final = 3  # maximum number of new names in a row; a server that rejects all of these rejects any name


class Outbox:
    """The undelivered records of one producer, in memory and optionally in a file.

    Attributes:
        spool: The records.
    """

    def __init__(self, spool: Spool, file: "SpoolFile | None" = None) -> None:
        self.spool = spool
        self._release_at = 0.0
        self._file = file
        self._stale = False  # the file has other numbers than the spool
        self._unknown: dict[str, int] = {}  # number of retries by job
        self._renamed_at = 0  # the number of the last record that was sent under the previous name
        self._names = 0  # number of new names of which the server has accepted no record

    @classmethod
    def own(cls, producer: str, size: int, directory: "Path | None", *, quiet: bool = False) -> "Outbox":
        """Return the outbox of this process; `quiet` if the user did not request a file."""
        spool = Spool(producer, size)
        if directory is None:
            return cls(spool)
        from phaseline.reporting.delivery.spool_file import SpoolFile  # noqa: PLC0415 - locks files as Windows can't

        return cls(spool, SpoolFile.of(spool, directory, quiet=quiet))

    @classmethod
    def adopted(cls, directory: "Path", size: int) -> Iterator["Outbox"]:
        """Yield the outboxes of dead processes."""
        from phaseline.reporting.delivery.spool_file import adopted  # noqa: PLC0415 - as above

        for spool, file in adopted(directory, size):
            yield cls(spool, file)

    @property
    def fd(self) -> int:
        """Its open file, or -1."""
        return self._file.fd if self._file else -1

    @property
    def problem(self) -> str:
        """Why its file can't be written, or ""."""
        return self._file.problem if self._file else ""

    @property
    def release_at(self) -> float:
        """Time to send held records again, by Trio's clock; infinite if there are none, or if they must wait."""
        return self._release_at if self.spool.may_release else math.inf

    def is_due(self, now: float) -> bool:
        """Return whether there are records to send, or to release."""
        return self.spool.waiting > 0 or now >= self.release_at

    def add(self, records: Iterable[Record]) -> None:
        """Add new records."""
        added = list(records)
        for record in added:
            self.spool.add(record)
        if self._file and added:
            self._file.add(added)

    def meet(self, epoch: str) -> None:
        """Prepare to deliver to a server of this epoch; a new server first receives the state of the active jobs."""
        spool = self.spool
        if epoch != spool.epoch:
            known = bool(spool.epoch)
            spool.epoch = epoch
            if known:
                spool.renew()
                self._stale = True
                self._save()

    def rewind(self) -> None:
        """Prepare to send again after the connection was lost."""
        self.spool.rewind()
        self._unknown.clear()

    def acknowledge(self, number: int) -> None:
        """Record that the server has accepted the record with this number."""
        self._unknown.pop(self.spool.in_flight[number].job_id, None)
        if number > self._renamed_at:
            self._names = 0
        self.spool.settle(number, accepted=True)
        self._save()

    def refuse(self, number: int, code: str, text: str, now: float) -> tuple[Record, str, str] | None:
        """Record that the server has rejected the record with this number.

        Returns:
            The record, code and text for the worker; None if the rejection is temporary or harmless.
        """
        spool, record = self.spool, self.spool.in_flight[number]
        rejection: tuple[Record, str, str] | None = (record, code, text)
        if code == _NUMBER_REUSED and self._renamed(number):
            # Another producer of this name, or this one before its death, has used the number.
            spool.hold(number)
            self._release_at = now
            self._stale, rejection = True, None
        elif self._is_for_now(record, code, now):
            spool.hold(number)
            self._stale, rejection = True, None
        elif record.is_end and not record.bare and code not in {UnknownJob.code, IllegalEvent.code}:
            # The job has ended even if its result is invalid; without an end it would stay active.
            spool.replace(number, bare_end(record.kind, record.job_id, text))
            self._stale = True
        else:
            # If a start is rejected because the job is active, the server has the job already.
            begun = record.is_beginning and code == IllegalEvent.code
            spool.settle(number, accepted=begun)
            # An order that was carried out may have ended the job before the answer arrived.
            if (begun and record.again) or (record.is_answer and code == IllegalEvent.code):
                rejection = None
        self._save()
        return rejection

    def _renamed(self, number: int) -> bool:
        """Return whether the record with this number can be sent again under a new name of the producer."""
        if number > self._renamed_at:
            if self._names == _MOST_NAMES:
                return False
            self._names += 1
            self._renamed_at = max(self.spool.in_flight)
            self.spool.producer = f"{self.spool.producer.partition('~')[0][:150]}~{os.urandom(6).hex()}"
        return True

    def _is_for_now(self, record: Record, code: str, now: float) -> bool:
        """Return whether a rejected record may be accepted later; if so, schedule its release."""
        if code not in _FOR_NOW and code != UnknownJob.code:
            return False
        if self.spool.is_held(record.job_id):  # because of a record that was in flight at the same time
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
        """Release the held records."""
        self.spool.release()
        self._stale = True
        self._save()

    def close(self) -> None:
        """Close the file; the next reporter delivers its undelivered records."""
        if self._file:
            self._file.close()

    def _save(self) -> None:
        """Write the changes to the file, if any; wait while more answers are expected."""
        if self._file and not self.spool.in_flight:
            if self._stale:
                self._file.rewrite()
            else:
                self._file.mark()
            self._stale = False
