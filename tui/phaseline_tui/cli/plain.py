"""Plain-text output, one line per change: for screen readers, pipes and simple terminals.

Each line is complete in itself, none is overwritten, and every symbol is accompanied by a word.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from phaseline.model.states import STATES
from phaseline_tui.cli.plain_news import Inbox, Listed
from phaseline_tui.drawing.job_names import difference_of
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.model.access import Access
from phaseline_tui.model.address import ServerAddress, labels
from phaseline_tui.model.amounts import count_words, rate_words
from phaseline_tui.model.clock import Clock
from phaseline_tui.model.connection import Batch, LinkState, LinkStatus
from phaseline_tui.model.jobs import WORKER_GONE, JobKey, JobView, State
from phaseline_tui.model.shown import percent_shown, percent_words
from phaseline_tui.model.state import ViewState
from phaseline_tui.model.twins import mark_twins
from phaseline_tui.model.words import UNKNOWN, about, band, clock_time, count_of, duration
from phaseline_tui.user.settings import Settings

__all__ = ["PlainReport", "follow"]

_STEP: Final = 10.0  # percent of a job; a new line is printed for each step within a phase
_MAX: Final = 300  # characters of a message
_LINK_WORDS: Final = {
    LinkState.CONNECTING: "connecting",
    LinkState.CONNECTED: "connected",
    LinkState.STALE: "jobs may be out of date",
    LinkState.WAITING: "no connection",
    LinkState.STOPPED: "no connection",
    LinkState.MERGED: "shares a log with another address",
}
_ENDS: Final = frozenset({LinkState.WAITING, LinkState.STOPPED, LinkState.MERGED})
"""States in which no jobs are to be waited for."""
_Printed = tuple[State, int, int]


class PlainReport:
    """Converts the batches of the links to lines."""

    def __init__(self, servers: Sequence[str], settings: Settings) -> None:
        """Start with no jobs.

        Args:
            servers: Labels of the servers.
            settings: The user's settings.
        """
        self.state = ViewState(fold_after=settings.fold_after)
        self._several = len(servers) > 1
        self._first = servers[0]
        self._printed: dict[JobKey, _Printed] = {}
        self._links: dict[str, tuple[LinkState, str]] = {}
        self._without_news: set[str] = set()
        self._named: list[JobKey] = []
        """The listed jobs when duplicate names were last distinguished."""

    def apply(self, batches: Iterable[Batch], scene: Scene) -> list[str]:
        """Apply batches and return the lines to print, without line ends."""
        lines: list[str] = []
        for batch in batches:
            origin = batch.origin or self._first
            if batch.status is not None:
                lines += self._connection(origin, batch.status)
            fresh = origin not in self.state.synced
            changes = self.state.apply(batch.frames, batch.received, origin)
            if fresh and origin in self.state.synced:
                lines.append(self._counts(origin))
            if self.state.visible is not self._named:
                self._named = self.state.visible
                mark_twins([self.state.jobs[key] for key in self._named])
            listed = [key for key in self.state.visible if key in changes.jobs]
            lines += [line for key in listed for line in self._job(self.state.jobs[key], scene, fresh=fresh)]
        now = clock_time(scene.wall, scene.local, scene.wall, seconds=True)
        return [f"{now} {line}" for line in lines]

    def _connection(self, origin: str, status: LinkStatus) -> list[str]:
        before = self._links.get(origin)
        if before == (status.state, status.reason) or (status.state is LinkState.CONNECTING and before is not None):
            return []  # otherwise every attempt to connect would print a line
        self._links[origin] = (status.state, status.reason)
        reason = f": {status.reason}" if status.reason else ""
        return [f"{_LINK_WORDS[status.state]} ({origin}){reason}"]

    def news(self, listed: Listed, scene: Scene) -> list[str]:
        """Return the line to print if a server begins to lack news from the leader of its log, or has them again."""
        origin, since = listed.origin, listed.group.stale_since
        if (since is None) is (origin not in self._without_news):
            return []
        if since is None:
            self._without_news.discard(origin)
            words = f"jobs are up to date again ({origin})"
        else:
            self._without_news.add(origin)
            at = clock_time(scene.wall + since - scene.now, scene.local, scene.wall, seconds=True)
            leader = listed.group.leader or "the leader"
            words = f"{_LINK_WORDS[LinkState.STALE]} ({origin}): no news from {leader} since {at}"
        return [f"{clock_time(scene.wall, scene.local, scene.wall, seconds=True)} {words}"]

    def _counts(self, origin: str) -> str:
        jobs = [job for key, job in self.state.jobs.items() if key.origin == origin]
        counts = [(state.word, sum(job.state is state for job in jobs)) for state in STATES]
        words = ", ".join(f"{count} {word}" for word, count in counts if count)
        more = (
            "; more jobs, or larger ones, than this view keeps: some are not listed" if origin in self.state.cut else ""
        )
        return f"{count_of(len(jobs), 'job')} known{': ' if words else ''}{words}{more}"

    def _job(self, job: JobView, scene: Scene, *, fresh: bool) -> list[str]:
        before = self._printed.get(job.key)
        step = int(percent_shown(job, scene.now)[0] // _STEP)
        now = (job.state, job.phase_index, step)
        if before == now or (fresh and job.over):
            self._printed[job.key] = now
            return []
        self._printed[job.key] = now
        apart = difference_of(job, scene)
        name = f"{job.name} ({apart})" if apart else job.name
        name = f"{name} on {job.origin}" if self._several else name
        if job.state is State.ACTIVE:
            began = "" if before is not None or fresh else "started, "
            return [f"{name}: {began}{_progress(job, scene)}"]
        if before is not None and before[0] is job.state:
            return []
        return [f"{name}: {_end(job, scene)}"]


def _progress(job: JobView, scene: Scene) -> str:
    phase = job.current
    where = f"phase {job.phase_index} of {job.phase_count}, {phase.name}, " if phase is not None else ""
    percent = percent_words(job, scene.now)
    words = f"{where}{'progress unknown' if percent == UNKNOWN else percent.replace('~', 'about ')}"
    words += "".join(f", {each}" for each in (count_words(job), rate_words(job)) if each)
    left = job.remaining_at(scene.now)
    if left is not None and left.likely >= 0:
        at = clock_time(scene.wall + left.likely, scene.local, scene.wall)
        range_ = "" if left.low is None or left.high is None else f" ({band(left.low, left.high)})"
        words += f", done at {at}, in {about(left.likely)}{range_}"
    return f"{words}, {_brief(job.message)}" if job.message else words


def _brief(text: str) -> str:
    """Return a worker's message, cut to a length that a person reads."""
    return text if len(text) <= _MAX else f"{text[: _MAX - 1]}…"


