"""The list of jobs."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events
from textual.binding import BindingType

from phaseline_tui.drawing.cells import Line, pad_line
from phaseline_tui.drawing.columns import Columns, columns_for
from phaseline_tui.drawing.palette import Ground, Palette
from phaseline_tui.drawing.rows import row
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.model.jobs import JobKey
from phaseline_tui.model.state import ViewState
from phaseline_tui.model.words import count_of
from phaseline_tui.user.keys import bindings
from phaseline_tui.widgets.line_view import LineView
from phaseline_tui.widgets.messages import JobChosen

__all__ = ["JobList"]


class JobList(LineView, can_focus=True):
    """One line a job, with a cursor that stays on its job while the list is sorted anew."""

    # Priority, so that the app acts on each key in its turn: over a slow line many come in one packet, and what
    # follows Enter or a slash is meant for what they open.
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
        self._chosen: JobKey | None = None
        self._at = 0
        self._free = True
        """Whether the user has not moved the cursor yet: it stays at the top then."""
        self._on_fold = False
        """Whether the cursor stands below the last job, on the line of those that are folded away."""
        self._notice: Sequence[Line] = ()
        self.several_hosts = False
        """Whether it matters on which host a job runs."""
        self.newest = False
        """Whether the cursor follows whichever job began last."""

    @property
    def columns(self) -> Columns:
        """The columns that there is room for."""
        if self._columns is None:
            self._columns = columns_for(max(1, self.size.width - 2), several_hosts=self.several_hosts)
        return self._columns

    @property
    def on_fold(self) -> bool:
        """Whether the cursor stands on the line of the jobs that are folded away."""
        return self._on_fold and bool(self._state.folded)

    @property
    def chosen(self) -> JobKey | None:
        """The job under the cursor; None if there is no job."""
        return self._chosen

    def show_notice(self, lines: Sequence[Line]) -> None:
        """Show `lines` in the middle when there is no job to show."""
        self._notice = lines

    def update_lines(self) -> None:
        """Repaint what changed; all lines of one repaint show one moment."""
        self._begin()
        super().update_lines()

    def show_jobs(self, keys: set[JobKey]) -> None:
        """Repaint what changed in the lines of these jobs."""
        self._begin()
        visible = self._state.visible
        top = self.scroll_offset.y
        below = top + self.size.height
        self.update_some(sorted(visible.index(key, top, below) for key in keys.intersection(visible[top:below])))

    def on_resize(self) -> None:
        """Lay the lines out anew."""
        self._begin()
        super().on_resize()

    def _begin(self) -> None:
        """Forget what was worked out for the last repaint."""
        self._moments.clear()
        self._columns = None

    def _moment(self, origin: str) -> Scene:
        moment = self._moments.get(origin)
        if moment is None:
            moment = self._moments[origin] = self._scene(origin)
        return moment

    def line_count(self) -> int:
        """Return the number of jobs, or of lines when there is something else to say."""
        return (len(self._state.visible) + bool(self._state.folded)) or self.size.height

    def line_at(self, index: int) -> tuple[Line, Ground]:
        """Return the line of a job."""
        visible = self._state.visible
        here = index == self._at
        ground: Ground = self.ground if not here else "cursor" if self.has_focus else "cursor-blurred"
        gutter = ("▌", "now") if here else (" ", "")
        if index < len(visible):
            key = visible[index]
            gutter = ("◆", "key") if key in self._state.marked else gutter
            return (gutter, *row(self._state.jobs[key], self.columns, self._moment(key.origin)), (" ", "")), ground
        if self._state.folded:
            words = f"{count_of(self._state.folded, 'job')} ended well a while ago: enter lists them"
            return (gutter, *pad_line((("▸ ", "muted"), (words, "muted")), self.size.width - 1)), ground
        return self._notice_line(index), self.ground

    def _notice_line(self, index: int) -> Line:
        top = max(0, (self.size.height - len(self._notice)) // 2 - 1)
        if not top <= index < top + len(self._notice):
            return pad_line((), self.size.width)
        return pad_line(self._notice[index - top], self.size.width)

    def follow(self) -> None:
        """Keep the cursor on its job after the list was sorted or filtered anew, and repaint."""
        visible = self._state.visible
        was_in_view = self._in_view()
        if self.on_fold or not visible:
            self._at = len(visible)
            self._choose(None)
        elif self.newest:
            self._choose(max(visible, key=self._begun))
            self._at = visible.index(self._chosen) if self._chosen else 0
        elif self._free or self._chosen is None:
            self._at = 0
            self._choose(visible[0])
        else:
            try:
                self._at = visible.index(self._chosen)
            except ValueError:  # It was filtered out, or is gone: its neighbour takes over.
                self._at = min(self._at, len(visible) - 1)
                self._choose(visible[self._at])
        self.update_lines()
        if was_in_view or self.newest:
            self._bring_into_view()

    def choose(self, index: int) -> None:
        """Put the cursor on line `index`, or as near as there are jobs."""
        visible = self._state.visible
        lines = len(visible) + bool(self._state.folded)
        if not lines:
            return
        self._free = self.newest = False
        self._at = max(0, min(index, lines - 1))
        self._on_fold = self._at == len(visible)
        self._choose(None if self._on_fold else visible[self._at])
        self._bring_into_view()
        self.update_lines()

    def choose_job(self, key: JobKey) -> None:
        """Put the cursor on a job, if it is listed."""
        if key in self._state.visible:
            self.choose(self._state.visible.index(key))

    def _begun(self, key: JobKey) -> float:
        job = self._state.jobs[key]
        return -1.0 if job.over else job.started_at or 0.0

    def hold(self) -> None:
        """Let the cursor stay on its job from now on, though others come before it: it is being read about."""
        self._free = False

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
        """Move the cursor by as much as is visible, times `pages`."""
        lines = max(1, int(abs(pages) * (self.size.height - 1)))
        self.choose(self._at + (lines if pages > 0 else -lines))

    def action_first(self) -> None:
        """Move the cursor to the first job, where it stays when others come."""
        self.choose(0)
        self._free = True

    def action_last(self) -> None:
        """Move the cursor to the last job."""
        self.choose(len(self._state.visible))

    def action_mark(self) -> None:
        """Mark the job under the cursor, or take its mark away, and go on to the next."""
        if self._chosen is not None:
            self._state.marked ^= {self._chosen}
        self.choose(self._at + 1)

    def action_follow(self) -> None:
        """Let the cursor go to whichever job began last, or let it stay again."""
        self.newest = not self.newest
        self.follow()

    async def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse is; a double click opens the details."""
        index = self.scroll_offset.y + event.y
        if index < len(self._state.visible) + bool(self._state.folded):
            self.choose(index)
            if event.chain > 1:
                await self.run_action("screen.detail")

    def on_focus(self) -> None:
        """Show that keys come here."""
        self.update_lines()

    def on_blur(self) -> None:
        """Show that keys go elsewhere."""
        self.update_lines()
