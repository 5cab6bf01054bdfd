"""The base of all views but the jobs view: a header, connection problems, and a line of keys."""

from collections.abc import Iterable
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget

from phaseline_tui.drawing import chrome
from phaseline_tui.drawing.cells import Line, Span, join, width_of
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.screens.views import VIEWS, ViewScreen
from phaseline_tui.widgets.fixed_lines import FixedLines
from phaseline_tui.widgets.messages import RowChosen

__all__ = ["FramedScreen"]


class FramedScreen(ViewScreen):
    """A view between a header and a line of keys. Subclasses provide its content."""

    DEFAULT_CSS = """
    FramedScreen { layout: vertical; background: $background; }
    FramedScreen #rows { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "back", show=False)]
    KEYS: ClassVar[tuple[tuple[str, str], ...]] = ()
    """The view's own keys with their descriptions, most useful first."""
    SHOWS_TROUBLE: ClassVar[bool] = True
    """Whether to show connection problems below the header."""

    def __init__(self, palette: Palette) -> None:
        super().__init__(palette)
        self._head = FixedLines(palette, id="header", ground="chrome")
        self._trouble = FixedLines(palette, id="trouble")
        self._heading = FixedLines(palette, id="heading")
        self._keys = FixedLines(palette, id="keys", ground="chrome")

    def compose(self) -> ComposeResult:
        """Yield the widgets (called by Textual)."""
        yield self._head
        yield self._trouble
        yield self._heading
        yield from self.parts()
        yield self._keys

    def parts(self) -> Iterable[Widget]:
        """Return the widgets between the heading and the keys."""
        raise NotImplementedError

    def show(self) -> None:
        """Show the view's current content."""
        raise NotImplementedError

    def heading(self, width: int) -> list[Line]:
        """Return the lines above the content."""
        raise NotImplementedError

    def own_keys(self) -> tuple[tuple[str, str], ...]:
        """Return the view's own keys as they are now."""
        return self.KEYS

    def aside(self) -> Line:
        """Return the right end of the last line, beside the keys."""
        return ()

    def on_mount(self) -> None:
        """Show the data received so far."""
        self.tick()

    def on_resize(self, _event: events.Resize) -> None:
        """Redraw in the new size."""
        self.call_after_refresh(self.tick)

    def tick(self) -> None:
        """Redraw everything for the current time."""
        app = self.owner
        width = self.size.width
        if not width:
            return
        data = app.data
        live = data.live_scene()
        self._head.show(
            [
                chrome.header(
                    data.servers_summary,
                    data.status,
                    app.state.counts,
                    width,
                    live,
                    totals=data.totals,
                    short=data.servers_name,
                    paused=data.paused,
                    box=app.box(),
                    boxes=len(data.boxes),
                )
            ]
        )
        self._trouble.show(chrome.trouble(data.status, width, live) if self.SHOWS_TROUBLE else [])
        self._heading.show(self.heading(width))
        self.show()
        self.show_keys()

    def show_keys(self) -> None:
        """Redraw the last line."""
        self._keys.show([self._key_line(self.size.width)])

    def _key_line(self, width: int) -> Line:
        right = self.aside()
        spans: list[Span] = [(" ", "")]
        room = width - 1 - width_of(right)
        others = tuple((view.key, view.name) for view in VIEWS if view.name != self.view)
        for key, what in (*self.own_keys(), ("esc", "back"), ("?", "help"), ("q", "quit"), *others):
            hint: Line = ((key, "key"), (f" {what}   ", "muted"))
            room -= width_of(hint)
            if room >= 0:
                spans += hint
        return join(tuple(spans), right, width)

    def on_row_chosen(self, _message: RowChosen) -> None:
        """Show the details of the selected row."""
        self.tick()

    def action_back(self) -> None:
        """Return to the jobs view."""
        self.owner.show_view(VIEWS[0])
