"""A line at the bottom in which one types, until one leaves it."""

from textual import events
from textual.widget import Widget
from textual.widgets import Input

__all__ = ["EntryLine"]


class EntryLine(Input):
    """Shown while one types; whoever makes it says what becomes of the text."""

    DEFAULT_CSS = """
    EntryLine, EntryLine:focus {
        height: 1; border: none; border-left: outer $primary; padding: 0 1;
        background: $panel; background-tint: transparent 0%;
    }
    """

    def __init__(self, name: str, placeholder: str, *, select_on_focus: bool = True) -> None:
        super().__init__(id=name, placeholder=placeholder, select_on_focus=select_on_focus)
        self.display = False
        self.cursor_blink = False  # Nothing shall be sent over the line while nothing happens.
        self._home: Widget | None = None

    def open(self, home: Widget) -> None:
        """Show the line and take the keys, at once: the next one may have been typed already.

        Args:
            home: What the keys go to afterwards.
        """
        self._home = home
        self.display = True
        self.screen.set_focus(self)

    def on_key(self, event: events.Key) -> None:
        """Leave with Enter, Tab or the down key, and the text stays; leave and drop it with Esc.

        Here and not in bindings, which act only when the keys behind this one are in the line already: over a slow
        line many come in one packet. Those that were sent here before the line was left are passed on.
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
