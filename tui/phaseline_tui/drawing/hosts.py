"""Drawing of the connections to servers: a row each, the details of one, and a summary of all."""

import math
from collections.abc import Collection, Sequence
from typing import Final

from phaseline_tui.drawing.cells import Line, wrap
from phaseline_tui.drawing.group import server_row, summary_of_group
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.drawing.tables import Column, columns_that_fit, heading_of, row_of
from phaseline_tui.model.connection import LinkState, LinkStatus
from phaseline_tui.model.hosts import HostView
from phaseline_tui.model.jobs import JobView
from phaseline_tui.model.words import UNKNOWN, clock_time, duration

__all__ = [
    "delay_words",
    "group_rows",
    "host_details",
    "host_heading",
    "host_row",
    "sparkline",
    "summary_of_all",
    "worst",
]

_COLUMNS: Final = (
    Column("mark", "", 1),
    Column("label", "SERVER", 12, grows=1, cut="middle"),
    Column("state", "STATE", 13),
    Column("delay", "DELAY", 6, priority=9, align="right"),
    Column("delays", "LAST DELAYS", 16, priority=2),
    Column("received", "LAST DATA", 9, priority=8, align="right"),
    Column("active", "ACTIVE", 6, priority=7, align="right"),
    Column("jobs", "JOBS", 6, priority=6, align="right"),
    Column("rate", "MSG/S", 6, priority=4, align="right"),
    Column("size", "KB/S", 6, priority=3, align="right"),
    Column("since", "SINCE", 9, priority=5, align="right"),
)
_MARKS: Final = {
    LinkState.CONNECTED: ("●", "good"),
    LinkState.STALE: ("◐", "warn"),
    LinkState.CONNECTING: ("◌", "warn"),
    LinkState.WAITING: ("○", "bad"),
    LinkState.STOPPED: ("✗", "bad"),
    LinkState.MERGED: ("○", "muted"),
}
_WORDS: Final = {LinkState.WAITING: "no connection", LinkState.STOPPED: "stopped"}
_BY_SEVERITY: Final = (
    LinkState.MERGED,
    LinkState.CONNECTED,
    LinkState.CONNECTING,
    LinkState.STALE,
    LinkState.WAITING,
    LinkState.STOPPED,
)
_BARS: Final = "▁▂▃▄▅▆▇"  # no full block, which would merge with the line above
_SLOW: Final = 0.3


def host_heading(width: int) -> Line:
    """Return the column titles."""
    return heading_of(columns_that_fit(_COLUMNS, width))


def host_row(host: HostView, jobs: Collection[JobView], width: int, scene: Scene) -> Line:
    """Return the row of a connection.

    Args:
        host: The connection.
        jobs: The jobs of its server.
        width: Width in cells.
        scene: Moment to draw.
    """
    status = host.shown_status
    mark, style = _MARKS[status.state]
    silence = host.silence(scene.now)
    messages, size = host.rates(scene.now)
    connected = status.state is LinkState.CONNECTED
    active = sum(job.state.at_work for job in jobs)
    delay = host.delay
    return row_of(
        columns_that_fit(_COLUMNS, width),
        {
            "mark": (mark, style),
            "label": (host.label, "strong"),
            "state": (_WORDS.get(status.state, status.state.value), "text" if connected else style),
            "delay": (delay_words(delay), "muted" if delay is None else "warn" if delay >= _SLOW else "text"),
            "delays": (sparkline(list(host.delays)[-16:]), "past"),
            "received": (_ago(silence), "muted" if connected else style),
            "active": (f"{active}", "strong" if active else "muted"),
            "jobs": (f"{len(jobs)}", "muted"),
            "rate": (f"{messages:.1f}" if messages else "0", "muted"),
            "size": (f"{size / 1000:.1f}" if size else "0", "muted"),
            "since": (duration(scene.now - host.status.since) if host.status.since else UNKNOWN, "muted"),
        },
    )


def group_rows(host: HostView, width: int, scene: Scene) -> list[Line]:
    """Return a row for each of the servers that share the log of a connection; none for a single server."""
    if host.group is None:
        return []
    columns = columns_that_fit(_COLUMNS, width)
    passed = scene.now - host.group.received
    return [server_row(server, columns, width, passed) for server in host.group.servers]


