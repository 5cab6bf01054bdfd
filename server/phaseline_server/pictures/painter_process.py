"""The painter's client in the server: each picture is painted or decoded in a separate process.

So neither the work nor the memory of decoded pictures is the server's.
"""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec
import trio

from phaseline.errors import DiskFull, PhaselineError
from phaseline_server.pictures.bounds import Bounds
from phaseline_server.pictures.errors import PictureError, ProviderError
from phaseline_server.pictures.painter_worker import (
    Caption,
    CheckFile,
    Done,
    Failed,
    Note,
    Paint,
    Painting,
    Rejected,
    Request,
    part_of,
)
from phaseline_server.pictures.painting.brief import Brief

__all__ = ["Brief", "Painter", "PainterStatistics"]

_WORKER: Final = "phaseline_server.pictures.painter_worker"
_READ: Final = 1 << 16
_OUTPUT: Final = 300
"""Maximum number of characters of a failed worker's output in an error text."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

_decoder: Final[msgspec.json.Decoder[Note]] = msgspec.json.Decoder(Note)


class PainterStatistics(msgspec.Struct, frozen=True):
    """The number of pictures being painted (`busy`) and `waiting`, and the maximum number of `painters`."""

    busy: int
    waiting: int
    painters: int


class Painter:
    """Paints in a limited number of processes, and decodes in one more; the others wait in order of arrival."""

    def __init__(self, painters: int = 4, *, silence: float = 120.0) -> None:
        """Create a painter without starting a process.

        Args:
            painters: Maximum number of processes that paint.
            silence: Seconds without a report after which a worker is killed and its picture fails.
        """
        self._limiter = trio.CapacityLimiter(painters)
        # Decoded pictures are large, so only one is in memory at a time. Painters don't delay it: they take minutes.
        self._decoding = trio.CapacityLimiter(1)
        self._silence = silence

    def statistics(self) -> PainterStatistics:
        """Return the current load of the painters."""
        current = self._limiter.statistics()
        return PainterStatistics(current.borrowed_tokens, current.tasks_waiting, int(current.total_tokens))

    async def paint(self, brief: Brief, path: Path, report: Callable[[float], Awaitable[None]]) -> None:
        """Paint into the PNG file at `path`, which is complete when this returns.

        Cancellation, or an error from `report`, kills the worker and removes an incomplete file.

        Args:
            brief: The description of the picture.
            path: The file, in an existing directory. An existing file is replaced.
            report: Called with rising fractions up to 1, but not while waiting for a free process.

        Raises:
            ProviderError: The worker died, timed out or failed.
            DiskFull: The disk is full.
        """
        async with self._limiter:
            await self._serve(Paint(brief, os.fspath(path)), report)

    async def check(self, source: Path, path: Path, bounds: Bounds) -> None:
        """Check that the file at `source` is a complete picture within `bounds`, and write it to `path` as a PNG.

        Raises:
            PictureError: The picture is incomplete, too large or not valid.
            ProviderError, DiskFull: As for `paint`.
        """
        async with self._decoding:
            await self._serve(CheckFile(os.fspath(source), os.fspath(path), bounds), _ignore)

    async def caption(self, source: Path, path: Path, text: str, bounds: Bounds) -> None:
        """Draw `text` on a band below the PNG at `source`, and write the result to `path`.

        Raises:
            PictureError: The file at `source` is not a complete PNG.
            ProviderError, DiskFull: As for `paint`.
        """
        async with self._decoding:
            await self._serve(Caption(os.fspath(source), os.fspath(path), text, bounds), _ignore)

    async def _serve(self, request: Request, report: Callable[[float], Awaitable[None]]) -> None:
        async with _worker(request.path) as process:
            await _send(process, request)
            last_line = await self._follow(process, report)
            if last_line is not None:
                raise _failure(process.pid, await self._status(process), last_line)

    async def _follow(self, process: trio.Process, report: Callable[[float], Awaitable[None]]) -> str | None:
        """Report the worker's progress; return None when the picture is complete, or the last line of a dead worker.

        Raises:
            PhaselineError: The worker timed out, or reported a failure.
        """
        last_line, rest = "", b""
        while True:
            with trio.move_on_after(self._silence) as timeout:
                piece = await _stdout(process).receive_some(_READ)
            if timeout.cancelled_caught:
                raise self._silent(process)
            *lines, rest = (rest + (piece or b"\n")).split(b"\n")
            # Limit the memory that an endless line can use.
            rest = rest[-_READ:]
            for line in filter(bytes.strip, lines):
                match _note(line):
                    case Painting(fraction):
                        await report(fraction)
                    case Done():
                        return None
                    case Rejected(reason):
                        raise PictureError(reason)
                    case Failed(reason, number):
                        raise _failed(process.pid, reason, number)
                    case None:
                        last_line = line.decode(errors="replace")
            if not piece:
                return last_line

    async def _status(self, process: trio.Process) -> int:
        """Return the exit status of a worker that has closed its output."""
        with trio.move_on_after(self._silence):
            return await process.wait()
        raise self._silent(process)

    def _silent(self, process: trio.Process) -> ProviderError:
        return ProviderError(
            f"the painter process {process.pid} reported nothing for {self._silence:g} s and was killed; "
            "check whether the machine is overloaded or the process was stopped"
        )


@asynccontextmanager
async def _worker(path: str) -> AsyncIterator[trio.Process]:
    """Start a worker; on exit, kill it and remove an incomplete file."""
    command = [sys.executable, "-P", "-m", _WORKER]
    # The worker uses this process's module path, without the current directory.
    paths = os.pathsep.join(entry for entry in sys.path if entry)
    try:
        process = await trio.lowlevel.open_process(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": paths},
            # A terminal's Ctrl-C must only reach the server, which then cancels. This is a process group and not a
            # session: Linux gives each session an equal share of the processor, regardless of the worker's niceness.
            process_group=0,
        )
    except OSError as error:
        raise ProviderError(
            f"cannot start the painter process: {error}; it needs a free process and {sys.executable}"
        ) from error
    try:
        yield process
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    await stream.aclose()
            await trio.Path(part_of(path, process.pid)).unlink(missing_ok=True)


async def _ignore(_fraction: float) -> None:
    """Ignore the progress of work that takes a second."""


def _note(line: bytes) -> Note | None:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


async def _send(process: trio.Process, request: Request) -> None:
    """Send the request. Stdin stays open, because a worker exits when its stdin closes."""
    if process.stdin is None:
        raise ProviderError(f"the painter process {process.pid} has no stdin; it needs one")
    # If the worker died at once, its output gives the reason.
    with suppress(trio.BrokenResourceError):
        await process.stdin.send_all(msgspec.json.encode(request) + b"\n")


def _stdout(process: trio.Process) -> trio.abc.ReceiveStream:
    if process.stdout is None:
        raise ProviderError(f"the painter process {process.pid} has no stdout; it needs one")
    return process.stdout


def _failed(process: int, reason: str, number: int | None) -> PhaselineError:
    if number in _FULL:
        return DiskFull(f"no space for the picture: {reason}; free disk space in the data directory")
    return ProviderError(f"the painter process {process} failed: {reason[:_OUTPUT]}")


def _failure(process: int, status: int, last_line: str) -> ProviderError:
    end = f"exit status {status}"
    if status < 0:
        try:
            end = f"signal {signal.Signals(-status).name}"
        except ValueError:
            end = f"signal {-status}"
    output = f"last output: {last_line.strip()[:_OUTPUT]}" if last_line.strip() else "no output"
    return ProviderError(f"the painter process {process} ended with {end} before the picture was complete; {output}")
