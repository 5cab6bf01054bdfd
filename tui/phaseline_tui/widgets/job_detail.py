"""The pane with all details of one job."""

import json
from collections.abc import Callable
from typing import ClassVar, Final

import msgspec
from textual import events
from textual.binding import Binding, BindingType

from phaseline_tui.drawing.cells import Line, pad_line, wrap
from phaseline_tui.drawing.detail import detail
from phaseline_tui.drawing.palette import Ground, Palette
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.drawing.tree import Folds, Row, text_of
from phaseline_tui.model.jobs import JobView
from phaseline_tui.user.keys import bindings
from phaseline_tui.widgets.line_view import LineView
from phaseline_tui.widgets.messages import RowChosen

__all__ = ["JobDetail"]

_MAX_RAW: Final = 5000
_MAX_WRAPPED: Final = 50


class JobDetail(LineView, can_focus=True):
    """The details of one job, as text or JSON. Has a cursor, folding, search and copy."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("line-up", "line-down", "top", "bottom", "fold", "fold-all"),
        *bindings("search", "next-found", "previous-found", "raw"),
        *(
            Binding(keys, action, show=False)
            for keys, action in (
                ("pageup,ctrl+b", "page(-1.0)"),
                ("pagedown,ctrl+f", "page(1.0)"),
                ("ctrl+u", "page(-0.5)"),
                ("ctrl+d", "page(0.5)"),
            )
        ),
    ]

    def __init__(self, palette: Palette, scene: Callable[[str], Scene]) -> None:
        super().__init__(palette, id="detail")
        self._scene = scene
        self._job: JobView | None = None
        self._rows: list[Row] = []
        self._folds = Folds()
        self._at = 0
        """The row of the cursor."""
        self._raw = False
        self._wanted = ""
        """The case-folded text to search for."""

    def show(self, job: JobView | None) -> None:
        """Show `job`; scroll to the top if it differs from the previous one. None shows nothing."""
        if job is None or self._job is None or job.key != self._job.key:
            self._at = 0
            self.scroll_to(y=0, animate=False)
        self._job = job
        self.compose_rows()
        self.update_lines()

    def compose_rows(self) -> None:
        """Create the rows for the current time; the cursor stays on its row."""
        here = _place(self._rows, self._at)
        self._rows = self._all_rows(self._folds)
        if here is not None and _place(self._rows, self._at) != here:
            places = (at for at in range(len(self._rows)) if _place(self._rows, at) == here)
            self._at = next(places, self._at)
        self._at = max(0, min(self._at, len(self._rows) - 1))

    def _all_rows(self, folds: Folds) -> list[Row]:
        width = self.size.width - 2
        if self._job is None or width < 1:
            return []
        return _raw(self._job, width) if self._raw else detail(self._job, width, self._scene(self._job.origin), folds)

    def search(self, text: str) -> None:
        """Highlight the rows that contain `text`, ignoring case, and go to the first."""
        self._wanted = text.strip().casefold()
        self.action_match(0)

    def _matches(self, rows: list[Row]) -> list[int]:
        return [at for at, row in enumerate(rows) if self._wanted and self._wanted in text_of(row.line).casefold()]

    def matches(self) -> Line:
        """Return the number of matching rows, including folded ones; empty without a search."""
        if not self._wanted:
            return ()
        rows = self._all_rows(Folds(everything=False))
        matches = self._matches(rows)
        if not matches:
            return ((f"no {self._wanted} ", "warn"),)
        here = _place(self._rows, self._at)
        at = next((number for number, each in enumerate(matches, 1) if _place(rows, each) == here), 0)
        return ((f"{at} of {len(matches)} found " if at else f"{len(matches)} found ", "text"),)

    def to_copy(self) -> str:
        """Return the selected value, the section under the selected heading, or the whole job as JSON."""
        if self._job is None:
            return ""
        row = self._rows[self._at] if self._rows else Row(())
        if self._raw or self._at == 0:
            return _json(self._job)
        if row.value is None:
            return text_of(row.line).strip()
        return row.value if isinstance(row.value, str) else json.dumps(row.value, indent=2, ensure_ascii=False)

    def _put_cursor(self, at: int) -> None:
        """Move the cursor to a row, or to the nearest one."""
        self._at = max(0, min(at, len(self._rows) - 1))
        top, height = self.scroll_offset.y, self.size.height
        if self._at < top:
            self.scroll_to(y=self._at, animate=False)
        elif height and self._at >= top + height:
            self.scroll_to(y=self._at - height + 1, animate=False)
        self.update_lines()

    def action_move(self, rows: int) -> None:
        """Move the cursor, skipping empty lines."""
        at = self._at + rows
        while 0 < at < len(self._rows) - 1 and not text_of(self._rows[at].line).strip():
            at += 1 if rows > 0 else -1
        self._put_cursor(at)

    def action_page(self, pages: float) -> None:
        """Move the cursor by `pages` times the visible height."""
        rows = max(1, int(abs(pages) * (self.size.height - 1)))
        self._put_cursor(self._at + (rows if pages > 0 else -rows))

    def action_top(self) -> None:
        """Move the cursor to the first row."""
        self._put_cursor(0)

    def action_bottom(self) -> None:
        """Move the cursor to the last row."""
        self._put_cursor(len(self._rows) - 1)

    def action_fold(self) -> None:
        """Fold or unfold the selected item, or the one that contains it."""
        for at in range(self._at, -1, -1):
            row = self._rows[at]
            if row.folded is not None and self._rows[self._at].path[: len(row.path)] == row.path:
                self._folds.fold(row.path, folded=not row.folded)
                self._at = at
                self.compose_rows()
                self._put_cursor(self._at)
                return

    def action_fold_all(self) -> None:
        """Fold everything; if everything is folded, unfold it."""
        self._folds.fold_all(folded=any(row.folded is False for row in self._rows))
        self.compose_rows()
        self._put_cursor(self._at)

    def action_match(self, step: int) -> None:
        """Go to the next (step 1) or previous (step -1) matching row, and unfold what contains it."""
        rows = self._all_rows(Folds(everything=False))
        matches = self._matches(rows)
        if matches:
            here = _place(self._rows, self._at)
            at = next((number for number, each in enumerate(matches) if _place(rows, each) == here), None)
            wanted = matches[0 if at is None else (at + step) % len(matches)]
            place = _place(rows, wanted)
            self._folds.show(rows[wanted].path)
            self._rows = self._all_rows(self._folds)
            self._at = next((at for at in range(len(self._rows)) if _place(self._rows, at) == place), self._at)
            self.scroll_to(y=max(0, self._at - self.size.height // 3), animate=False)
            self.post_message(RowChosen(self._at))
        self.update_lines()

    def action_raw(self) -> None:
        """Switch between text and JSON."""
        self._raw = not self._raw
        self._at = 0
        self.scroll_to(y=0, animate=False)
        self.compose_rows()
        self.update_lines()

    async def action_search(self) -> None:
        """Open the search line of the screen."""
        await self.run_action("screen.search")

    def line_count(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def line_at(self, index: int) -> tuple[Line, Ground]:
        """Return a row."""
        line = self._rows[index].line
        if self.has_focus and index == self._at:
            return (("▌", "now"), *line, (" ", "")), "cursor"
        matches = self._wanted and self._wanted in text_of(line).casefold()
        return ((" ", ""), *line), "cursor-blurred" if matches else self.ground

    async def on_click(self, event: events.Click) -> None:
        """Move the cursor to the clicked row; fold or unfold it if it has a mark."""
        place = event.get_content_offset(self)  # excludes the border, which may be above
        at = -1 if place is None else self.scroll_offset.y + place.y
        if 0 <= at < len(self._rows):
            self._put_cursor(at)
            if self._rows[at].folded is not None:
                self.action_fold()

    def on_focus(self) -> None:
        """Highlight the cursor."""
        self.update_lines()

    def on_blur(self) -> None:
        """Dim the cursor."""
        self.update_lines()

    def on_resize(self) -> None:
        """Create the rows for the new size."""
        self.compose_rows()
        super().on_resize()


def _place(rows: list[Row], at: int) -> tuple[object, int] | None:
    """Return an identity of a row that survives folding and new rows: its path, and its number in that path."""
    if at >= len(rows):
        return None
    path = rows[at].path
    first = at
    while first and rows[first - 1].path == path:
        first -= 1
    return (path, at - first)


def _json(job: JobView) -> str:
    """Return `job` as JSON, without private fields."""
    known = {name: value for name, value in msgspec.to_builtins(job).items() if not name.startswith("_")}
    return json.dumps(known, indent=2, ensure_ascii=False, default=str)


def _raw(job: JobView, width: int) -> list[Row]:
    rows: list[Row] = []
    for number, text in enumerate(_json(job).splitlines()[:_MAX_RAW]):
        indent = len(text) - len(text.lstrip())
        parts = wrap(text[indent:], max(8, width - indent), most=_MAX_WRAPPED)
        rows += [Row(pad_line(((" " * indent, ""), (part, "text")), width), (f"{number}",)) for part in parts]
    return rows
