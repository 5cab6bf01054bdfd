"""The workers view: the connections to the servers, and the machines that do the work, with their jobs and load."""

import asyncio
from collections.abc import Iterable
from typing import ClassVar, Final

from textual import events
from textual.binding import Binding, BindingType
from textual.widget import Widget

from phaseline_tui.drawing.cells import Line
from phaseline_tui.drawing.hosts import group_rows, host_details, host_heading, host_row
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.drawing.workers import unused, worker_details, worker_heading, worker_row
from phaseline_tui.model.changes import Changes
from phaseline_tui.model.connection import LinkState
from phaseline_tui.model.failures import LinkError
from phaseline_tui.model.hosts import HostView
from phaseline_tui.model.jobs import JobView
from phaseline_tui.model.workers import HostKey, Load, WorkerHost, filter_for, hosts_of, read_loads
from phaseline_tui.screens.framed import FramedScreen
from phaseline_tui.screens.views import VIEWS
from phaseline_tui.widgets.filter_line import FilterLine
from phaseline_tui.widgets.fixed_lines import FixedLines
from phaseline_tui.widgets.messages import PastEdge
from phaseline_tui.widgets.row_list import RowList

__all__ = ["WorkersScreen"]

_EVERY_S: Final = 5.0
_OK: Final = 200
_TALL: Final = 30
_QUESTION: Final = "/progress/hosts?jobs=0&limit=1000"


