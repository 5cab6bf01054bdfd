"""Closed or full standard streams: a command fails with a one-line error, and no other file gets their descriptors."""

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn, TextIO

from phaseline_cli.client.failures import Failure

__all__ = ["prepare", "written"]

# Modes are inverted on purpose: reading stdin and writing stdout then fail as on closed streams.
_PLACEHOLDERS: Final = (("stdin", "r", os.O_WRONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY))


class _CantWrite(Exception):
    """Standard output can't be written."""


class _Output(io.FileIO):
    """Standard output, with errors that are distinct from those of other files."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _CantWrite(error.strerror) from error


class _Errors(io.FileIO):
    """Standard error; lines that can't be written are dropped."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def prepare() -> None:
    """Prepare the standard streams for `written`, and put a placeholder where one is closed.

    Otherwise the next file or socket would get its number. Child processes do not inherit the placeholder, so the
    stream stays closed for them.
    """
    for fd, (name, mode, flags) in enumerate(_PLACEHOLDERS):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, flags)  # `open` returns the lowest free number, which is `fd`
            setattr(sys, name, open(fd, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - to our end
    if not sys.stdout.isatty():
        sys.stdout = _text(_Output(1, "w", closefd=False), sys.stdout)
    if not sys.stderr.isatty():
        sys.stderr = _text(_Errors(2, "w", closefd=False), sys.stderr)


def _text(raw: io.RawIOBase, like: TextIO) -> TextIO:
    return io.TextIOWrapper(
        io.BufferedWriter(raw), like.encoding, like.errors, line_buffering=bool(like.line_buffering)
    )


@contextmanager
def written() -> Iterator[None]:
    """Write standard output at the end of the block.

    A closed pipe ends the program by SIGPIPE, as it does other programs.

    Raises:
        Failure: It can't be written.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _die_by(signal.SIGPIPE)
    except _CantWrite as error:
        sink = os.open(os.devnull, os.O_WRONLY)  # drops the unwritten rest, which Python would otherwise write at exit
        os.dup2(sink, 1)
        os.close(sink)
        raise Failure(f"standard output can't be written: {error}") from error


def _die_by(number: signal.Signals) -> NoReturn:
    """Exit by a signal, because a shell only stops its script if a command exits this way."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)
