"""The lines around the list: the header, a notice of trouble, the keys, and what stands where no job is."""

import math
from typing import Final, Literal

from phaseline_tui.drawing.cells import Line, Span, fit, join, pad_line, width_of, width_of_text, wrap
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.model.connection import LinkState, LinkStatus
from phaseline_tui.model.totals import Counts, Totals
from phaseline_tui.model.words import about, clock_time, duration

__all__ = ["Place", "empty", "header", "keys", "trouble"]

_ALL, _MUCH, _LITTLE = range(3)
_LINK_MARKS: Final = {
    LinkState.CONNECTING: ("◌", "warn"),
    LinkState.CONNECTED: ("●", "good"),
    LinkState.STALE: ("◐", "warn"),
    LinkState.WAITING: ("○", "bad"),
    LinkState.STOPPED: ("○", "bad"),
}
_LINK_WORDS: Final = {
    LinkState.WAITING: "no connection",
    LinkState.STOPPED: "no connection",
}
Place = Literal["list", "detail", "page", "filter"]
"""Where the keys go: to the list, the details beside it, the details instead of it, or the filter's line."""
_KEYS: Final = (
    ("↑↓", "move"),
    ("enter", "details"),
    ("/", "filter"),
    ("s", "sort"),
    ("1-5", "views"),
    ("?", "help"),
    ("q", "quit"),
)
_FILTER_KEYS: Final = (("enter", "keep the filter"), ("esc", "all jobs"))
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


def header(
    url: str,
    status: LinkStatus,
    counts: Counts,
    width: int,
    scene: Scene,
    *,
    totals: Totals | None = None,
    held: int | None = None,
) -> Line:
    """Return the first line: which server, how the connection is, all jobs together, what time it is.

    Args:
        url: of the server, or a name for all of them.
        status: how the connection is.
        counts: the jobs by their states.
        width: cells.
        scene: the moment.
        totals: what else is known of all jobs together.
        held: while the screen is held still, how many messages came since; otherwise None.
    """
    mark, style = _LINK_MARKS[status.state]
    word = _LINK_WORDS.get(status.state, status.state.value)
    bare = url.partition("://")[2] or url
    time = clock_time(scene.wall, scene.local, scene.wall, seconds=True)
    left: Line = ()
    right: Line = ()
    # What is worth least goes first when the line is too short.
    for brand, server, tell_link, worth, tell_time in (
        (" phaseline  ", url, True, _ALL, True),
        (" phaseline  ", bare, True, _ALL, True),
        (" phaseline  ", bare, False, _ALL, True),
        (" phaseline  ", bare, False, _MUCH, True),
        (" ", bare, False, _MUCH, True),
        (" ", bare, False, _MUCH, False),
        (" ", bare, False, _LITTLE, True),
        (" ", bare, False, _LITTLE, False),
    ):
        left = ((brand, "title"), (f"{mark} ", style), (server, "text"))
        if tell_link:
            left = (*left, (f" {word}", "muted" if status.state is LinkState.CONNECTED else style))
        if held is not None:
            left = (*left, (f"  HELD +{held}", "warn-strong"))
        together = [] if totals is None or worth == _LITTLE else _together(totals, scene, tell_rate=worth == _ALL)
        counted = _counts(counts, totals, tell_all=worth == _ALL)
        right = (*counted, *together, (f"   {time} " if tell_time else " ", "muted"))
        if width_of(left) + width_of(right) < width:
            break
    return join(left, right, width)


def _together(totals: Totals, scene: Scene, *, tell_rate: bool) -> list[Span]:
    """Say how fast jobs get done, and when the last active one will be."""
    spans: list[Span] = []
    if tell_rate and totals.rate:
        spans += [("  ", ""), (f"{totals.rate:.0f}/h", "strong")]
    if totals.remaining is not None:
        at = clock_time(scene.wall + totals.remaining, scene.local, scene.wall)
        some = "" if not totals.unknown else " or later" if tell_rate else "+"
        left = f" · {about(totals.remaining)}" if tell_rate else ""
        spans += [("  all done ", "muted"), (at, "strong"), (f"{left}{some}", "muted")]
    return spans