def host_details(host: HostView, width: int, scene: Scene) -> list[Line]:
    """Return the details of a connection."""
    status = host.shown_status
    lines: list[Line] = [((f" {host.server.url}", "strong"),)]
    if host.server.ssh is not None:
        ssh = host.server.ssh
        lines.append(((" via ", "muted"), (ssh.command, "text"), (f", forwards to {ssh.far}", "muted")))
    if status.reason:
        style = "warn" if status.state in {LinkState.STALE, LinkState.CONNECTING} else "bad"
        lines += [((f" {text}", style),) for text in wrap(status.reason, max(10, width - 2), most=4)]
    if status.distant:
        lines.append(((f" its jobs are shown as of {duration(scene.now - status.since)} ago", "muted"),))
    elif status.next_try is not None:
        lines.append(((f" retry in {duration(max(0.0, status.next_try - scene.now) + 0.99)}", "muted"),))
    elif status.state is LinkState.STOPPED:
        lines.append(((" no automatic retry; press ", "muted"), ("r", "key"), (" to retry", "muted")))
    if status.state is LinkState.CONNECTED and status.since:
        began = clock_time(scene.wall - (scene.now - status.since), scene.local, scene.wall)
        times = f", {host.connections} connections so far" if host.connections > 1 else ""
        lines.append(((f" connected since {began}{times}", "muted"),))
    if status.polling:
        lines.append(((" by polling: a proxy passes no WebSockets", "muted"),))
    if host.delays:
        known = sorted(host.delays)
        middle = known[len(known) // 2]
        lines.append(((f" recent delay: median {delay_words(middle)}, maximum {delay_words(known[-1])}", "muted"),))
    if host.messages:
        lines.append(((f" {host.messages} messages, {host.size / 1000:.0f} kB", "muted"),))
    return lines


def summary_of_all(hosts: Sequence[HostView], *, brief: bool = False) -> str:
    """Return the header's name for the servers, and the delay of the slowest; of servers that share a log, the lag.

    Args:
        hosts: The connections.
        brief: Whether to leave out the lag of servers that share a log.
    """
    if len(hosts) == 1 and (group := hosts[0].group) is not None:
        return summary_of_group(group, brief=brief)
    delays = [host.usual_delay for host in hosts if host.usual_delay is not None]
    slowest = f" {_roughly(max(delays))}" if delays else ""
    if len(hosts) == 1:
        return f"{hosts[0].server.url}{slowest}"
    connected = sum(host.status.state is LinkState.CONNECTED for host in hosts)
    return (f"{len(hosts)} servers" if connected == len(hosts) else f"{connected} of {len(hosts)} servers") + slowest


def worst(hosts: Sequence[HostView]) -> LinkStatus:
    """Return the most severe status. With several servers, its reason names all that have a problem."""
    statuses = {host.label: host.shown_status for host in hosts}
    status = max(statuses.values(), key=lambda each: _BY_SEVERITY.index(each.state))
    if len(hosts) == 1 or not status.reason:
        return status
    troubled = [(label, each.state) for label, each in statuses.items() if each.reason]
    named = ", ".join(f"{label} {_WORDS.get(state, state.value)}" for label, state in troubled)
    return LinkStatus(status.state, f"{named}; press 5 for details", status.since, status.next_try)


def delay_words(seconds: float | None) -> str:
    """Return a delay in at most six characters: `0.4ms`, `38ms`, `1.2s`."""
    if seconds is None:
        return UNKNOWN
    millis = seconds * 1000
    if millis < 9.95:  # noqa: PLR2004 (tenths below ten)
        return f"{millis:.1f}ms"
    return f"{millis:.0f}ms" if millis < 999.5 else f"{seconds:.1f}s"  # noqa: PLR2004 (a second)


def _roughly(seconds: float) -> str:
    """Return a delay of one significant digit, so that the header seldom changes and is seldom sent again."""
    millis = seconds * 1000
    if millis < 1:
        return "<1ms"
    size = 10 ** max(0, math.floor(math.log10(millis)))
    return delay_words(max(1, round(millis / size)) * size / 1000).replace(".0ms", "ms")


def sparkline(values: Sequence[float]) -> str:
    """Return a bar of one cell for each value, scaled from the minimum to the maximum."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    if high <= low:
        return _BARS[1] * len(values)
    last = len(_BARS) - 1
    return "".join(_BARS[round((value - low) / (high - low) * last)] for value in values)


def _ago(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    return "now" if seconds < 4 else f"{duration(seconds)} ago" if seconds < 60 else duration(seconds)  # noqa: PLR2004
