"""Standard streams that are closed or full: a command fails with one line, and no other file takes their place."""

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn, TextIO

from phaseline_cli.client.failures import Failure

__all__ = ["prepare", "written"]

# The wrong way round, so that reading standard input and writing standard output fail as they do on a closed stream.
_PLACEHOLDERS: Final = (("stdin", "r", os.O_WRONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY))


class _CantWrite(Exception):
    """Standard output can't be written."""


class _Output(io.FileIO):
    """Standard output, whose errors are not taken for those of another file."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _CantWrite(error.strerror) from error


class _Errors(io.FileIO):
    """Standard error, on which nothing depends: lines that can't be written are lost."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def prepare() -> None:
    """Prepare the standard streams for `written`, and put a placeholder where one is closed.

    Else the next file or socket would get its number. Programs that are started don't inherit a placeholder: the
    stream is closed for them, too.
    """
    for fd, (name, mode, flags) in enumerate(_PLACEHOLDERS):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, flags)  # gets the lowest free number, which is `fd`
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
        sink = os.open(os.devnull, os.O_WRONLY)  # for what is not written yet; Python writes it at the end
        os.dup2(sink, 1)
        os.close(sink)
        raise Failure(f"standard output can't be written: {error}") from error


def _die_by(number: signal.Signals) -> NoReturn:
    """End by a signal: a shell ends its script only if a command ends in this way."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)
