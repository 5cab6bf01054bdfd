"""The hosts view: the status, delay and traffic of each connection."""

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from phaseline_tui.drawing.cells import Line
from phaseline_tui.drawing.hosts import host_details, host_heading, host_row
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.model.hosts import HostView
from phaseline_tui.model.jobs import JobView
from phaseline_tui.screens.framed import FramedScreen
from phaseline_tui.widgets.fixed_lines import FixedLines
from phaseline_tui.widgets.row_list import RowList

__all__ = ["HostsScreen"]


class HostsScreen(FramedScreen):
    """A row for each server, and details of the selected one."""

    view = "Hosts"
    DEFAULT_CSS = """
    HostsScreen #details { border-top: solid $panel; padding: 0 0 1 0; }
    """
    AUTO_FOCUS = "#rows"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("r", "retry_this", show=False)]
    SHOWS_TROUBLE = False  # each row shows its own
    KEYS = (("↑↓", "move"), ("r", "reconnect"), ("y", "copy the address"))

    def __init__(self, palette: Palette) -> None:
        super().__init__(palette)
        self._rows = RowList(palette, lambda: len(self.owner.data.hosts), self._row)
        self._details = FixedLines(palette, id="details")
        self._jobs: dict[str, list[JobView]] = {}
        """The jobs of each server by its label."""

    def parts(self) -> Iterable[Widget]:
        """Return the table and the details below it."""
        return (self._rows, self._details)

    def heading(self, width: int) -> list[Line]:
        """Return the titles of the columns."""
        return [(), ((" ", ""), *host_heading(max(1, width - 2)))]

    def show(self) -> None:
        """Show the current state of every connection."""
        self._jobs = {label: [] for label in self.owner.data.hosts}
        for key, job in self.owner.state.jobs.items():
            self._jobs[key.origin or self.owner.data.labels[0]].append(job)
        self._rows.update_rows()
        self._details.show(host_details(self._chosen(), self.size.width, self.owner.data.live_scene()))

    def to_copy(self) -> str:
        """Return the address of the selected server."""
        return self._chosen().server.url

    def action_retry_this(self) -> None:
        """Reconnect to the selected server."""
        self.owner.retry(self._chosen().label)

    def _chosen(self) -> HostView:
        return list(self.owner.data.hosts.values())[self._rows.cursor]

    def _row(self, index: int, width: int) -> Line:
        host = list(self.owner.data.hosts.values())[index]
        return host_row(host, self._jobs.get(host.label, []), width, self.owner.data.live_scene())
