"""Watching the queue of another program: its list is read periodically, and each entry is a job.

Entries that ended before the first look are not reported, because they may have been reported before.
"""

import shlex
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal, NamedTuple

import trio

from phaseline.reporting import Reporter
from phaseline.text import one_line
from phaseline_cli.client.failures import Exit, Failure
from phaseline_cli.run.command import name_of, series_of, workflow_of
from phaseline_cli.watch.session import NO_LONGER, Contact

__all__ = ["Entry", "Unlisted", "listed_by", "watch_queue", "words_of"]

_PACE_S: Final = 1.0
_ANSWER_S: Final = 20.0
_LARGEST: Final = 2**26
_WEEK_S: Final = 604_800.0
_PHASE: Final = "run"
_GONE: Final = "it is no longer listed; its end is not known"


class Unlisted(Exception):
    """The program did not answer with its list; the text gives the reason."""


class Entry(NamedTuple):
    """An entry of a queue.

    Attributes:
        entry_id: Its id, unique in the program.
        words: Its command, or its name.
        state: Its current state, or its outcome.
        queue: The name of its queue.
        began: When it began, in seconds since 1970, if that is known.
        reason: Why it failed, or was cancelled.
        done: How many of its units are done, if the program counts them.
        total: The number of units.
        unit: The name of a unit.
    """

    entry_id: str
    words: Sequence[str]
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    queue: str = ""
    began: float | None = None
    reason: str = ""
    done: float | None = None
    total: float | None = None
    unit: str = ""


def words_of(command: str) -> list[str]:
    """Return the words of a command line; its parts between blanks if its quotes do not match."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    return words or [command or "job"]


async def listed_by(*command: str) -> bytes:
    """Return the output of a command that prints the list.

    Raises:
        Failure: The program is not installed.
        Unlisted: It fails, or does not answer in time.
    """
    try:
        with trio.fail_after(_ANSWER_S):
            done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    except FileNotFoundError:
        raise Failure(f"{command[0]} is not installed, or not in PATH") from None
    except trio.TooSlowError:
        raise Unlisted("no answer in time") from None
    if done.returncode or len(done.stdout) > _LARGEST:
        text = done.stderr.decode(errors="replace").strip() or f"it failed with exit code {done.returncode}"
        raise Unlisted(one_line(text, 200))
    return done.stdout


async def watch_queue(
    program: str,
    read: Callable[[], Awaitable[Sequence[Entry]]],
    reporter: Reporter,
    *,
    until_idle: bool,
    pace_s: float = _PACE_S,
) -> Exit:
    """Report the entries that `read` returns, in the order in which they start, until none is left, if `until_idle`.

    Raises:
        Failure: The program is not installed.
    """
    contact, watched, first = Contact(program), _Watched(program, reporter), True
    try:
        while True:
            try:
                entries = await read()
            except Unlisted as error:
                await contact.lost(str(error))
                continue
            contact.found()
            watched.update(entries, first=first)
            first = False
            if until_idle and not any(entry.state in {"queued", "running"} for entry in entries):
                return Exit.DONE
            await trio.sleep(pace_s)
    except BaseException:
        watched.leave(NO_LONGER)
        raise


class _Watched:
    """The entries of the last list, as jobs; None for those that have ended."""

    def __init__(self, program: str, reporter: Reporter) -> None:
        self._program = program
        self._reporter = reporter
        self._jobs: dict[str, _Job | None] = {}

    def update(self, entries: Sequence[Entry], *, first: bool) -> None:
        """Report what has changed since the last list."""
        places: dict[str, int] = {}
        jobs: dict[str, _Job | None] = {}
        for entry in entries:
            over = entry.state not in {"queued", "running"}
            known = entry.entry_id in self._jobs
            job = self._jobs.pop(entry.entry_id, None)
            if job is None and over and (first or known):
                jobs[entry.entry_id] = None
                continue
            if job is None:
                job = _Job(self._program, entry, self._reporter)
            if entry.state == "queued":
                places[entry.queue] = places.get(entry.queue, 0) + 1
                job.wait(places[entry.queue])
            elif over:
                job.end(entry)
            else:
                job.run(entry)
            jobs[entry.entry_id] = None if over else job
        self.leave(_GONE)
        self._jobs = jobs

    def leave(self, reason: str) -> None:
        """Report that the jobs' further progress is unknown."""
        for job in filter(None, self._jobs.values()):
            job.cancel(reason)


class _Job:
    """Reports an entry."""

    def __init__(self, program: str, entry: Entry, reporter: Reporter) -> None:
        age = 0.0 if entry.began is None else max(0.0, time.time() - entry.began)
        self._job = reporter.job(
            name_of(entry.words),
            workflow=workflow_of(entry.words),
            series=series_of(entry.words),
            job_id=f"{program}-{reporter.host}-{entry.entry_id}"[:200],
            worker={},
            age=min(age, _WEEK_S),
        )
        self._queue = entry.queue or program
        self._place = 0
        self._runs = False

    def wait(self, place: int) -> None:
        """Report its place in the queue."""
        if place != self._place:
            self._job.queue(self._queue, place)
            self._place = place

    def run(self, entry: Entry) -> None:
        """Report that it runs, and how far it is; call it again as a sign of life."""
        if not self._runs:
            self.wait(self._place or 1)  # so that the server knows the queue
            self._job.__enter__()
            self._runs = True
        self._job.progress(None, phase=_PHASE, done=entry.done, total=entry.total, unit=entry.unit)

    def end(self, entry: Entry) -> None:
        """Report how it ended."""
        if entry.state == "cancelled":
            if not self._place:
                self.wait(1)  # it began and ended between two looks
            self._job.cancel(entry.reason or "cancelled")
            return
        self.run(entry)
        if entry.state == "failed":
            self._job.end(entry.reason or "it failed")
        else:
            self._job.complete(_PHASE)
            self._job.end()

    def cancel(self, reason: str) -> None:
        """Report that its end is not known."""
        self._job.cancel(reason)