def _end(job: JobView, scene: Scene) -> str:
    if job.state is State.QUEUED:
        return job.remark
    if job.state is State.STALLED:
        silence = job.silence_at(scene.now)
        where = f"stalled in {job.current.name}" if job.current is not None else "stalled"
        where += f" at {int(job.percent)}%"
        where += f", {count_words(job)}" if job.done is not None else ""
        where += f", {WORKER_GONE}" if job.stall_reason == WORKER_GONE else ""
        return where if silence is None else f"{where}, silent for {duration(silence)}"
    reason = f": {_brief(job.failure)}" if job.state is not State.COMPLETED and job.failure else ""
    return f"{job.state.word} after {duration(job.duration or job.elapsed)}{reason}"


def follow(
    servers: Sequence[ServerAddress],
    settings: Settings,
    access: Access,
    *,
    once: bool = False,
    write: Callable[[str], object] | None = None,
) -> int:
    """Write lines until interrupted or until the reader closes the pipe; return the exit code.

    Args:
        servers: Servers to follow.
        settings: The user's settings.
        access: Tokens and certificates.
        once: Whether to return when every server has sent its jobs or has failed.
        write: Receives each line. [writes to standard output]
    """
    from phaseline_tui.link import Links  # noqa: PLC0415 (imports Trio)

    names = labels(servers)
    report = PlainReport(names, settings)
    clock = Clock()
    inbox = Inbox(names[0])
    links = Links(servers, inbox.put, None, access, waits=True)
    waiting = set(names)
    failed = False
    links.start()
    try:
        while waiting or not once:
            item = inbox.get(links.request)
            scene = Scene(clock.monotonic(), clock.wall(), clock.local)
            for line in report.news(item, scene) if isinstance(item, Listed) else report.apply(item, scene):
                (write or _write)(_encodable(line, settings))
            if isinstance(item, Listed):
                continue
            links.applied()
            waiting -= report.state.synced
            for batch in item:
                if batch.status is not None and batch.status.state in _ENDS:
                    failed |= batch.status.state is not LinkState.MERGED and (batch.origin or names[0]) in waiting
                    waiting.discard(batch.origin or names[0])
    except OSError as error:
        return _unwritten(error)
    except KeyboardInterrupt:
        return 130
    finally:
        links.stop()
    return int(failed)


def _unwritten(error: OSError) -> int:
    """Return the exit code after standard output failed; print the error unless its reader closed the pipe."""
    # Python flushes standard output once more when it exits.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return 0
    sys.stderr.write(f"progress-tui: error: cannot write to standard output: {error.strerror or error}\n")
    return 2


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _encodable(line: str, settings: Settings) -> str:
    if settings.ascii:
        from phaseline_tui.drawing.ascii import to_ascii  # noqa: PLC0415 (imports Textual)

        return to_ascii(line)
    encoding = sys.stdout.encoding or "ascii"
    return line.encode(encoding, errors="replace").decode(encoding)