class WorkersScreen(FramedScreen):
    """A row for each server, a row for each machine, and details of the selected one."""

    view = "Workers"
    DEFAULT_CSS = """
    WorkersScreen #servers { height: 1; }
    WorkersScreen #details { border-top: solid $panel; }
    """
    AUTO_FOCUS = "#rows"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "retry_this", show=False),
        Binding("enter", "open", show=False, priority=True),
    ]
    SHOWS_TROUBLE = False  # each row shows its own
    KEYS = (("↑↓", "move"), ("enter", "list its jobs"), ("r", "reconnect"), ("y", "copy the name"))

    def __init__(self, palette: Palette) -> None:
        super().__init__(palette)
        self._servers = RowList(palette, lambda: len(self._connections), self._server_row, id="servers")
        self._titles = FixedLines(palette, id="titles")
        self._rows = RowList(palette, lambda: len(self._hosts), self._row)
        self._details = FixedLines(palette, id="details")
        self._connections: list[tuple[HostView, int | None]] = []
        """The rows of the upper table: a connection, or the number of a server that shares its log."""
        self._jobs: dict[str, list[JobView]] = {}
        """The jobs of each server by its label."""
        self._loads: dict[HostKey, Load] = {}
        self._hosts: list[WorkerHost] = []
        self._unused = unused(self._hosts)
        self._chosen: HostKey | None = None
        self._outdated = True
        """Whether jobs or machines were added or removed since they were grouped."""

    def parts(self) -> Iterable[Widget]:
        """Return the two tables, and the details below them."""
        return (self._servers, self._titles, self._rows, self._details)

    def on_mount(self) -> None:
        """Ask for the load of the machines, and again every five seconds."""
        self._arrange()
        super().on_mount()
        self._ask_all()
        self.set_interval(_EVERY_S, self._ask_all)

    def on_resize(self, event: events.Resize) -> None:
        """Show as many servers as there is room for."""
        self._arrange()
        super().on_resize(event)

    def _arrange(self) -> None:
        self._connections = [
            (host, number)
            for host in self.owner.data.hosts.values()
            for number in (None, *range(0 if host.group is None else len(host.group.servers)))
        ]
        self._servers.styles.height = min(len(self._connections), 10 if self.app.size.height >= _TALL else 4)

    def heading(self, width: int) -> list[Line]:
        """Return the titles of the servers' columns."""
        return [((" ", ""), *host_heading(max(1, width - 2)))]

    def show(self) -> None:
        """Show the current state of every connection and machine."""
        self._arrange()
        if self._outdated:
            self._group()
        keys = [host.key for host in self._hosts]
        if self._chosen in keys:
            self._rows.cursor = keys.index(self._chosen)
        width = self.size.width
        self._titles.show([(), ((" ", ""), *worker_heading(max(1, width - 2), self._unused))])
        self._rows.notice = ((("no machine has a job at work".center(width), "muted"),),)
        self._servers.update_rows()
        self._rows.update_rows()
        host = self._host()
        if host is not None and not self._servers.has_focus:
            self._chosen = host.key
            most = 10 if self.size.height >= _TALL else 4
            lines = worker_details(host, width, most, self._scene(host.key.origin))
        else:
            lines = host_details(self._server(), width, self.owner.data.live_scene())
        self._details.show(lines)

    def _group(self) -> None:
        """Find the jobs of each server and machine."""
        self._outdated = False
        self._jobs = {label: [] for label in self.owner.data.hosts}
        for key, job in self.owner.state.jobs.items():
            self._jobs[key.origin or self.owner.data.labels[0]].append(job)
        self._hosts = hosts_of(self.owner.state.jobs.values(), self._loads, self.owner.data.boxes)
        self._unused = unused(self._hosts)

    def show_boxes(self) -> None:
        """Show when the machines are free, as the server has just answered."""
        self._outdated = True
        self.tick()

    def show_changes(self, changes: Changes) -> None:
        """Ask a server that has connected for the load of its machines."""
        self._outdated |= changes.order
        if changes.status:
            self._ask_all()
        super().show_changes(changes)

    def on_row_chosen(self, message: object) -> None:
        """Show the details of the selected row."""
        del message
        if not self._servers.has_focus:
            host = self._host()
            self._chosen = host.key if host is not None else None
        self.tick()

    def on_past_edge(self, message: PastEdge) -> None:
        """Move from one table to the other."""
        if message.lines > 0 and self._servers.has_focus and self._hosts:
            self._rows.focus()
            self._rows.choose(0)
        elif message.lines < 0 and self._rows.has_focus:
            self._servers.focus()
            self._servers.choose(len(self._connections) - 1)

    def on_descendant_focus(self) -> None:
        """Show the details of the row that has the focus now."""
        self.call_after_refresh(self.tick)

    def action_open(self) -> None:
        """List the jobs of the selected machine."""
        host = self._host()
        text = filter_for(host, self._hosts) if host is not None and not self._servers.has_focus else ""
        if text:
            jobs = self.app.screen_stack[0]
            self.owner.show_view(VIEWS[0])
            jobs.query_one(FilterLine).value = text

    def to_copy(self) -> str:
        """Return the name of the selected machine, or the address of the selected server."""
        host = self._host()
        return host.key.name if host is not None and not self._servers.has_focus else self._server().server.url

    def action_retry_this(self) -> None:
        """Reconnect to the selected server, or to that of the selected machine."""
        host = self._host()
        if host is None or self._servers.has_focus:
            self.owner.retry(self._server().label)
        else:
            self.owner.retry(host.key.origin or self.owner.data.labels[0])

    def _server(self) -> HostView:
        return self._connections[min(self._servers.cursor, len(self._connections) - 1)][0]

    def _host(self) -> WorkerHost | None:
        return self._hosts[min(self._rows.cursor, len(self._hosts) - 1)] if self._hosts else None

    def _scene(self, origin: str) -> Scene:
        return self.owner.data.scene(origin)

    def _server_row(self, index: int, width: int) -> Line:
        (host, number), scene = self._connections[index], self.owner.data.live_scene()
        if number is not None:
            return group_rows(host, width, scene)[number]
        return host_row(host, self._jobs.get(host.label, []), width, scene)

    def _row(self, index: int, width: int) -> Line:
        host = self._hosts[index]
        return worker_row(host, width, self._scene(host.key.origin), self._unused)

    def _ask_all(self) -> None:
        for label, host in self.owner.data.hosts.items():
            if host.status.state is LinkState.CONNECTED:
                self.run_worker(self._ask(label), group=f"load of {label}", exclusive=True)

    async def _ask(self, label: str) -> None:
        """Request the load of a server's machines. An older server does not provide it, so it stays unknown."""
        try:
            reply = await asyncio.wrap_future(self.owner.request(label, "GET", _QUESTION))
            if reply.status != _OK:
                return
            self.receive_loads(label, reply.body)
        except (LinkError, ValueError):
            return

    def receive_loads(self, label: str, body: bytes) -> None:
        """Show the answer of the server with this label; raise ValueError if it is invalid."""
        origin = label
        found = read_loads(body, self.owner.data.live_scene().now)
        self._loads = {key: load for key, load in self._loads.items() if key.origin != origin}
        self._loads |= {HostKey(origin, name): load for name, load in found.items()}
        self._outdated = True
        self.tick()
