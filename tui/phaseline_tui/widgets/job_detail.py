"""The pane with everything that is known of one job."""

import json
from collections.abc import Callable
from typing import ClassVar, Final

import msgspec
from textual.binding import BindingType

from phaseline_tui.drawing.cells import Line, pad_line, wrap
from phaseline_tui.drawing.detail import detail
from phaseline_tui.drawing.palette import Ground, Palette
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.jobs import JobView
from phaseline_tui.keys import bindings
from phaseline_tui.widgets.line_view import LineView

__all__ = ["JobDetail"]

_MOST_RAW: Final = 5000
_MOST_WRAPPED: Final = 50


class JobDetail(LineView, can_focus=True):
    """The details of one job, in words or as JSON; can be searched."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("scroll-up", "scroll-down", "top", "bottom", "search", "next-found", "previous-found", "raw"),
    ]

    def __init__(self, palette: Palette, scene: Callable[[str], Scene]) -> None:
        super().__init__(palette, id="detail")
        self._scene = scene
        self._job: JobView | None = None
        self._lines: list[Line] = []
        self._raw = False
        self._wanted = ""
        self._at = 0
        """Which of the lines that were found is the present one."""

    def show(self, job: JobView | None) -> None:
        """Show `job`, from the top if it is another than before; None shows nothing."""
        if job is None or self._job is None or job.key != self._job.key:
            self.scroll_to(y=0, animate=False)
        self._job = job
        self.compose_lines()
        self.update_lines()

    def compose_lines(self) -> None:
        """Write the lines anew, as of now."""
        width = self.size.width - 2
        if self._job is None or width < 1:
            self._lines = []
        elif self._raw:
            self._lines = _raw(self._job, width)
        else:
            self._lines = detail(self._job, width, self._scene(self._job.origin))

    def search(self, text: str) -> None:
        """Mark the lines with `text` in them, whatever its case, and go to the first."""
        self._wanted = text.strip().casefold()
        self._at = 0
        self.action_found(0)

    def _found(self) -> list[int]:
        if not self._wanted:
            return []
        return [at for at, line in enumerate(self._lines) if self._wanted in _text(line).casefold()]

    def found(self) -> Line:
        """Return how many lines the search has found; nothing if nothing is searched."""
        if not self._wanted:
            return ()
        count = len(self._found())
        words = f"{min(self._at + 1, count)} of {count} found " if count else f"no {self._wanted} "
        return ((words, "text" if count else "warn"),)

    def to_copy(self) -> str:
        """Return the line that was found, or the whole job as JSON."""
        found = self._found()
        if found:
            return _text(self._lines[found[self._at % len(found)]]).strip()
        return "" if self._job is None else _json(self._job)

    def action_found(self, step: int) -> None:
        """Go to the next line that the search found, or back to the one before."""
        found = self._found()
        if found:
            self._at = (self._at + step) % len(found)
            self.scroll_to(y=max(0, found[self._at] - self.size.height // 3), animate=False)
        self.update_lines()

    def action_raw(self) -> None:
        """Change between words and JSON."""
        self._raw = not self._raw
        self.scroll_to(y=0, animate=False)
        self.compose_lines()
        self.update_lines()

    async def action_search(self) -> None:
        """Let the screen open its line for searching."""
        await self.run_action("screen.search")

    def line_count(self) -> int:
        """Return how many lines there are to read."""
        return len(self._lines)

    def line_at(self, index: int) -> tuple[Line, Ground]:
        """Return a line."""
        line = self._lines[index]
        ground: Ground = self.ground
        if self._wanted and self._wanted in _text(line).casefold():
            found = self._found()
            ground = "cursor" if found[self._at % len(found)] == index else "cursor-blurred"
        return ((" ", ""), *line), ground

    def on_resize(self) -> None:
        """Lay the lines out anew."""
        self.compose_lines()
        super().on_resize()


def _text(line: Line) -> str:
    return "".join(text for text, _ in line)


def _json(job: JobView) -> str:
    """Return what is known of `job` as JSON; what is this program's own is left out."""
    known = {name: value for name, value in msgspec.to_builtins(job).items() if not name.startswith("_")}
    return json.dumps(known, indent=2, ensure_ascii=False, default=str)


def _raw(job: JobView, width: int) -> list[Line]:
    lines: list[Line] = []
    for text in _json(job).splitlines()[:_MOST_RAW]:
        indent = len(text) - len(text.lstrip())
        parts = wrap(text[indent:], max(8, width - indent), most=_MOST_WRAPPED)
        lines += [pad_line(((" " * indent, ""), (part, "text")), width) for part in parts]
    return lines
