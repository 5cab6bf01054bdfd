"""All details of a past job, each phase against its usual duration today."""

from typing import TYPE_CHECKING

from phaseline_tui.drawing.cells import Line
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.model.failures import LinkError
from phaseline_tui.model.jobs import JobKey, JobView
from phaseline_tui.screens.job import JobScreen

if TYPE_CHECKING:
    from phaseline_tui.screens.history import HistoryScreen

__all__ = ["PastJobScreen"]


class PastJobScreen(JobScreen):
    """Shows the selected job of the history, which its server may keep on disk only."""

    view = "Past job"

    def __init__(self, palette: Palette, history: "HistoryScreen") -> None:
        """Show the job that is selected in `history`."""
        super().__init__(palette)
        self._history = history
        self._whole: JobView | None = None
        self._key: JobKey | None = None
        self._state = ""

    def on_mount(self) -> None:
        """Ask for the job."""
        super().on_mount()
        self._fetch()

    def job(self) -> JobView | None:
        """Return the job, without its details until they have arrived."""
        return self._whole or self._history.job_at_cursor()

    def heading(self, width: int) -> list[Line]:
        """Return why the details are missing."""
        del width
        return [((f" ! {self._state}", "warn"),)] if self._state else []

    def chosen_jobs(self) -> list[JobKey]:
        """Return this job."""
        job = self.job()
        return [] if job is None else [job.key]

    def action_neighbor(self, step: int) -> None:
        """Show the next job of the history (step 1) or the previous one (step -1)."""
        self._go(self._history.rows.cursor + step)

    def action_next_error(self) -> None:
        """Show the next job of the history that failed or is lost."""
        rows, start = self._history.history.rows, self._history.rows.cursor + 1
        at = next((at for at in range(start, len(rows)) if rows[at].state.bad), None)
        if at is not None:
            self._go(at)

    def action_back(self) -> None:
        """Return to the history."""
        self.app.pop_screen()

    def _go(self, at: int) -> None:
        self._history.rows.choose(at)
        self._history.load_more()
        self._whole = None
        self._fetch()

    def _fetch(self) -> None:
        job = self._history.job_at_cursor()
        if job is not None:
            self._state = "loading …"
            self.run_worker(self._load(job), group="past job", exclusive=True)
        self.tick()

    async def _load(self, row: JobView) -> None:
        try:
            self._whole = await self._history.requests.job(row)
            self._state = ""
        except LinkError as error:
            self._state = error.reason
        self.tick()
