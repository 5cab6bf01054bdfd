"""The commands of the palette."""

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from textual.app import SystemCommand

from phaseline_tui.screens.views import offered

if TYPE_CHECKING:
    from phaseline_tui.app.app import ProgressApp

__all__ = ["commands"]


def commands(app: "ProgressApp") -> Iterable[SystemCommand]:
    """Yield our own; what destroys is not the first."""
    yield SystemCommand("Filter the list", "Show only the jobs that match", app.action_filter)
    yield SystemCommand("Copy", "The ids of the chosen jobs, or what the view offers", app.action_copy)
    yield SystemCommand("Picture", "The picture that the chosen job made", app.action_picture)
    yield SystemCommand(
        "Remove or cancel", "The chosen pictures, or their jobs at work, after asking", app.action_cancel
    )
    yield SystemCommand("Reconnect now", "Don't wait for the next try", app.action_retry)
    yield SystemCommand("Dark or light", "Change between the two themes of this program", app.action_toggle_theme)
    for view in offered():
        yield SystemCommand(f"View: {view.name}", f"Key {view.key}", functools.partial(app.show_view, view))
    yield SystemCommand("Hold or release the screen", "What comes meanwhile is kept", app.action_pause)
    yield SystemCommand("Help", "The keys, and what the signs mean", app.action_help)
