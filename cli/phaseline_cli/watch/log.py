"""Following a log file by name, as `tail -F` does, including rotation and truncation."""

import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from phaseline.reporting import Reporter
from phaseline.text import clean
from phaseline_cli.client.failures import Exit, Failure, note
from phaseline_cli.command_job import CommandJob
from phaseline_cli.run.command import new_id
from phaseline_cli.run.reader import End, Reader
from phaseline_cli.watch.pid import exit_of
from phaseline_cli.watch.process import RunningProcess
from phaseline_cli.watch.session import NO_LONGER
from phaseline_cli.watcher import Wishes, usable_adapters

__all__ = ["Ending", "LogFile", "watch_log"]

_PACE_S: Final = 0.2
_CHUNK: Final = 65_536
_LONGEST: Final = 65_536
_LINE_END: Final = re.compile(r"[\r\n]+")
_DRAIN_S: Final = 0.5
"""Seconds for which a log is read on after its process has ended."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What ends the watching of a log, besides a signal."""

    done: re.Pattern[str] | None = None
    """Pattern of a line that marks the job as done."""
    failed: re.Pattern[str] | None = None
    """Pattern of a line that marks it as failed."""
    idle_s: float | None = None
    """Seconds without a new line."""
    pid: int | None = None
    """The process that writes the log."""


class LogFile:
    """The bytes written to the file with a given name."""

    def __init__(self, path: Path, *, from_now: bool) -> None:
        """Prepare to read `path` from its beginning, or what is written to it from now on."""
        self._path = path
        self._place = (0, 0)
        self._fd = self._open()
        if self._fd is None:
            note(f"{path} does not exist yet; waiting for it")
        elif from_now and stat.S_ISREG(os.fstat(self._fd).st_mode):
            os.lseek(self._fd, 0, os.SEEK_END)

    def _open(self) -> int | None:
        """Open the file that has the name; return None if there is none yet."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Failure(f"{self._path} can't be read: {error.strerror}") from error
        found = os.fstat(fd)
        self._place = (found.st_dev, found.st_ino)
        return fd

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def read(self) -> Iterator[bytes]:
        """Yield what is new, in pieces of at most 64 KiB."""
        if self._fd is None:
            self._fd = self._open()
        if self._fd is None:
            return
        try:
            self._rewind_if_emptied(self._fd)
            while piece := _piece(self._fd):
                yield piece
        except OSError as error:
            raise Failure(f"{self._path} can't be read: {error.strerror}") from error
        if self._is_replaced():
            self.close()
            yield from self.read()

    def _rewind_if_emptied(self, fd: int) -> None:
        """Start again at the beginning of a file that was truncated."""
        found = os.fstat(fd)
        if stat.S_ISREG(found.st_mode) and os.lseek(fd, 0, os.SEEK_CUR) > found.st_size:
            os.lseek(fd, 0, os.SEEK_SET)

    def _is_replaced(self) -> bool:
        """Return whether another file has the name; a removed file may still be written to."""
        try:
            found = self._path.stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) != self._place


def _piece(fd: int) -> bytes:
    try:
        return os.read(fd, _CHUNK)
    except BlockingIOError:  # a pipe
        return b""


class _Lines:
    """The lines of a log, to find those that end it."""

    def __init__(self, ending: Ending) -> None:
        self._ending = ending
        self._rest = ""

    def end_in(self, piece: bytes) -> tuple[int, str] | None:
        """Return the exit code and the line if a line of `piece` ends the job."""
        *lines, self._rest = _LINE_END.split(self._rest + piece.decode("utf-8", "replace"))
        self._rest = self._rest[-_LONGEST:]
        for line in lines:
            if self._ending.failed is not None and self._ending.failed.search(line):
                return 1, clean(line).strip()
            if self._ending.done is not None and self._ending.done.search(line):
                return 0, clean(line).strip()
        return None


async def watch_log(path: Path, wishes: Wishes, ending: Ending, reporter: Reporter, *, from_now: bool) -> Exit:
    """Report the job whose log is `path`; return the exit code for how it ended.

    Raises:
        Failure: The file can't be read, no process has the id, or there is no such adapter.
    """
    adapters = usable_adapters()
    if wishes.adapter is not None and wishes.adapter not in adapters:
        raise Failure(f"no adapter is named {wishes.adapter!a}; `phaseline adapters` lists them", Exit.USAGE)
    process = None if ending.pid is None else RunningProcess(ending.pid)
    argv = () if process is None else process.seen.argv
    reader = Reader(adapters, argv, wishes.adapter)
    known = reader.adapter
    name = wishes.name or path.name
    job = reporter.job(
        name,
        phases=known.phases if known is not None else (),
        workflow=wishes.workflow or (known.name if known is not None else path.name[:100]),
        series=wishes.series or "",
        job_id=wishes.job_id or new_id(name),
        worker=None if process is None else reporter.identity.facts(process.facts()),
    )
    log = LogFile(path, from_now=from_now)
    job.__enter__()
    note(f"watching {path} as job {job.job_id}")
    command = CommandJob(reporter, job, known.phases if known is not None else ())
    try:
        return await _follow(log, reader, command, ending, process)
    except BaseException:
        command.cancel(NO_LONGER)
        raise
    finally:
        log.close()
        if process is not None:
            process.close()


async def _follow(
    log: LogFile, reader: Reader, command: CommandJob, ending: Ending, process: RunningProcess | None
) -> Exit:
    if process is None:
        return await _read(log, reader, command, ending)
    found: Exit | None = None
    async with trio.open_nursery() as nursery:

        async def read() -> None:
            nonlocal found
            found = await _read(log, reader, command, ending)
            nursery.cancel_scope.cancel()

        nursery.start_soon(read)
        code = await process.wait()
        await trio.sleep(_DRAIN_S)
        nursery.cancel_scope.cancel()
    return found if found is not None else exit_of(command, code, reader.end(1 if code is None else code))


async def _read(log: LogFile, reader: Reader, command: CommandJob, ending: Ending) -> Exit:
    """Read until a line, or a time without one, ends the job; return the exit code."""
    begun = latest = time.monotonic()
    lines = _Lines(ending)
    while True:
        for piece in log.read():
            latest = time.monotonic()
            for _, now in reader.feed(latest - begun, "stdout", piece):
                command.report(now)
            if (end := lines.end_in(piece)) is not None:
                return _end_by_line(command, reader, *end)
            await trio.lowlevel.checkpoint()
        now_s = time.monotonic()
        for _, now in reader.quiet(now_s - begun):
            command.report(now)
        if ending.idle_s is not None and now_s - latest >= ending.idle_s:
            reason = f"no new line for {ending.idle_s:g} s"
            command.cancel(reason)
            note(reason)
            return Exit.CANCELLED
        await trio.sleep(_PACE_S)


def _end_by_line(command: CommandJob, reader: Reader, code: int, line: str) -> Exit:
    """Report the end that a line of the log shows."""
    end = reader.end(code)
    command.end(code, end if code == 0 else End("failed", line[:1000], end.phases))
    return Exit.FAILED if code else Exit.DONE
