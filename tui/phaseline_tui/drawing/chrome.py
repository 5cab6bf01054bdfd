"""The lines around the list: header, connection problems, keys, and the text of an empty list."""

import math
from typing import Final, Literal

from phaseline.model.states import STATES, State
from phaseline.model.workflows import Picture
from phaseline_tui.drawing.boxes import free_in_header
from phaseline_tui.drawing.cells import Line, Span, fit, join, pad_line, width_of, width_of_text, wrap
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.model.boxes import Box
from phaseline_tui.model.connection import LinkState, LinkStatus
from phaseline_tui.model.totals import Counts, Totals
from phaseline_tui.model.words import about, clock_time, duration

__all__ = ["Place", "cut_notice", "empty", "header", "keys", "trouble"]

_FULL, _SHORT, _SHORTEST = range(3)
_LINK_MARKS: Final = {
    LinkState.CONNECTING: ("◌", "warn"),
    LinkState.CONNECTED: ("●", "good"),
    LinkState.STALE: ("◐", "warn"),
    LinkState.WAITING: ("○", "bad"),
    LinkState.STOPPED: ("○", "bad"),
    LinkState.MERGED: ("○", "muted"),
}
_LINK_WORDS: Final = {
    LinkState.WAITING: "no connection",
    LinkState.STOPPED: "no connection",
}
_COUNTED: Final = {state.counted_as: state.tone for state in STATES if state is not State.ACTIVE}
_ALWAYS_COUNTED: Final = frozenset({"done", "failed"})
_ON_THE_SERVER: Final = "http://localhost:5100"
Place = Literal["list", "detail", "page", "filter"]
"""The part with the focus: the list, the details beside it, the details in its place, or the filter line."""
_KEYS: Final = (
    ("↑↓", "move"),
    ("enter", "details"),
    ("/", "filter"),
    ("s", "sort"),
    ("1-6", "views"),
    ("?", "help"),
    ("q", "quit"),
    ("e", "next error"),
    ("x", "dismiss"),
    ("X", "dismiss all failed"),
)
_FILTER_KEYS: Final = (("enter", "keep the filter"), ("esc", "clear it"))
_PAGE_KEYS: Final = (
    ("↑↓", "move"),
    ("esc", "back"),
    ("enter", "fold"),
    ("/", "search"),
    ("y", "copy"),
    ("?", "help"),
    ("q", "quit"),
)
_KEYS_OF: Final[dict[Place, tuple[tuple[str, str], ...]]] = {
    "list": _KEYS,
    "detail": (*_PAGE_KEYS[:2], ("tab", "list"), *_PAGE_KEYS[2:]),
    "page": _PAGE_KEYS,
    "filter": _FILTER_KEYS,
}


def header(  # noqa: PLR0913 (what the line shows)
    url: str,
    status: LinkStatus,
    counts: Counts,
    width: int,
    scene: Scene,
    *,
    totals: Totals | None = None,
    short: str = "",
    paused: int | None = None,
    box: Box | None = None,
    boxes: int = 0,
) -> Line:
    """Return the first line: the server, the connection's status, the totals of all jobs and the time.

    Args:
        url: URL of the server, or a name for all servers.
        status: Status of the connection.
        counts: Numbers of jobs by state.
        width: Width in cells.
        scene: Moment to draw.
        totals: Other totals of all jobs.
        short: A shorter name for all servers. [the URL without its scheme]
        paused: Number of messages received since the screen was paused; None if it is not paused.
        box: The box to show the end of, in place of that of all active jobs.
        boxes: Number of all boxes.
    """
    mark, style = _LINK_MARKS[status.state]
    word = _LINK_WORDS.get(status.state, status.state.value)
    if status.polling and status.state is LinkState.CONNECTED:
        word = "connected by polling"
    time = clock_time(scene.wall, scene.local, scene.wall, seconds=True)
    left: Line = ()
    right: Line = ()
    for brand, server, show_link, detail, show_time in _variants(url, short):
        left = ((brand, "title"), (f"{mark} ", style), (server, "text"))
        if show_link:
            left = (*left, (f" {word}", "muted" if status.state is LinkState.CONNECTED else style))
        if paused is not None:
            left = (*left, (f"  PAUSED +{paused}", "warn-strong"))
        forecast: list[Span] = []
        if totals is not None and detail != _SHORTEST:
            named = show_time and (boxes > 1 or totals.hosts > 1)
            free = [] if box is None else free_in_header(box, scene, named=named, show_band=detail == _FULL)
            forecast = _forecast(totals, scene, free, show_rate=detail == _FULL)
        counted = _counts(counts, totals, show_all=detail == _FULL)
        right = (*counted, *forecast, (f"   {time} " if show_time else " ", "muted"))
        if width_of(left) + width_of(right) < width:
            break
    return join(left, right, width)


