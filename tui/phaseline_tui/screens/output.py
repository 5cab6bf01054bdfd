"""The output of one job: its last lines, live, with search."""

import asyncio
from collections.abc import Iterable
from typing import ClassVar, Final
from urllib.parse import quote

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.worker import Worker

from phaseline_tui.drawing.cells import Line, wrap
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.model.failures import LinkError
from phaseline_tui.model.jobs import JobKey
from phaseline_tui.model.output import OutputText
from phaseline_tui.screens.framed import FramedScreen
from phaseline_tui.user.keys import bindings
from phaseline_tui.widgets.messages import SearchChanged
from phaseline_tui.widgets.row_list import RowList
from phaseline_tui.widgets.search_line import SearchLine

__all__ = ["OutputScreen"]

_OK: Final = 200
_MISSING: Final = 404
_PACE_S: Final = 1.0
"""Time between two requests; `phaseline run` sends output once a second at most."""
_MOST_ROWS: Final = 50
"""Rows of one line."""
_NONE: Final = "no output kept; phaseline run sends it, without --no-output"


class OutputScreen(FramedScreen):
    """The lines of a job's output. It follows the end until the cursor leaves the last line."""

    view = "Output"
    DEFAULT_CSS = ""
    AUTO_FOCUS = "#rows"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,l", "back", show=False),
        Binding("f", "follow", show=False),
        *bindings("search", "next-found", "previous-found"),
    ]
    KEYS = (("↑↓", "move"), ("f", "follow"), ("/", "search"), ("n N", "next, previous match"), ("y", "copy"))

    def __init__(self, palette: Palette, key: JobKey) -> None:
        """Show the output of a job."""
        super().__init__(palette)
        self._key = key
        self._output = OutputText()
        self._problem = "loading …"
        self._wanted = ""
        self._found: list[int] = []
        self._wrapped: list[tuple[int, str]] = []
        """The rows on the screen: the number of their line, and their part of it."""
        self._rows = RowList(palette, lambda: len(self._wrapped), self._row, follows_end=True)
        self._search = SearchLine()
        self._worker: Worker[None] | None = None
        self._next_read = 0.0

    def parts(self) -> Iterable[Widget]:
        """Return the lines and the search line."""
        return (self._rows, self._search)

    def heading(self, width: int) -> list[Line]:
        """Return the name of the job, and what is wrong."""
        del width
        job = self.owner.state.jobs.get(self._key)
        name: Line = ((" output of ", "muted"), (job.name if job is not None else self._key.job_id, "strong"))
        if self._problem and self._output.lines:
            name = (*name, (f"   ! {self._problem}", "warn"))
        return [name]

    def show(self) -> None:
        """Show the lines received so far."""
        width = max(10, self.size.width - 3)
        self._wrapped = [
            (number, part)
            for number, line in enumerate(self._output.lines)
            for part in ([line] if len(line) <= width and line.isascii() else wrap(line, width, most=_MOST_ROWS))
        ]
        self._rows.notice = (((self._problem.center(self.size.width), "muted"),),)
        self._rows.update_rows()

    def aside(self) -> Line:
        """Return the search, and whether the view follows the end."""
        spans: list[tuple[str, str]] = []
        if self._wanted:
            spans = [("/", "key"), (f"{self._wanted} ", "strong"), (f"{len(self._found)} found ", "muted")]
        return (*spans, (f" {'following' if self._rows.at_end else f'line {self._line() + 1}'} ", "muted"))

    def tick(self) -> None:
        """Redraw, and ask for what is new."""
        super().tick()
        idle = self._worker is None or self._worker.is_finished
        now = self.owner.data.scene().now
        if self.is_mounted and idle and self.owner.data.paused is None and now >= self._next_read:
            self._next_read = now + _PACE_S
            self._worker = self.run_worker(self._read(), group="output")

    async def _read(self) -> None:
        path = f"/progress/job/{quote(self._key.job_id, safe='')}/output?format=json&after={self._output.end}"
        before = self._problem
        try:
            reply = await asyncio.wrap_future(self.owner.request(self._key.origin, "GET", path))
            if reply.status == _OK:
                changed = self._output.add(reply.body)
                self._problem = "" if self._output.lines else _NONE
            else:
                missing = reply.status == _MISSING
                self._problem = _NONE if missing else reply.problem or f"HTTP {reply.status}"
                changed = False
        except LinkError as error:
            self._problem, changed = error.reason, False
        except ValueError:
            self._problem, changed = f"{self._key.origin} sent an answer that progress-tui can't read", False
        if changed:
            self._found = self._output.found(self._wanted)
        if changed or self._problem != before:
            super().tick()

    def to_copy(self) -> str:
        """Return the selected line."""
        return self._output.lines[self._line()] if self._wrapped else ""

    def chosen_jobs(self) -> list[JobKey]:
        """Return the job of this view."""
        return [self._key]

    def action_back(self) -> None:
        """Return to the view below; clear the search first."""
        if self._wanted:
            self._search.value = ""
        else:
            self.app.pop_screen()

    def action_follow(self) -> None:
        """Go to the last line and follow new ones."""
        self._rows.at_end = True
        super().tick()

    def action_search(self) -> None:
        """Open the search line."""
        self._search.open(self._rows)

    def action_match(self, step: int) -> None:
        """Go to the next matching line (step 1) or the previous one (step -1)."""
        if not self._found:
            return
        at = self._line()
        ahead = [number for number in self._found if (number > at if step > 0 else number < at)]
        self._go((ahead or self._found)[0 if step > 0 else -1])

    def on_search_changed(self, message: SearchChanged) -> None:
        """Search for the new text; go to its last line."""
        self._wanted = message.text
        self._found = self._output.found(message.text)
        if self._found:
            self._go(self._found[-1])
        super().tick()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable this view's keys while the search line has the focus."""
        if action in {"search", "follow", "match"} and self._search.has_focus:
            return False
        return super().check_action(action, parameters)

    def _line(self) -> int:
        """Return the number of the line at the cursor."""
        return self._wrapped[self._rows.cursor][0] if self._rows.cursor < len(self._wrapped) else 0

    def _go(self, line: int) -> None:
        self._rows.choose(next((at for at, (number, _) in enumerate(self._wrapped) if number == line), 0))

    def _row(self, index: int, width: int) -> Line:
        del width
        number, text = self._wrapped[index]
        return ((text, "strong" if number in self._found else "text"),)
