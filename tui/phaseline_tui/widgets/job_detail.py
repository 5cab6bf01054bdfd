"""The pane with everything that is known of one job."""

from collections.abc import Callable

from phaseline_tui.drawing.cells import Line
from phaseline_tui.drawing.detail import detail
from phaseline_tui.drawing.palette import Ground, Palette
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.jobs import JobView
from phaseline_tui.widgets.line_view import LineView

__all__ = ["JobDetail"]


class JobDetail(LineView, can_focus=True):
    """The details of the job under the list's cursor."""

    def __init__(self, palette: Palette, scene: Callable[[str], Scene]) -> None:
        super().__init__(palette, id="detail")
        self._scene = scene
        self._job: JobView | None = None
        self._lines: list[Line] = []

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
        self._lines = [] if self._job is None or width < 1 else detail(self._job, width, self._scene(self._job.origin))

    def line_count(self) -> int:
        """Return how many lines there are to read."""
        return len(self._lines)

    def line_at(self, index: int) -> tuple[Line, Ground]:
        """Return a line."""
        return ((" ", ""), *self._lines[index]), self.ground

    def on_resize(self) -> None:
        """Lay the lines out anew."""
        self.compose_lines()
        super().on_resize()
