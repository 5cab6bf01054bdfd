"""The picture that a job made, in the terminal: by its graphics if it has any, by half blocks otherwise."""

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
from phaseline_tui.model.failures import Ended
from phaseline_tui.model.jobs import JobKey
from phaseline_tui.terminal.graphics import Graphics, Kind, ask
from phaseline_tui.terminal.textual_internals import load_textual_image
from phaseline_tui.widgets.fixed_lines import FixedLines

if TYPE_CHECKING:
    from phaseline_tui.app.app import ProgressApp

__all__ = ["PictureScreen"]

_OK: Final = 200
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_MOST_PIXELS: Final = 64_000_000
_OFF: Final = frozenset({"off", "no", "0"})


class PictureScreen(Screen[None]):
    """One picture, fetched over the connection that told of its job. `PROGRESS_PICTURES=off` shows none.

    `PROGRESS_PICTURES=kitty`, `sixel` or `blocks` says what the terminal can, where it does not tell by itself.
    """

    DEFAULT_CSS = """
    PictureScreen { layout: vertical; background: $background; }
    PictureScreen #canvas { height: 1fr; align: center middle; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,i,q", "app.pop_screen", show=False)]
    _terminal: ClassVar[Graphics | None] = None
    """What the terminal can; None before it was asked."""

    def __init__(self, palette: Palette, key: JobKey, name: str, path: str) -> None:
        """Prepare to show the picture at `path` of the server that `key` came from; `name` is its title."""
        super().__init__()
        self._key = key
        self._called = name
        self._path = path
        self._head = FixedLines(palette, id="header", ground="chrome")
        self._canvas = Container(id="canvas")
        self._keys = FixedLines(palette, id="keys", ground="chrome")
        self._words = "fetching the picture …"

    def compose(self) -> ComposeResult:
        """Put the parts together."""
        yield self._head
        yield self._canvas
        yield self._keys

    def on_mount(self) -> None:
        """Fetch the picture."""
        self._tell()
        if os.environ.get("PROGRESS_PICTURES", "").lower() in _OFF:
            self._words = "pictures are off (PROGRESS_PICTURES)"
            self._tell()
        else:
            self.run_worker(self._fetch(), exclusive=True)

    def on_resize(self) -> None:
        """Write the lines anew."""
        self._tell()

    def _tell(self) -> None:
        width = self.size.width
        title: Line = ((" ", ""), (self._called, "title"), (f"  {self._key.origin}", "muted"))
        self._head.show([join(title, ((f"{self._words} ", "muted"),), width)])
        self._keys.show([pad_line(((" esc", "key"), (" back", "muted")), width)])

    async def _fetch(self) -> None:
        app = cast("ProgressApp", self.app)
        try:
            reply = await asyncio.wrap_future(app.request(self._key.origin, "GET", self._path))
        except Ended as ended:
            self._words = ended.reason
        else:
            if reply.status != _OK or not reply.body.startswith(_SIGNATURE):
                self._words = f"the server has no picture of it (HTTP {reply.status})"
            else:
                width, height = (int.from_bytes(reply.body[at : at + 4]) for at in (16, 20))
                if width * height > _MOST_PIXELS:
                    self._words = f"the picture is too large to show: {width} x {height}"
                else:
                    await self._canvas.mount(self._picture(reply.body))
                    self._words = f"{width} x {height}, {len(reply.body) / 1000:.0f} kB"
        self._tell()

    def _picture(self, content: bytes) -> Widget:
        """Return a widget that shows a PNG by what the terminal can."""
        graphics = self._graphics()
        from textual_image.widget import HalfcellImage, SixelImage, TGPImage  # noqa: PLC0415  loaded by now

        kinds: dict[Kind, Any] = {"kitty": TGPImage, "sixel": SixelImage, "blocks": HalfcellImage}
        widget = cast("Widget", kinds[graphics.kind](io.BytesIO(content), id="picture"))
        widget.styles.width = "auto"
        widget.styles.height = "100%"
        # What ends in the last line makes some terminals scroll; and six lines of pixels, of which sixels are made,
        # seldom end where a cell does.
        self._canvas.styles.padding = (0, 0, 1 if graphics.kind == "sixel" else 0, 0)
        return widget

    def _graphics(self) -> Graphics:
        """Return what the terminal can show, or what the user says that it can."""
        if PictureScreen._terminal is None and not self.app.is_headless:
            # Nobody else may read the terminal's answers meanwhile.
            with suppress(SuspendNotSupported, OSError, termios.error), self.app.suspend():
                PictureScreen._terminal = ask()
        found = PictureScreen._terminal or Graphics("blocks", (10, 20))
        load_textual_image(found.cell)
        said = os.environ.get("PROGRESS_PICTURES", "").lower()
        kinds: tuple[Kind, ...] = get_args(Kind)
        return found._replace(kind=next((kind for kind in kinds if kind == said), found.kind))