def _variants(url: str, short: str) -> tuple[tuple[str, str, bool, int, bool], ...]:
    """Return the header's brand and server, and whether to show the link, which details, and the time.

    Each variant drops the least important part of the one before, for a line that is too short for it.
    """
    bare = short.partition("://")[2] or short or url.partition("://")[2] or url
    return (
        (" phaseline  ", url, True, _FULL, True),
        *(((" phaseline  ", url, False, _FULL, True),) if short not in {"", url} else ()),
        (" phaseline  ", bare, True, _FULL, True),
        (" phaseline  ", bare, False, _FULL, True),
        (" phaseline  ", bare, False, _SHORT, True),
        (" ", bare, False, _SHORT, True),
        (" ", bare, False, _SHORT, False),
        (" ", bare, False, _SHORTEST, True),
        (" ", bare, False, _SHORTEST, False),
    )


def _forecast(totals: Totals, scene: Scene, free: list[Span], *, show_rate: bool) -> list[Span]:
    """Return the rate of completed jobs, and when the box is free, or else when the last active job will be done."""
    spans: list[Span] = []
    if show_rate and totals.rate:
        spans += [("  ", ""), (f"{totals.rate:.0f}/h", "strong")]
    if free:
        return [*spans, *free]
    if totals.remaining is not None:
        at = clock_time(scene.wall + totals.remaining, scene.local, scene.wall)
        some = "" if not totals.unknown else " or later" if show_rate else "+"
        left = f" · {about(totals.remaining)}" if show_rate else ""
        spans += [("  all done ", "muted"), (at, "strong"), (f"{left}{some}", "muted")]
    return spans


def _counts(counts: Counts, totals: Totals | None, *, show_all: bool) -> list[Span]:
    spans: list[Span] = [(f"{counts['active']}", "strong"), (" active", "muted")]
    done = "done"
    if totals is not None:
        ends = {"done": totals.done_today, "failed": totals.failed_today, "cancelled": totals.cancelled_today}
        counts = Counts({**counts, **ends})
        done = "seen done today" if totals.seen else "done today"
    for word, tone in _COUNTED.items():
        count = counts[word]
        if word in _ALWAYS_COUNTED or (count and (show_all or tone == "warn")):
            style = f"{tone}-strong" if tone in {"warn", "bad"} else "strong"
            name = done if word == "done" else word
            spans += [("  ", ""), (f"{count}", style if count else "muted"), (f" {name}", "muted")]
    return spans


def trouble(status: LinkStatus, width: int, scene: Scene) -> list[Line]:
    """Return the lines that describe a connection problem; none if there is no problem."""
    if status.state is LinkState.STALE:
        words = f"{status.reason} for {duration(scene.now - status.since)}: jobs may be out of date"
        style = "warn"
    elif status.reason:
        words, style = status.reason, "bad"
    else:
        return []
    hint: list[Span] = [] if status.distant else [("r", "key"), (" retry now ", "muted")]
    if status.state is LinkState.CONNECTING:
        # Keep the line during an attempt, so that the list does not jump.
        hint = [("reconnecting ", "muted")]
    if status.next_try is not None:
        left = max(0, math.ceil(status.next_try - scene.now))
        hint = [(f"retry in {left}s  ", "muted"), *hint]
    room = width - 3
    if len(words) + width_of(tuple(hint)) + 2 <= room:
        return [join(((" ! ", style), (words, style)), tuple(hint), width)]
    lines: list[Line] = []
    for number, text in enumerate(wrap(words, room - 1, most=3)):
        lines.append(pad_line(((" ! " if number == 0 else "   ", style), (text, style)), width))
    lines.append(pad_line((("   ", ""), *hint), width))
    return lines


