"""An input line at the bottom of the screen."""

from textual import events
from textual.widget import Widget
from textual.widgets import Input

__all__ = ["EntryLine"]


class EntryLine(Input):
    """An input line that is visible only while it has the focus. Subclasses handle the text."""

    DEFAULT_CSS = """
    EntryLine, EntryLine:focus {
        height: 1; border: none; border-left: outer $primary; padding: 0 1;
        background: $panel; background-tint: transparent 0%;
    }
    """

    def __init__(self, name: str, placeholder: str, *, select_on_focus: bool = True) -> None:
        super().__init__(id=name, placeholder=placeholder, select_on_focus=select_on_focus)
        self.display = False
        self.cursor_blink = False  # send nothing to the terminal while nothing changes
        self._home: Widget | None = None

    def open(self, home: Widget) -> None:
        """Show the line and focus it at once, because the next key may have been pressed already.

        Args:
            home: Widget to focus afterwards.
        """
        self._home = home
        self.display = True
        self.screen.set_focus(self)

    def on_key(self, event: events.Key) -> None:
        """Leave the line on Enter, Tab or Down; on Esc, clear it first.

        Bindings would run too late: on a slow line, many keys arrive in one packet, and Textual would deliver the keys
        after this one to the line first. Keys that arrive here after the line was left are passed on.
        """
        left = self.screen.focused is not self
        if not left and event.key not in {"enter", "tab", "down", "escape"}:
            return
        event.stop()
        event.prevent_default()
        if left:
            self.app.post_message(events.Key(event.key, event.character))
            return
        if event.key == "escape":
            self.value = ""
        self.display = False
        self.screen.set_focus(self._home)
