"""The views of the program: which there are, under which key, and what each of them can be asked."""

import importlib
import importlib.util
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from textual.screen import Screen

from phaseline_tui.drawing.palette import Palette
from phaseline_tui.model.jobs import JobKey
from phaseline_tui.model.state import Changes
from phaseline_tui.user.keys import help_of
from phaseline_tui.widgets.line_view import LineView

if TYPE_CHECKING:
    from phaseline_tui.app.app import ProgressApp

__all__ = ["VIEWS", "View", "ViewScreen", "offered", "view_called"]


_COMMON: Final = (("1 … 5", "the views"), ("Tab", "the next part"), ("Ctrl+P", "all commands"))


class ViewScreen(Screen[None]):
    """Base of every view. The app calls these methods of each screen that is on its stack."""

    view: str = ""
    """The name that the view has in `VIEWS`."""

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        self.palette_in_use = palette

    @property
    def owner(self) -> "ProgressApp":
        """The app, by its own type."""
        return cast("ProgressApp", self.app)

    def show_changes(self, changes: Changes) -> None:
        """Show what a batch changed; at most ten times a second."""
        del changes
        self.tick()

    def tick(self) -> None:
        """Show the present moment: clocks, countdowns, and whatever else changed; twice a second."""

    def set_palette(self, palette: Palette) -> None:
        """Draw in other colours from now on."""
        self.palette_in_use = palette
        for view in self.query(LineView):
            view.set_palette(palette)

    def to_copy(self) -> str:
        """Return what `y` copies here; empty if there is nothing."""
        return ""

    def help_keys(self) -> list[tuple[str, str]]:
        """Return the keys that mean something here now, and what they do."""
        own = [(key, what) for key, what in getattr(self, "KEYS", ())]
        return [*own, *_COMMON, *help_of(("everywhere",), self.owner.settings.keys)]

    def chosen_jobs(self) -> list[JobKey]:
        """Return the jobs that an action would mean: those marked, or the one under the cursor."""
        return []


class View(NamedTuple):
    """A view that can be shown."""

    key: str
    name: str
    module: str
    """In which its screen is defined; read only when the view is first shown."""
    screen: str
    """The name of a `ViewScreen` that is made with a palette alone."""

    def make(self, palette: Palette) -> ViewScreen:
        """Return its screen.

        Raises:
            ImportError, AttributeError: its module is not there, or is another.
        """
        found = getattr(importlib.import_module(self.module), self.screen)
        return cast("ViewScreen", found(palette))


VIEWS: Final = (
    View("1", "Jobs", "phaseline_tui.screens.jobs", "JobsScreen"),
    View("2", "Job", "phaseline_tui.screens.job", "JobScreen"),
    View("3", "Statistics", "phaseline_tui.screens.statistics", "StatisticsScreen"),
    View("4", "Events", "phaseline_tui.screens.events", "EventsScreen"),
    View("5", "Hosts", "phaseline_tui.screens.hosts", "HostsScreen"),
)


def offered() -> tuple[View, ...]:
    """Return the views whose modules are installed."""
    return tuple(view for view in VIEWS if importlib.util.find_spec(view.module) is not None)


def view_called(name: str) -> View | None:
    """Return the view of that name or key, whatever its case; None if it is not offered."""
    wanted = name.casefold()
    return next((view for view in offered() if wanted in {view.name.casefold(), view.key}), None)
