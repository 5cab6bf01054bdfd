"""The connections: how each is, how quick, and when it was last heard."""

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
    """A row for each server, and what there is to know of the one under the cursor."""

    view = "Hosts"
    DEFAULT_CSS = """
    HostsScreen #details { border-top: solid $panel; padding: 0 0 1 0; }
    """
    AUTO_FOCUS = "#rows"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("r", "retry_this", show=False)]
    TELLS_TROUBLE = False  # the view does, for each
    KEYS = (("↑↓", "move"), ("r", "reconnect"), ("y", "copy the address"))

    def __init__(self, palette: Palette) -> None:
        super().__init__(palette)
        self._rows = RowList(palette, lambda: len(self.owner.board.hosts), self._row)
        self._details = FixedLines(palette, id="details")
        self._jobs: dict[str, list[JobView]] = {}
        """The jobs of each server, by its label."""

    def parts(self) -> Iterable[Widget]:
        """Return the table and what stands below it."""
        return (self._rows, self._details)

    def heading(self, width: int) -> list[Line]:
        """Return the titles of the columns."""
        return [(), ((" ", ""), *host_heading(max(1, width - 2)))]

    def show(self) -> None:
        """Show every connection as it is now."""
        self._jobs = {label: [] for label in self.owner.board.hosts}
        for key, job in self.owner.state.jobs.items():
            self._jobs[key.origin or self.owner.board.labels[0]].append(job)
        self._rows.update_rows()
        self._details.show(host_details(self._chosen(), self.size.width, self.owner.board.live_scene()))

    def to_copy(self) -> str:
        """Return the address of the server under the cursor."""
        return self._chosen().server.url

    def action_retry_this(self) -> None:
        """Connect again to the server under the cursor."""
        self.owner.retry(self._chosen().label)

    def _chosen(self) -> HostView:
        return list(self.owner.board.hosts.values())[self._rows.cursor]

    def _row(self, index: int, width: int) -> Line:
        host = list(self.owner.board.hosts.values())[index]
        return host_row(host, self._jobs.get(host.label, []), width, self.owner.board.live_scene())
