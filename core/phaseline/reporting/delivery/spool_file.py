"""A spool's file: the undelivered records of a producer, for the next reporter.

Each line is a record as it is sent. The prefix `known` marks a record that the server has; `held` marks one that is
held back and has no valid number. Marks state the number up to which all records are settled. The file is locked while
its producer lives. It survives the death of the process, but not a crash of the machine, because it is not synced to
disk.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from phaseline.client.notes import warn
from phaseline.reporting.delivery.spool import Spool
from phaseline.reporting.record import Record, frame, read

__all__ = ["SpoolFile", "adopt", "adopted"]

_SUFFIX: Final = ".spool"
_ROOM: Final = 262_144  # bytes; the file is rewritten when it exceeds this plus twice its size after the last rewrite
_KNOWN: Final = b"known "
_HELD: Final = b"held "
_encoder: Final = msgspec.json.Encoder()


class _Mark(msgspec.Struct, frozen=True, tag_field="type", tag="settled"):
    upto: int
    epoch: str
    producer: str


_marks: Final = msgspec.json.Decoder(_Mark)


class SpoolFile:
    """The file of one spool. If it can't be written, the spool continues in memory only.

    Attributes:
        problem: Why the file can't be written, or "".
    """

    def __init__(self, spool: Spool, path: Path, fd: int = -1, *, quiet: bool = False) -> None:
        """Store `spool` at `path`.

        Args:
            spool: The spool.
            path: The path of the file.
            fd: The open and locked file, if it exists.
            quiet: Whether not to log a failure to write, because the user did not request a file.
        """
        self.problem = ""
        self._quiet = quiet
        self._spool = spool
        self._path = path
        self._fd = fd
        self._size = os.fstat(fd).st_size if fd >= 0 else 0
        self._live = self._size
        self._marked = (-1, "")

    @property
    def fd(self) -> int:
        """The open file, or -1."""
        return self._fd

    @classmethod
    def of(cls, spool: Spool, directory: Path, *, quiet: bool) -> "SpoolFile":
        """Return the file of a spool of this process; it is not written yet."""
        return cls(spool, directory / f"{spool.producer.replace('/', '_')}{_SUFFIX}", quiet=quiet)

    def add(self, records: Iterable[Record]) -> None:
        """Write new records."""
        if self._fd < 0 or self.problem:
            self.rewrite()
        else:
            self._append(b"".join(self._line(b"" if record.number else _HELD, record) for record in records))
            self._compact()

    def _line(self, word: bytes, record: Record) -> bytes:
        return word + frame(record, self._spool.producer) + b"\n"

    def mark(self) -> None:
        """Write a mark: the number up to which all records are settled."""
        if self._fd >= 0 and not self.problem and self._marked != (self._spool.settled, self._spool.epoch):
            self._append(self._mark())
            self._compact()

    def _compact(self) -> None:
        if self._size > 2 * self._live + _ROOM:
            self.rewrite()

    def _mark(self) -> bytes:
        self._marked = (self._spool.settled, self._spool.epoch)
        return _encoder.encode(_Mark(*self._marked, self._spool.producer)) + b"\n"

    def rewrite(self) -> None:
        """Write the whole spool to a new file, and replace the old one with it."""
        spool = self._spool
        groups = ((_KNOWN, spool.known.records()), (b"", spool.numbered()), (_HELD, spool.held))
        lines = [self._line(word, record) for word, records in groups for record in records]
        fresh = self._path.with_suffix(".new")
        fd = -1
        try:
            _make_private(self._path.parent)
            fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            data = b"".join([self._mark(), *lines])
            _write(fd, data)
            fresh.replace(self._path)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
            self._fail(error)
            return
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._size, self._live, self.problem = fd, len(data), len(data), ""

    def _append(self, data: bytes) -> None:
        try:
            _write(self._fd, data)
            self._size += len(data)
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        if not self.problem and not self._quiet:
            warn("can't write the spool to %s (%s); reports are kept in memory only", self._path, error)
        self.problem = f"{self._path.parent} can't be written: {error.strerror or error}"

    def close(self) -> None:
        """Remove the file if all records are delivered; otherwise leave it to the next reporter."""
        if self._fd < 0:
            return
        try:
            if not len(self._spool):
                self._path.unlink(missing_ok=True)
            os.close(self._fd)
        except OSError as error:
            self._fail(error)
        self._fd = -1


def _make_private(directory: Path) -> None:
    """Make a directory and its parents, for this user only; `Path.mkdir` applies its mode to the last one."""
    if not directory.is_dir():
        _make_private(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)


def _write(fd: int, data: bytes) -> None:
    """Append all of `data` or nothing."""
    size = os.lseek(fd, 0, os.SEEK_END)
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view) :]
    except OSError:
        os.ftruncate(fd, size)
        raise


def adopted(directory: Path, size: int) -> Iterator[tuple[Spool, SpoolFile]]:
    """Yield the spools of dead producers in `directory`; they stay locked while this process lives."""
    try:
        paths = sorted(directory.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime_ns)
    except OSError:
        return
    for path in paths:
        found = adopt(path, size)
        if found is not None:
            yield found


def adopt(path: Path, size: int) -> tuple[Spool, SpoolFile] | None:
    """Return the spool of a dead producer, which stays locked while this process lives; None if it is in use."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine = os.fstat(fd).st_ino == path.stat().st_ino  # otherwise another reporter has just delivered and removed it
        spool = _load(path, size) if mine else None
    except OSError:
        spool = None  # the producer is alive
    if spool is None:
        os.close(fd)
        return None
    return spool, SpoolFile(spool, path, fd)


def _load(path: Path, size: int) -> Spool:
    spool: Spool | None = None
    held: list[Record] = []
    bad = 0
    for line in path.read_bytes().splitlines():
        try:
            if line.startswith(b'{"type":"settled"'):
                mark = _marks.decode(line)
                spool = Spool(mark.producer, size) if spool is None else spool
                spool.restore_settled(mark.upto, mark.epoch)
            elif spool is None:
                bad += 1
            elif line.startswith(_KNOWN):
                spool.known.note(read(line.removeprefix(_KNOWN)))
            elif line.startswith(_HELD):
                held.append(read(line.removeprefix(_HELD)))
            else:
                spool.restore(read(line))
        except msgspec.MsgspecError:
            bad += 1
    if bad:
        # The producer died while it wrote a line, or another program wrote to the file.
        warn("can't read %d lines of the spool %s; they are skipped", bad, path)
    spool = Spool(path.stem, size) if spool is None else spool
    for record in held:
        spool.add(record)
    return spool
