"""The list of jobs."""

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from textual import events
from textual.binding import BindingType

from phaseline_tui.drawing.cells import Line, pad_line
from phaseline_tui.drawing.columns import Columns
from phaseline_tui.drawing.layout import Room, columns_for
from phaseline_tui.drawing.palette import Ground, Palette
from phaseline_tui.drawing.rows import row
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.model.jobs import JobKey, JobView
from phaseline_tui.model.state import ViewState
from phaseline_tui.model.twins import mark_twins
from phaseline_tui.model.words import count_of
from phaseline_tui.user.keys import bindings
from phaseline_tui.widgets.line_view import LineView
from phaseline_tui.widgets.messages import JobChosen

__all__ = ["JobList"]


class JobList(LineView, can_focus=True):
    """One line per job. The cursor stays on its job when the list is sorted again."""

    # Priority bindings, so that keys act in their order. On a slow line, many arrive in one packet, and the keys after
    # Enter or `/` belong to the widget that these open.
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("up", "down", "first", "last", "page-up", "page-down", "half-up", "half-down"),
        *bindings("open", "mark", "follow", "sort", "reverse"),
    ]

    def __init__(self, palette: Palette, state: ViewState, scene: Callable[[str], Scene]) -> None:
        super().__init__(palette, id="jobs")
        self._state = state
        self._scene = scene
        self._moments: dict[str, Scene] = {}
        self._columns: Columns | None = None
        self._room = Room()
        self._named: list[JobKey] | None = None
        """The visible jobs when duplicate names were last distinguished."""
        self._chosen: JobKey | None = None
        self._at = 0
        self._cursor_unset = True
        """Whether the user has not moved the cursor yet, so that it stays at the top."""
        self._on_fold = False
        """Whether the cursor is on the line of folded jobs, below the last job."""
        self._notice: Sequence[Line] = ()
        self.several_hosts = False
        """Whether jobs run on more than one host."""
        self.follows_newest = False
        """Whether the cursor follows the job that started last."""

    @property
    def columns(self) -> Columns:
        """The columns that fit the width."""
        if self._columns is None:
            needs = self._room.measure(self._rows_on_screen, self._place(), self._moment("").now)
            self._columns = columns_for(max(1, self.size.width - 2), needs, several_hosts=self.several_hosts)
        return self._columns

    def _place(self) -> tuple[object, ...]:
        """Return what changes when the screen shows other rows."""
        return (self._state.visible, self.scroll_offset.y, self.size.height)

    def _rows_on_screen(self) -> Iterator[tuple[JobView, Scene]]:
        top = self.scroll_offset.y
        for key in self._state.visible[top : top + self.size.height]:
            yield self._state.jobs[key], self._moment(key.origin)

    def forget_widths(self) -> None:
        """Choose the widths of the columns again, because the list shows other jobs now."""
        self._room.forget()

    @property
    def on_fold(self) -> bool:
        """Whether the cursor is on the line of folded jobs."""
        return self._on_fold and bool(self._state.folded)

    @property
    def chosen(self) -> JobKey | None:
        """The job under the cursor; None if there is no job."""
        return self._chosen

    def show_notice(self, lines: Sequence[Line]) -> None:
        """Set the lines to show in the middle of an empty list."""
        self._notice = lines

    def update_lines(self) -> None:
        """Repaint changed lines, all for the same moment."""
        self._clear_cache()
        self._mark_twins()
        super().update_lines()

    def show_jobs(self, keys: set[JobKey]) -> None:
        """Repaint changed cells in the lines of these jobs."""
        self._moments.clear()
        visible = self._state.visible
        top = self.scroll_offset.y
        below = top + self.size.height
        self.update_some(sorted(visible.index(key, top, below) for key in keys.intersection(visible[top:below])))

    def on_resize(self) -> None:
        """Lay out the lines for the new size."""
        self.forget_widths()
        self._clear_cache()
        super().on_resize()

    def _clear_cache(self) -> None:
        """Clear the cached moments and columns of the last repaint."""
        self._moments.clear()
        self._columns = None

    def _mark_twins(self) -> None:
        """Append a distinguishing fact to each name that several jobs share."""
        visible = self._state.visible
        if visible is not self._named:
            mark_twins([self._state.jobs[key] for key in visible])
            self._named = visible

    def _moment(self, origin: str) -> Scene:
        moment = self._moments.get(origin)
        if moment is None:
            moment = self._moments[origin] = self._scene(origin)
        return moment

    def line_count(self) -> int:
        """Return the number of lines: jobs and the line of folded ones, or the height if the list is empty."""
        return (len(self._state.visible) + bool(self._state.folded)) or self.size.height

    def line_at(self, index: int) -> tuple[Line, Ground]:
        """Return the line at `index` and its background."""
        visible = self._state.visible
        here = index == self._at
        ground: Ground = self.ground if not here else "cursor" if self.has_focus else "cursor-blurred"
        gutter = ("▌", "now") if here else (" ", "")
        if index < len(visible):
            key = visible[index]
            gutter = ("◆", "key") if key in self._state.marked else gutter
            return (gutter, *row(self._state.jobs[key], self.columns, self._moment(key.origin)), (" ", "")), ground
        if self._state.folded:
            words = f"{count_of(self._state.folded, 'older job')} folded: press enter to list"
            return (gutter, *pad_line((("▸ ", "muted"), (words, "muted")), self.size.width - 1)), ground
        return self._notice_line(index), self.ground

    def _notice_line(self, index: int) -> Line:
        top = max(0, (self.size.height - len(self._notice)) // 2 - 1)
        if not top <= index < top + len(self._notice):
            return pad_line((), self.size.width)
        return pad_line(self._notice[index - top], self.size.width)

    def follow(self) -> None:
        """Put the cursor back on its job after the list was sorted or filtered, and repaint."""
        visible = self._state.visible
        was_in_view = self._in_view()
        if self.on_fold or not visible:
            self._at = len(visible)
            self._choose(None)
        elif self.follows_newest:
            self._choose(max(visible, key=self._started_at))
            self._at = visible.index(self._chosen) if self._chosen else 0
        elif self._cursor_unset or self._chosen is None:
            self._at = 0
            self._choose(visible[0])
        else:
            try:
                self._at = visible.index(self._chosen)
            except ValueError:  # filtered out or removed: select its neighbor
                self._at = min(self._at, len(visible) - 1)
                self._choose(visible[self._at])
        self.update_lines()
        if was_in_view or self.follows_newest:
            self._bring_into_view()

    def choose(self, index: int) -> None:
        """Move the cursor to line `index`, or to the nearest one."""
        visible = self._state.visible
        lines = len(visible) + bool(self._state.folded)
        if not lines:
            return
        self._cursor_unset = self.follows_newest = False
        self._at = max(0, min(index, lines - 1))
        self._on_fold = self._at == len(visible)
        self._choose(None if self._on_fold else visible[self._at])
        self._bring_into_view()
        self.update_lines()

    def choose_job(self, key: JobKey) -> None:
        """Move the cursor to a job, if it is listed."""
        if key in self._state.visible:
            self.choose(self._state.visible.index(key))

    def _started_at(self, key: JobKey) -> float:
        job = self._state.jobs[key]
        return -1.0 if job.over else job.started_at or 0.0

    def pin(self) -> None:
        """Keep the cursor on its job when others are inserted above it, because its details are open."""
        self._cursor_unset = False

    def _choose(self, key: JobKey | None) -> None:
        if key != self._chosen:
            self._chosen = key
            self.post_message(JobChosen(key))

    def _in_view(self) -> bool:
        return self.scroll_offset.y <= self._at < self.scroll_offset.y + self.size.height

    def _bring_into_view(self) -> None:
        top, height = self.scroll_offset.y, self.size.height
        if self._at < top:
            self.scroll_to(y=self._at, animate=False)
        elif height and self._at >= top + height:
            self.scroll_to(y=self._at - height + 1, animate=False)

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        self.choose(self._at + lines)

    def action_page(self, pages: float) -> None:
        """Move the cursor by `pages` times the visible height."""
        lines = max(1, int(abs(pages) * (self.size.height - 1)))
        self.choose(self._at + (lines if pages > 0 else -lines))

    def action_first(self) -> None:
        """Move the cursor to the first line; it stays there when jobs are inserted."""
        self.choose(0)
        self._cursor_unset = True

    def action_last(self) -> None:
        """Move the cursor to the last job."""
        self.choose(len(self._state.visible))

    def action_mark(self) -> None:
        """Mark or unmark the selected job, and move to the next."""
        if self._chosen is not None:
            self._state.marked ^= {self._chosen}
        self.choose(self._at + 1)

    def action_follow(self) -> None:
        """Start or stop following the job that started last."""
        self.follows_newest = not self.follows_newest
        self.follow()

    async def on_click(self, event: events.Click) -> None:
        """Move the cursor to the clicked line; a double click opens the details."""
        index = self.scroll_offset.y + event.y
        if index < len(self._state.visible) + bool(self._state.folded):
            self.choose(index)
            if event.chain > 1:
                await self.run_action("screen.detail")

    def on_focus(self) -> None:
        """Highlight the cursor."""
        self.update_lines()

    def on_blur(self) -> None:
        """Dim the cursor."""
        self.update_lines()
