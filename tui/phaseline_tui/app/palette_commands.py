"""The commands of Textual's command palette."""

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual.app import SystemCommand

from phaseline_tui.screens.views import offered

if TYPE_CHECKING:
    from phaseline_tui.app.app import ProgressApp

__all__ = ["commands"]


def commands(app: "ProgressApp") -> Iterable[SystemCommand]:
    """Yield the program's own commands.

    Textual sorts them by title. The title "Remove or cancel" keeps the destructive command from being the first.
    """
    yield SystemCommand("Filter the list", "Show only matching jobs", app.action_filter)
    yield SystemCommand("Copy", "Copy the ids of the selected jobs, or the view's selection", app.action_copy)
    yield SystemCommand("Picture", "Show the picture of the selected job", app.action_picture)
    yield SystemCommand(
        "Remove or cancel", "Cancel the selected picture jobs, or remove their pictures; asks first", app.action_cancel
    )
    yield SystemCommand(
        "Dismiss",
        "Remove the selected ended, stalled or lost jobs from the list; asks first",
        functools.partial(app.call_later, app.run_action, "screen.dismiss_jobs"),
    )
    yield SystemCommand("Reconnect now", "Don't wait for the next attempt", app.action_retry)
    yield SystemCommand("Dark or light", "Switch between the two themes of this program", app.action_toggle_theme)
    for view in offered():
        yield SystemCommand(f"View: {view.name}", f"Key {view.key}", functools.partial(app.show_view, view))
    yield SystemCommand("Pause or resume the screen", "Messages received meanwhile are kept", app.action_pause)
    yield SystemCommand("Help", "Show keys and symbols", app.action_help)
