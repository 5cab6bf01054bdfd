"""Drawing of the servers that share a log: a row each, and all in short."""

from collections.abc import Sequence
from typing import Final

from phaseline_tui.drawing.cells import Line, Span, fit, width_of, width_of_text
from phaseline_tui.drawing.tables import Column, row_of
from phaseline_tui.model.servers import Group, Server
from phaseline_tui.model.words import duration, fine_duration

__all__ = ["server_row", "summary_of_group"]

_GAP: Final = "  "
_SLOW_S: Final = 2.0


def summary_of_group(group: Group, *, brief: bool = False) -> str:
    """Return the header's words for the servers that share a log.

    Args:
        group: The servers.
        brief: Whether to leave out the lag, and the leader if a server is away.
    """
    if group.is_mirror:
        return f"mirror of {group.leader or 'an unknown server'}{'' if brief else _lag(group)}"
    words = f"{len(group.servers)} servers"
    leads = f", leader {group.leader}" if group.leader else ", no leader"
    if group.away:
        words += f", {group.away} away"
        leads = "" if brief and group.leader else leads
    return f"{words}{leads}" if brief or not group.leader else f"{words}{leads}{_lag(group)}"


def _lag(group: Group) -> str:
    return "" if group.lag_s is None else f", {_lag_words(group.lag_s)}"


def _lag_words(seconds: float) -> str:
    return "lag 0s" if seconds == 0 else f"lag {fine_duration(seconds)}"


def server_row(server: Server, columns: Sequence[Column], width: int, passed: float) -> Line:
    """Return the row of a server, below that of the connection.

    Args:
        server: The server.
        columns: The columns of the connection's row, of which the first three are used.
        width: Width in cells.
        passed: Seconds since it was listed.
    """
    mark, style = ("○", "bad") if server.is_away else ("◐", "warn") if server.is_behind else ("●", "good")
    state = f"away {duration(server.silent_s + passed)}" if server.is_away else server.role
    texts = (mark, f"  {server.name}", state)
    styles = (style, "text", style if server.is_away else "strong" if server.role == "leader" else "text")
    cells = dict(zip(("mark", "label", "state"), zip(texts, styles, strict=True), strict=True))
    spans: list[Span] = list(row_of(columns[:3], cells))
    room = width - width_of(tuple(spans))
    if room > len(_GAP):
        spans.append((_GAP, ""))
        room -= len(_GAP)
    late = (server.lag_s or 0.0) >= _SLOW_S
    facts: list[Span] = [] if server.lag_s is None else [(_lag_words(server.lag_s), "warn" if late else "muted")]
    facts += [(f"term {server.term}", "muted")] if server.term else []
    facts += [(server.version, "muted")] if server.version else []
    facts += [("in use", "muted")] if server.answers else []
    for number, (text, each) in enumerate(facts):
        words = f", {text}" if number else text
        taken = max(0, min(room, width_of_text(words)))
        spans.append((fit(words, taken), each))
        room -= taken
    return (*spans, (" " * max(0, room), ""))
