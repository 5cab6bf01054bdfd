"""A spool's file: what a producer has not delivered, for whoever comes after it.

A record a line, as it is sent; a word before it says that the server knows it already, or that its number is void
because it is held back. Marks say up to which number everything is settled. As long as its producer lives, the file is
locked. It outlives the process, as far as the background thread got with writing, and not the machine: nothing is
forced onto the disk.
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

__all__ = ["SpoolFile", "adopted"]

_SUFFIX: Final = ".spool"
_ROOM: Final = 262_144  # bytes: beyond this and twice what it held when it was written anew, it is written anew
_KNOWN: Final = b"known "
_HELD: Final = b"held "
_encoder: Final = msgspec.json.Encoder()


class _Mark(msgspec.Struct, frozen=True, tag_field="type", tag="settled"):
    upto: int
    epoch: str
    producer: str


_marks: Final = msgspec.json.Decoder(_Mark)


class SpoolFile:
    """The file of one spool. Whatever fails here is told once, and the spool goes on in memory alone."""

    def __init__(self, spool: Spool, path: Path, fd: int = -1) -> None:
        """Keep `spool` at `path`; `fd` is the file, open and locked, if there is one already."""
        self._spool = spool
        self._path = path
        self._fd = fd
        self._size = os.fstat(fd).st_size if fd >= 0 else 0
        self._live = self._size
        self._marked = (-1, "")
        self._failed = False

    @property
    def fd(self) -> int:
        """The open file, or -1."""
        return self._fd

    @classmethod
    def of(cls, spool: Spool, directory: Path) -> "SpoolFile":
        """Return the file of a spool of this process, not written yet."""
        return cls(spool, directory / f"{spool.producer.replace('/', '_')}{_SUFFIX}")

    def add(self, records: Iterable[Record]) -> None:
        """Write records that were just numbered."""
        if self._fd < 0 or self._failed:
            self.rewrite()
        else:
            self._append(b"".join(self._line(b"" if record.number else _HELD, record) for record in records))
            self._compact()

    def _line(self, word: bytes, record: Record) -> bytes:
        return word + frame(record, self._spool.producer) + b"\n"

    def mark(self) -> None:
        """Write up to where all is settled."""
        if self._fd >= 0 and not self._failed and self._marked != (self._spool.settled, self._spool.epoch):
            self._append(self._mark())
            self._compact()

    def _compact(self) -> None:
        if self._size > 2 * self._live + _ROOM:
            self.rewrite()

    def _mark(self) -> bytes:
        self._marked = (self._spool.settled, self._spool.epoch)
        return _encoder.encode(_Mark(*self._marked, self._spool.producer)) + b"\n"

    def rewrite(self) -> None:
        """Write the whole spool into a new file, and put it in the old one's place."""
        spool = self._spool
        groups = ((_KNOWN, spool.known.told()), (b"", spool.numbered()), (_HELD, spool.held))
        lines = [self._line(word, record) for word, records in groups for record in records]
        fresh = self._path.with_suffix(".new")
        fd = -1
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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
        self._fd, self._size, self._live, self._failed = fd, len(data), len(data), False

    def _append(self, data: bytes) -> None:
        try:
            _write(self._fd, data)
            self._size += len(data)
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        if not self._failed:
            self._failed = True
            warn("the spool can't be written to %s (%s); reports are kept in memory alone", self._path, error)

    def close(self) -> None:
        """Remove the file if all is delivered; otherwise leave it to the next reporter."""
        if self._fd < 0:
            return
        try:
            if not len(self._spool):
                self._path.unlink(missing_ok=True)
            os.close(self._fd)
        except OSError as error:
            self._fail(error)
        self._fd = -1


def _write(fd: int, data: bytes) -> None:
    """Append all of `data`, or nothing."""
    size = os.lseek(fd, 0, os.SEEK_END)
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view) :]
    except OSError:
        os.ftruncate(fd, size)
        raise


def adopted(directory: Path, size: int) -> Iterator[tuple[Spool, SpoolFile]]:
    """Yield the spools in `directory` whose producers are dead; nobody else gets them as long as this process lives."""
    try:
        paths = sorted(directory.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime_ns)
    except OSError:
        return
    for path in paths:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = os.fstat(fd).st_ino == path.stat().st_ino  # or somebody delivered and removed it just now
            spool = _load(path, size) if mine else None
        except OSError:
            spool = None  # its producer lives
        if spool is None:
            os.close(fd)
            continue
        yield spool, SpoolFile(spool, path, fd)


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
        # Its producer died in the middle of a line, or somebody else wrote here.
        warn("%d lines of %s can't be read", bad, path)
    spool = Spool(path.stem, size) if spool is None else spool
    for record in held:
        spool.add(record)
    return spool