def _counts(counts: Counts, totals: Totals | None, *, tell_all: bool) -> list[Span]:
    spans: list[Span] = [(f"{counts.active}", "strong"), (" active", "muted")]
    done = (counts.done, "done") if totals is None else (totals.done_today, "done today")
    for count, word, style, always in (
        (counts.stalled, "stalled", "warn-strong", False),
        (*done, "strong", True),
        (counts.failed, "failed", "bad-strong", True),
        (counts.cancelled, "cancelled", "strong", False),
    ):
        if always or (count and (tell_all or word == "stalled")):
            spans += [("  ", ""), (f"{count}", style if count else "muted"), (f" {word}", "muted")]
    return spans


def trouble(status: LinkStatus, width: int, scene: Scene) -> list[Line]:
    """Return what to say about the connection, nothing if all is well."""
    if status.state is LinkState.STALE:
        words = f"{status.reason} for {duration(scene.now - status.since)}: jobs may be out of date"
        style = "warn"
    elif status.reason:
        words, style = status.reason, "bad"
    else:
        return []
    hint: list[Span] = [("r", "key"), (" tries now ", "muted")]
    if status.state is LinkState.CONNECTING:
        # It stays while the next attempt is made, or the list would jump at each.
        hint = [("trying again ", "muted")]
    if status.next_try is not None:
        left = max(0, math.ceil(status.next_try - scene.now))
        hint = [(f"next try in {left}s  ", "muted"), *hint]
    room = width - 3
    if len(words) + width_of(tuple(hint)) + 2 <= room:
        return [join(((" ! ", style), (words, style)), tuple(hint), width)]
    lines: list[Line] = []
    for number, text in enumerate(wrap(words, room - 1, most=3)):
        lines.append(pad_line(((" ! " if number == 0 else "   ", style), (text, style)), width))
    lines.append(pad_line((("   ", ""), *hint), width))
    return lines


def keys(width: int, filter_text: str, shown: int, total: int, *, where: Place, problem: str = "") -> Line:
    """Return the last line: the keys that help here, and what the filter leaves, or what is wrong in it."""
    right: list[Span] = []
    if problem:
        right = [(fit(f"! {problem}", min(width_of_text(problem) + 2, width - 2)), "warn"), (" ", "")]
    elif filter_text:
        right = [(f"{shown} of {total} ", "text")]
    if filter_text and where == "list" and not problem:
        right = [("/", "key"), (f"{filter_text}  ", "strong"), *right, (" esc", "key"), (" all ", "muted")]
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
    """Return what to say where no job can be shown: what is the case, and what to do."""
    if filter_text:
        lines: list[Line] = [
            ((f"no job matches {filter_text}", "strong"),),
            (),
            (("esc", "key"), (" shows all jobs again", "muted")),
        ]
        if filter_hint:
            lines += [(), ((filter_hint, "muted"),)]
    elif status.reason:
        lines = [
            (("no connection yet", "strong"),),
            (),
            (("on this machine, start a server with", "muted"),),
            (("progress-server", "now"),),
            (),
            (("or follow another one:", "muted"),),
            (("progress-tui http://host:5100", "now"),),
        ]
    elif not synced:
        lines = [((f"connecting to {url} …", "muted"),)]
    else:
        lines = [
            (("no jobs yet", "strong"),),
            (),
            (("paint a picture and watch it here:", "muted"),),
            ((f"curl '{url}/dalle/simple/0x1234?generate=1'", "now"),),
        ]
    longest = max(width_of(line) for line in lines)
    if longest > width - 2:
        lines = [part for line in lines for part in _broken(line, width - 2)]
        longest = max(width_of(line) for line in lines)
    indent = (" " * max(0, (width - longest) // 2), "")
    return [(indent, *line) if line else () for line in lines]


def _broken(line: Line, width: int) -> list[Line]:
    if width_of(line) <= width or len(line) != 1:
        return [line]
    text, style = line[0]
    return [((part, style),) for part in wrap(text, width)]
