"""The exclusive use of a journal: two locks, the identity of its files, and a marker of the last one served."""

import fcntl
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from phaseline_server.errors import JournalFailed, JournalUnusable

__all__ = ["DirectoryLock", "FileLock", "Files", "Marker"]

# A byte far behind the end of any file, which SQLite never locks. The lock belongs to the open file, so unlike POSIX
# locks it survives when SQLite closes another descriptor of the same file. Other systems than Linux may lack it.
_LOCKED_BYTE: Final = 2**62
_LOCK_OPEN_FILE: Final = getattr(fcntl, "F_OFD_SETLK", None)
_MARKER_BYTES: Final = 256


class Marker(msgspec.Struct, frozen=True):
    """The record beside a journal by which a server recognizes it at the next start.

    Attributes:
        served: The name of the present run; while it starts, also that of the last run. The journal has one of them.
        inode: The inode of the journal's file, which a copy does not have.
        top: The number of the newest event that was committed, or an earlier one; a restored file may have less.
    """

    served: tuple[str, ...]
    inode: int
    top: int

    def recognizes(self, served: str, inode: int, top: int) -> bool:
        """Return whether the journal with this name, inode and newest event is the one that was served last."""
        return served in self.served and inode == self.inode and top >= self.top


class DirectoryLock:
    """The lock file of a data directory; it also holds the marker."""

    def __init__(self, path: Path) -> None:
        """Lock the file at `path`, which is created if it is missing.

        Raises:
            JournalUnusable: Another server holds the lock, or the file can't be opened.
        """
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            text = f"{path} can't be opened: {error.strerror}; allowed: a file that this user can read and write"
            raise JournalUnusable(text) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise _in_use(path.parent) from None

    def read(self) -> Marker | None:
        """Return the marker; None if no server has written one, as before version 5 of the journal."""
        content = os.pread(self._file, _MARKER_BYTES, 0)
        if not content.strip():
            return None
        try:
            return msgspec.json.decode(content, type=Marker)
        except (msgspec.MsgspecError, UnicodeError):
            return Marker((), 0, 0)  # recognizes nothing

    def write(self, marker: Marker, *, sync: bool = False) -> None:
        """Write the marker, in one call of the system; with `sync`, it survives a loss of power."""
        os.pwrite(self._file, msgspec.json.encode(marker).ljust(_MARKER_BYTES), 0)
        if sync:
            os.fsync(self._file)

    def close(self) -> None:
        """Release the lock."""
        os.close(self._file)


class FileLock:
    """A lock on the journal itself, under whatever path: it holds when the lock file was removed, and through links.

    Attributes:
        inode: The inode of the file.
    """

    def __init__(self, path: Path) -> None:
        """Lock the file at `path`. Close this only after SQLite's connections, as closing drops their locks.

        Raises:
            JournalUnusable: Another server has the file.
            OSError: The file can't be opened.
        """
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self.inode = os.fstat(self._file).st_ino
        if _LOCK_OPEN_FILE is None:
            return
        lock = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, _LOCKED_BYTE, 1, 0)
        try:
            fcntl.fcntl(self._file, _LOCK_OPEN_FILE, lock)
        except (BlockingIOError, PermissionError):
            self.close()
            raise _in_use(path) from None
        except OSError:
            pass  # a file system without such locks; the directory's lock holds

    def close(self) -> None:
        """Release the lock."""
        os.close(self._file)


class Files:
    """The files of an open journal, to notice when another program removes, moves or replaces one."""

    def __init__(self, paths: Iterable[Path]) -> None:
        """Remember the files at `paths`, which exist; raises OSError."""
        self._seen = [(str(path), _identity(str(path))) for path in paths]

    def check(self) -> None:
        """Check that each path still leads to the same file.

        Raises:
            JournalFailed: One does not, so the next start would not find what is committed now.
        """
        for path, seen in self._seen:
            try:
                found = _identity(path) == seen
            except OSError:
                found = False
            if not found:
                raise JournalFailed(
                    f"{path} was removed, moved or replaced while the server was using it; "
                    "put it back or choose another --data-dir, then start the server again"
                )


def _identity(path: str) -> tuple[int, int]:
    status = os.stat(path)  # noqa: PTH116 (called at each commit; a Path takes twice as long)
    return status.st_dev, status.st_ino


def _in_use(path: Path) -> JournalUnusable:
    return JournalUnusable(
        f"{path} is in use by another server; allowed: one server for a data directory; "
        "end the other, or give this one another --data-dir"
    )
