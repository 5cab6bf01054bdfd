"""The job view: all details of one job on the whole screen."""

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from phaseline_tui.drawing.cells import Line
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.model.changes import Changes
from phaseline_tui.model.jobs import JobKey, JobView
from phaseline_tui.screens.framed import FramedScreen
from phaseline_tui.user.keys import bindings, help_of
from phaseline_tui.widgets.job_detail import JobDetail
from phaseline_tui.widgets.messages import SearchChanged
from phaseline_tui.widgets.search_line import SearchLine

__all__ = ["JobScreen"]


class JobScreen(FramedScreen):
    """Shows the last selected job; the first of the list if none was selected."""

    DEFAULT_CSS = """
    JobScreen #detail { height: 1fr; }
    """
    view = "Job"
    AUTO_FOCUS = "#detail"
    KEYS = (
        ("↑↓", "move"),
        ("enter", "fold"),
        ("/", "search"),
        ("y", "copy"),
        ("v", "JSON"),
        ("i", "picture"),
        ("←→", "other jobs"),
        ("e", "next error"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", show=False),
        *bindings("next-error", "next-job", "previous-job"),
    ]

    def __init__(self, palette: Palette) -> None:
        super().__init__(palette)
        self._detail = JobDetail(palette, self.owner.data.scene)
        self._search = SearchLine()

    def parts(self) -> Iterable[Widget]:
        """Return the details and the search line."""
        return (self._detail, self._search)

    def heading(self, width: int) -> list[Line]:
        """Return no lines, because the details begin with the job's name."""
        del width
        return []

    def aside(self) -> Line:
        """Return the number of matches of the search."""
        return self._detail.matches()

    def job(self) -> JobView | None:
        """Return the job to show."""
        state = self.owner.state
        if self.owner.job not in state.jobs:
            self.owner.job = state.visible[0] if state.visible else None
        return state.jobs.get(self.owner.job) if self.owner.job is not None else None

    def show(self) -> None:
        """Show the current state of the job."""
        self._detail.show(self.job())

    def show_changes(self, changes: Changes) -> None:
        """Show the changes of a batch if they concern this job."""
        if changes.order or changes.status:
            self.tick()
        elif self.owner.job in changes.jobs:
            self.show()

    def to_copy(self) -> str:
        """Return the selected value, or the whole job as JSON."""
        return self._detail.to_copy()

    def chosen_jobs(self) -> list[JobKey]:
        """Return the job of this view."""
        return [] if self.owner.job is None else [self.owner.job]

    def help_keys(self) -> list[tuple[str, str]]:
        """Return the keys of this view with their descriptions."""
        remapped = self.owner.settings.keys
        own = set(self.KEYS)
        return [*help_of(("detail", "job"), remapped), *(key for key in super().help_keys() if key not in own)]

    def on_search_changed(self, message: SearchChanged) -> None:
        """Search for the new text."""
        self._detail.search(message.text)
        self.tick()

    def action_search(self) -> None:
        """Open the search line."""
        self._search.open(self._detail)

    def action_next_error(self) -> None:
        """Show the next job that failed, is lost or is stalled."""
        self.owner.job = self.owner.state.next_error(self.owner.job) or self.owner.job
        self.tick()

    def action_neighbor(self, step: int) -> None:
        """Show the next job of the list (step 1) or the previous one (step -1)."""
        visible = self.owner.state.visible
        if visible:
            at = visible.index(self.owner.job) if self.owner.job in visible else 0
            self.owner.job = visible[max(0, min(at + step, len(visible) - 1))]
            self.tick()