def cut_notice(width: int) -> Line:
    """Return the line for a list that does not hold all jobs of its servers."""
    words = " ! more jobs, or larger ones, than this view keeps: some are not listed"
    return pad_line(((words, "warn"),), width)


def keys(width: int, filter_text: str, shown: int, total: int, *, where: Place, problem: str = "") -> Line:
    """Return the last line: the keys that apply, and the number of matching jobs or the filter's error."""
    right: list[Span] = []
    if problem:
        right = [(fit(f"! {problem}", min(width_of_text(problem) + 2, width - 2)), "warn"), (" ", "")]
    elif filter_text:
        right = [(f"{shown} of {total} ", "text")]
    if filter_text and where == "list" and not problem:
        right = [("/", "key"), (f"{filter_text}  ", "strong"), *right, (" esc", "key"), (" clear ", "muted")]
    spans: list[Span] = [(" ", "")]
    room = width - 1 - width_of(tuple(right))
    for key, what in _KEYS_OF[where]:
        hint: Line = ((key, "key"), (f" {what}   ", "muted"))
        room -= width_of(hint)
        if room >= 0:
            spans += hint
    return join(tuple(spans), tuple(right), width)


def empty(
    url: str, status: LinkStatus, width: int, *, synced: bool, filter_text: str, filter_hint: str = ""
) -> list[Line]:
    """Return the text of an empty list: the reason, and what to do."""
    if filter_text:
        lines: list[Line] = [
            ((f"no job matches {filter_text}", "strong"),),
            (),
            (("esc", "key"), (" clears the filter", "muted")),
        ]
        if filter_hint:
            lines += [(), ((filter_hint, "muted"),)]
    elif status.reason:
        lines = [
            (("no connection yet", "strong"),),
            (),
            (("start a server on this machine:", "muted"),),
            (("progress-server", "now"),),
            (),
            (("or connect to another one:", "muted"),),
            (("progress-tui http://host:5100", "now"),),
        ]
    elif not synced:
        lines = [((f"connecting to {url} …", "muted"),)]
    else:
        lines = [
            (("no jobs yet", "strong"),),
            (),
            (("report your own: run a command, or send a report", "muted"),),
            *(((command, "now"),) for command in first_reports(url)),
            (),
            (("or generate a picture:", "muted"),),
            ((f"curl '{_http(url)}{Picture('simple', '0x1234').path}?generate=1'", "now"),),
        ]
    longest = max(width_of(line) for line in lines)
    if longest > width - 2:
        lines = [part for line in lines for part in _wrapped(line, width - 2)]
        longest = max(width_of(line) for line in lines)
    indent = (" " * max(0, (width - longest) // 2), "")
    return [(indent, *line) if line else () for line in lines]


def first_reports(url: str) -> list[str]:
    """Return two commands that report a job of one's own to the server at `url`."""
    http = _http(url)
    return [
        f"PROGRESS_URL={http} phaseline run -- COMMAND",
        f"""curl -d '{{"job_id": "my job", "phases": ["work"]}}' {http}/progress/start""",
    ]


def _http(url: str) -> str:
    """Return the address for commands; behind ssh, they run on the server's own machine."""
    return _ON_THE_SERVER if url.startswith("ssh://") else url


def _wrapped(line: Line, width: int) -> list[Line]:
    if width_of(line) <= width or len(line) != 1:
        return [line]
    text, style = line[0]
    return [((part, style),) for part in wrap(text, width)]
