"""The picture screen: shows a job's picture by the terminal's graphics, or by half blocks."""

import asyncio
import io
import os
import termios
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast, get_args

from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widget import Widget

from phaseline_tui.drawing.cells import Line, join, pad_line
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.model.failures import LinkError
from phaseline_tui.model.jobs import JobKey
from phaseline_tui.terminal.graphics import Graphics, Kind, detect_graphics
from phaseline_tui.terminal.textual_internals import load_textual_image
from phaseline_tui.widgets.fixed_lines import FixedLines

if TYPE_CHECKING:
    from phaseline_tui.app.app import ProgressApp

__all__ = ["PictureScreen"]

_OK: Final = 200
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_MAX_PIXELS: Final = 64_000_000
_OFF: Final = frozenset({"off", "no", "0"})


class PictureScreen(Screen[None]):
    """One picture, fetched over the connection of its job.

    `PROGRESS_PICTURES` overrides the detected graphics protocol: `kitty`, `sixel` or `blocks`; `off` shows no pictures.
    """

    DEFAULT_CSS = """
    PictureScreen { layout: vertical; background: $background; }
    PictureScreen #canvas { height: 1fr; align: center middle; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,i,q", "app.pop_screen", show=False)]
    _terminal: ClassVar[Graphics | None] = None
    """The terminal's graphics; None before they are detected."""

    def __init__(self, palette: Palette, key: JobKey, name: str, path: str) -> None:
        """Prepare to show the picture at `path` on the server of job `key`, with the title `name`."""
        super().__init__()
        self._key = key
        self._title_text = name
        self._path = path
        self._head = FixedLines(palette, id="header", ground="chrome")
        self._canvas = Container(id="canvas")
        self._keys = FixedLines(palette, id="keys", ground="chrome")
        self._status_text = "loading the picture …"

    def compose(self) -> ComposeResult:
        """Yield the widgets (called by Textual)."""
        yield self._head
        yield self._canvas
        yield self._keys

    def on_mount(self) -> None:
        """Fetch the picture, unless pictures are off."""
        self._update_lines()
        if os.environ.get("PROGRESS_PICTURES", "").lower() in _OFF:
            self._status_text = "pictures are off (PROGRESS_PICTURES)"
            self._update_lines()
        else:
            self.run_worker(self._fetch(), exclusive=True)

    def on_resize(self) -> None:
        """Redraw the lines in the new size."""
        self._update_lines()

    def _update_lines(self) -> None:
        width = self.size.width
        title: Line = ((" ", ""), (self._title_text, "title"), (f"  {self._key.origin}", "muted"))
        self._head.show([join(title, ((f"{self._status_text} ", "muted"),), width)])
        self._keys.show([pad_line(((" esc", "key"), (" back", "muted")), width)])

    async def _fetch(self) -> None:
        app = cast("ProgressApp", self.app)
        try:
            reply = await asyncio.wrap_future(app.request(self._key.origin, "GET", self._path))
        except LinkError as error:
            self._status_text = error.reason
        else:
            if reply.status != _OK or not reply.body.startswith(_SIGNATURE):
                self._status_text = f"the server has no picture of this job (HTTP {reply.status})"
            else:
                width, height = (int.from_bytes(reply.body[at : at + 4]) for at in (16, 20))
                if width * height > _MAX_PIXELS:
                    self._status_text = f"the picture is too large: {width} x {height}"
                else:
                    await self._canvas.mount(self._picture(reply.body))
                    self._status_text = f"{width} x {height}, {len(reply.body) / 1000:.0f} kB"
        self._update_lines()

    def _picture(self, content: bytes) -> Widget:
        """Return a widget that shows a PNG by the terminal's graphics."""
        graphics = self._graphics()
        from textual_image.widget import HalfcellImage, SixelImage, TGPImage  # noqa: PLC0415 (`_graphics` has loaded it)

        kinds: dict[Kind, Any] = {"kitty": TGPImage, "sixel": SixelImage, "blocks": HalfcellImage}
        widget = cast("Widget", kinds[graphics.kind](io.BytesIO(content), id="picture"))
        widget.styles.width = "auto"
        widget.styles.height = "100%"
        # Some terminals scroll if a picture ends in the last line. A sixel is six pixels high, so a picture seldom ends
        # at the end of a cell.
        self._canvas.styles.padding = (0, 0, 1 if graphics.kind == "sixel" else 0, 0)
        return widget

    def _graphics(self) -> Graphics:
        """Return the terminal's graphics, as detected or as set in PROGRESS_PICTURES."""
        if PictureScreen._terminal is None and not self.app.is_headless:
            # Textual must not read the terminal's answers.
            with suppress(SuspendNotSupported, OSError, termios.error), self.app.suspend():
                PictureScreen._terminal = detect_graphics()
        found = PictureScreen._terminal or Graphics("blocks", (10, 20))
        load_textual_image(found.cell)
        wanted = os.environ.get("PROGRESS_PICTURES", "").lower()
        kinds: tuple[Kind, ...] = get_args(Kind)
        return found._replace(kind=next((kind for kind in kinds if kind == wanted), found.kind))
