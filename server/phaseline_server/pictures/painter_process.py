"""The painter as the server sees it: a process for each picture, so that the loop is never busy painting."""

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

from phaseline.errors import DiskFull, PhaselineError, ProviderError
from phaseline_server.pictures.painter_worker import Failed, Note, Painted, Painting, Request, part_of
from phaseline_server.pictures.painting.brief import Brief

__all__ = ["Brief", "Painter", "PainterStatistics"]

_WORKER: Final = "phaseline_server.pictures.painter_worker"
_READ: Final = 1 << 16
_SAID: Final = 300
"""So many characters of a dying worker's last words are passed on."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

_decoder: Final[msgspec.json.Decoder[Note]] = msgspec.json.Decoder(Note)


class PainterStatistics(msgspec.Struct, frozen=True):
    """How many pictures are `busy` being painted, how many are `waiting` for it, and how many `painters` there are."""

    busy: int
    waiting: int
    painters: int


class Painter:
    """Paints pictures, at most `painters` at once; more wait, first come, first served."""

    def __init__(self, painters: int = 4, *, silence: float = 120.0) -> None:
        """Take no process yet.

        Args:
            painters: How many processes may paint at once.
            silence: A worker that says nothing for so many seconds is ended, and its picture has failed.
        """
        self._limiter = trio.CapacityLimiter(painters)
        self._silence = silence

    def statistics(self) -> PainterStatistics:
        """Return how busy the painters are right now."""
        told = self._limiter.statistics()
        return PainterStatistics(told.borrowed_tokens, told.tasks_waiting, int(told.total_tokens))

    async def paint(self, brief: Brief, path: Path, report: Callable[[float], Awaitable[None]]) -> None:
        """Paint into the PNG file at `path`, which is there, whole, when this returns.

        Cancelling it, at any moment, ends the worker and leaves no half-written file. What `report` raises does so too.

        Args:
            brief: What to paint.
            path: The file; its directory exists. One that is there is replaced.
            report: Called with rising fractions up to 1, never while waiting for a free painter.

        Raises:
            ProviderError: The worker died, fell silent or could not paint; the text carries the reason.
            DiskFull: There was no room for the picture.
        """
        async with self._limiter, _worker(path) as process:
            await _ask(process, Request(brief, os.fspath(path)))
            last_words = await self._follow(process, report)
            if last_words is not None:
                raise _failure(process.pid, await self._status(process), last_words)

    async def _follow(self, process: trio.Process, report: Callable[[float], Awaitable[None]]) -> str | None:
        """Report what the worker notes; returns None once the picture is there, or the last line said before the end.

        Raises:
            PhaselineError: The worker fell silent, or told itself why it failed.
        """
        last_words, rest = "", b""
        while True:
            with trio.move_on_after(self._silence) as quiet:
                piece = await _stdout(process).receive_some(_READ)
            if quiet.cancelled_caught:
                raise self._silent(process)
            *lines, rest = (rest + (piece or b"\n")).split(b"\n")
            # A line without end must not fill the memory.
            rest = rest[-_READ:]
            for line in filter(bytes.strip, lines):
                match _note(line):
                    case Painting(fraction):
                        await report(fraction)
                    case Painted():
                        return None
                    case Failed(reason, number):
                        raise _refused(process.pid, reason, number)
                    case None:
                        last_words = line.decode(errors="replace")
            if not piece:
                return last_words

    async def _status(self, process: trio.Process) -> int:
        """Return the exit status of a worker that has closed its output."""
        with trio.move_on_after(self._silence):
            return await process.wait()
        raise self._silent(process)

    def _silent(self, process: trio.Process) -> ProviderError:
        return ProviderError(
            f"the painter's process {process.pid} has said nothing for {self._silence:g} s and was ended; "
            "it should report many times a second: is the machine overloaded or was the process stopped?"
        )


@asynccontextmanager
async def _worker(path: Path) -> AsyncIterator[trio.Process]:
    """Start a worker; on leaving it is gone, and so is what it may have left half-written."""
    command = [sys.executable, "-P", "-m", _WORKER]
    # The worker finds the modules where this process finds them; the current directory is no such place.
    paths = os.pathsep.join(entry for entry in sys.path if entry)
    try:
        process = await trio.lowlevel.open_process(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": paths},
            # A terminal's Ctrl-C is for the server, which then cancels. No session of its own: Linux would give that
            # an equal share of the processor, and the worker's niceness would mean nothing to the server.
            process_group=0,
        )
    except OSError as error:
        raise ProviderError(
            f"the painter's process could not be started: {error}; it needs a free process and {sys.executable}"
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
            await trio.Path(part_of(os.fspath(path), process.pid)).unlink(missing_ok=True)


def _note(line: bytes) -> Note | None:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


async def _ask(process: trio.Process, request: Request) -> None:
    """Send the request. Stdin stays open: a worker whose stdin ends, ends too."""
    if process.stdin is None:
        raise ProviderError(f"the painter's process {process.pid} has no stdin; it needs one")
    # If it died at once, its output tells why.
    with suppress(trio.BrokenResourceError):
        await process.stdin.send_all(msgspec.json.encode(request) + b"\n")


def _stdout(process: trio.Process) -> trio.abc.ReceiveStream:
    if process.stdout is None:
        raise ProviderError(f"the painter's process {process.pid} has no stdout; it needs one")
    return process.stdout


def _refused(process: int, reason: str, number: int | None) -> PhaselineError:
    if number in _FULL:
        return DiskFull(f"no space for the picture: {reason}; free disk space in the data directory")
    return ProviderError(f"the painter's process {process} could not paint: {reason[:_SAID]}")


def _failure(process: int, status: int, last_words: str) -> ProviderError:
    end = f"exit status {status}"
    if status < 0:
        try:
            end = f"signal {signal.Signals(-status).name}"
        except ValueError:
            end = f"signal {-status}"
    said = f"its last words: {last_words.strip()[:_SAID]}" if last_words.strip() else "it said nothing"
    return ProviderError(f"the painter's process {process} ended with {end} before the picture was done; {said}")
