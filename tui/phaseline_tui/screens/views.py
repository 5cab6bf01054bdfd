"""The list of views with their keys, and the base class of their screens."""

import importlib
import importlib.util
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from textual.screen import Screen

from phaseline_tui.drawing.palette import Palette
from phaseline_tui.model.changes import Changes
from phaseline_tui.model.jobs import JobKey
from phaseline_tui.user.keys import help_of
from phaseline_tui.widgets.line_view import LineView

if TYPE_CHECKING:
    from phaseline_tui.app.app import ProgressApp

__all__ = ["VIEWS", "View", "ViewScreen", "offered", "view_called"]


_COMMON: Final = (("1 … 6", "switch view"), ("Tab", "next pane"), ("Ctrl+P", "all commands"))


class ViewScreen(Screen[None]):
    """Base of every view. The app calls these methods of each view on its screen stack."""

    view: str = ""
    """Name of the view in `VIEWS`."""

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        self.palette_in_use = palette

    @property
    def owner(self) -> "ProgressApp":
        """The app, with its own type."""
        return cast("ProgressApp", self.app)

    def show_changes(self, changes: Changes) -> None:
        """Show the changes of a batch; called at most ten times a second."""
        del changes
        self.tick()

    def tick(self) -> None:
        """Redraw clocks and countdowns, and all that depends on them; called every second."""

    def show_boxes(self) -> None:
        """Show when the boxes are free, as a server has just answered."""
        self.tick()

    def set_palette(self, palette: Palette) -> None:
        """Use another palette."""
        self.palette_in_use = palette
        for view in self.query(LineView):
            view.set_palette(palette)

    def to_copy(self) -> str:
        """Return the text that `y` copies; empty if there is none."""
        return ""

    def help_keys(self) -> list[tuple[str, str]]:
        """Return the keys that apply now, with their descriptions."""
        own = [(key, what) for key, what in getattr(self, "KEYS", ())]
        return [*own, *_COMMON, *help_of(("everywhere",), self.owner.settings.keys)]

    def action_output(self) -> None:
        """Show the output of the first selected job."""
        from phaseline_tui.screens.output import OutputScreen  # noqa: PLC0415 (it is a view itself)

        for key in self.chosen_jobs()[:1]:
            self.app.push_screen(OutputScreen(self.palette_in_use, key))

    def action_dismiss_jobs(self) -> None:
        """Dismiss the selected jobs after a confirmation."""
        from phaseline_tui.screens.dismissal import ask  # noqa: PLC0415 (it needs this class)

        found = [self.owner.state.jobs.get(key) for key in self.chosen_jobs()]
        ask(self, [job for job in found if job is not None])

    def chosen_jobs(self) -> list[JobKey]:
        """Return the jobs that an action applies to: the marked ones, or the selected one."""
        return []


class View(NamedTuple):
    """A view of the program."""

    key: str
    name: str
    module: str
    """The module of its screen; imported when the view is first shown."""
    screen: str
    """The name of its `ViewScreen` class."""

    def make(self, palette: Palette) -> ViewScreen:
        """Return a new screen of this view.

        Raises:
            ImportError, AttributeError: The module or its class is missing.
        """
        found = getattr(importlib.import_module(self.module), self.screen)
        return cast("ViewScreen", found(palette))


VIEWS: Final = (
    View("1", "Jobs", "phaseline_tui.screens.jobs", "JobsScreen"),
    View("2", "Job", "phaseline_tui.screens.job", "JobScreen"),
    View("3", "Statistics", "phaseline_tui.screens.statistics", "StatisticsScreen"),
    View("4", "Events", "phaseline_tui.screens.events", "EventsScreen"),
    View("5", "Workers", "phaseline_tui.screens.workers", "WorkersScreen"),
    View("6", "History", "phaseline_tui.screens.history", "HistoryScreen"),
)


def offered() -> tuple[View, ...]:
    """Return the views whose modules are installed."""
    return tuple(view for view in VIEWS if importlib.util.find_spec(view.module) is not None)


def view_called(name: str) -> View | None:
    """Return the view of that name (case-insensitive) or key; None if there is none."""
    wanted = name.casefold()
    return next((view for view in offered() if wanted in {view.name.casefold(), view.key}), None)
