"""The spool of commands that report once and end: they append to one file, with the standard library only.

The file has the format of `phaseline.reporting.delivery.spool_file`, so any reporter with this folder delivers it.
Importing that module would take as long as the rest of such a command. The lock file orders the commands: one appends
or delivers at a time, so the reports of a script keep their order.
"""

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

__all__ = ["CommandSpool", "Locked", "new_producer"]

_SUFFIX: Final = "-commands.spool"
_LOCK: Final = "commands.lock"
_PAUSE_S: Final = 0.02
_HEAD: Final = 4096
_TAIL: Final = 131_072  # bytes; more than the longest report
_NUMBER: Final = re.compile(rb'"producer_seq":([1-9][0-9]{0,17})\}\n\Z')


class Locked(Exception):
    """Another command has held the lock for too long."""


class CommandSpool:
    """The undelivered reports of commands, in one folder."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`, which need not exist."""
        self._folder = folder

    def paths(self) -> list[Path]:
        """Return the files with undelivered reports, oldest first; usually none, or one."""
        try:
            names = [name for name in os.listdir(self._folder) if name.endswith(_SUFFIX)]  # noqa: PTH208 (faster)
        except OSError:
            return []
        return [self._folder / name for name in sorted(names)]

    @contextmanager
    def locked(self, patience_s: float) -> Iterator[None]:
        """Hold the lock for the block.

        Raises:
            Locked: Another command has held it for `patience_s` seconds.
            OSError: The folder can't be written.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + patience_s
            while not _lock(fd):
                if time.monotonic() > deadline:
                    raise Locked
                time.sleep(_PAUSE_S)
            yield
        finally:
            os.close(fd)

    def append(self, report: dict[str, Any], producer: str = "") -> Path:
        """Append a report, a message of the photo protocol, and return its file. Call it with the lock held.

        Args:
            report: The report, without a number.
            producer: The producer of a report that was already sent, as number 1. [the producer of the file]

        Raises:
            OSError: The folder can't be written.
        """
        body = json.dumps({**report, "timestamp": _timestamp()}, ensure_ascii=False, separators=(",", ":")).encode()
        if producer:
            return self._create(body, producer)
        for path in reversed(self.paths()):
            fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            try:
                if _lock(fd) and _is_at(fd, path) and (place := _next(fd)) is not None:
                    _write(fd, _line(body, *place))
                    return path
            finally:
                os.close(fd)
        return self._create(body, new_producer())

    def _create(self, body: bytes, producer: str) -> Path:
        path = self._folder / f"{producer}.spool"
        mark = {"type": "settled", "upto": 0, "epoch": "", "producer": producer}
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _lock(fd)
            _write(fd, json.dumps(mark, separators=(",", ":")).encode() + b"\n" + _line(body, producer, 1))
        except OSError:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)
        return path


def new_producer() -> str:
    """Return a new producer; a later one compares greater."""
    return f"{time.time_ns():x}-{os.urandom(6).hex()}{_SUFFIX.removesuffix('.spool')}"


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_at(fd: int, path: Path) -> bool:
    """Return whether the open file is still at `path`: a reporter may have delivered and removed it just now."""
    try:
        return os.fstat(fd).st_ino == path.stat().st_ino
    except OSError:
        return False


def _next(fd: int) -> tuple[str, int] | None:
    """Return the file's producer and the number of its next report; None if the file does not end with a report."""
    size = os.fstat(fd).st_size
    number = _NUMBER.search(os.pread(fd, _TAIL, max(0, size - _TAIL)))
    try:
        producer = json.loads(os.pread(fd, _HEAD, 0).partition(b"\n")[0])["producer"]
    except (ValueError, TypeError, KeyError):
        return None
    return (str(producer), int(number[1]) + 1) if number else None


def _line(body: bytes, producer: str, number: int) -> bytes:
    return b'%b,"producer":%b,"producer_seq":%d}\n' % (body[:-1], json.dumps(producer).encode(), number)


def _write(fd: int, data: bytes) -> None:
    """Append all of `data` or nothing."""
    size = os.fstat(fd).st_size
    try:
        written = 0
        while written < len(data):
            written += os.write(fd, data[written:])
    except OSError:
        os.ftruncate(fd, size)
        raise


def _timestamp() -> str:
    now = time.time()
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now * 1000) % 1000:03d}Z"
