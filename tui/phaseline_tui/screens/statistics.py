"""The statistics view: phase durations, slow runs, failures and the accuracy of estimates."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar, Final, NamedTuple

from textual import events
from textual.containers import Horizontal
from textual.widget import Widget

from phaseline_tui.drawing.cells import Line
from phaseline_tui.drawing.figures import eta_lines, failure_lines, figures_heading, figures_row, slow_lines
from phaseline_tui.drawing.palette import Palette
from phaseline_tui.model.changes import Changes
from phaseline_tui.model.connection import LinkState
from phaseline_tui.model.failures import LinkError
from phaseline_tui.model.figures import Figures, PhaseFigures, from_jobs, in_order, read_eta, read_phases
from phaseline_tui.model.jobs import JobKey, JobView
from phaseline_tui.screens.framed import FramedScreen
from phaseline_tui.widgets.fixed_lines import FixedLines
from phaseline_tui.widgets.row_list import RowList
from phaseline_tui.widgets.run_plot import RunPlot

__all__ = ["StatisticsScreen"]

_EVERY_S: Final = 10.0
_OK: Final = 200
_NOT_FOUND: Final = 404
_PLOT_WIDTH: Final = 100
_PLOT_HEIGHT: Final = 28
_OLDER: Final = "this server is older and reports only averages; update it for percentiles and runs"


class _Row(NamedTuple):
    origin: str
    phase: PhaseFigures


class StatisticsScreen(FramedScreen):
    """A row for each phase; below, a plot of the selected phase's last runs and statistics of its workflow."""

    view = "Statistics"
    DEFAULT_CSS = """
    StatisticsScreen #below { height: 16; border-top: solid $panel; }
    StatisticsScreen #below.-low { height: 8; }
    StatisticsScreen #plot { width: 1fr; height: 1fr; }
    StatisticsScreen #summary { width: 1fr; }
    """
    AUTO_FOCUS = "#rows"
    KEYS: ClassVar[tuple[tuple[str, str], ...]] = (("↑↓", "move"), ("y", "copy the row"))

    def __init__(self, palette: Palette) -> None:
        super().__init__(palette)
        self._figures: dict[str, Figures] = {}
        self._known: list[_Row] = []
        self._total_seconds: dict[tuple[str, str, str], float] = {}
        self._rows = RowList(palette, lambda: len(self._known), self._row)
        self._summary = FixedLines(palette, id="summary")
        self._plot = RunPlot(palette)
        self._below = Horizontal(self._plot, self._summary, id="below")

    def parts(self) -> Iterable[Widget]:
        """Return the table, the plot and the summary."""
        yield self._rows
        yield self._below

    def on_mount(self) -> None:
        """Fetch the statistics, and again every ten seconds."""
        self._arrange()
        super().on_mount()
        self._fetch_all()
        self.set_interval(_EVERY_S, self._fetch_all)

    def on_resize(self, event: events.Resize) -> None:
        """Show the plot if there is room for it."""
        self._arrange()
        super().on_resize(event)

    def _arrange(self) -> None:
        width, height = self.app.size
        self._plot.display = width >= _PLOT_WIDTH and height >= _PLOT_HEIGHT
        self._below.set_class(height < _PLOT_HEIGHT, "-low")

    def heading(self, width: int) -> list[Line]:
        """Return the notes of the servers and the column titles."""
        notes = [(label, each.note) for label, each in self._figures.items() if each.note]
        alone = len(self.owner.servers) == 1
        lines: list[Line] = [((f" ! {note if alone else f'{label}: {note}'}", "warn"),) for label, note in notes]
        return [*lines, ((" ", ""), *figures_heading(max(1, width - 2)))]

    def show(self) -> None:
        """Show the statistics, and the plot and summary of the selected row."""
        answered = any(not each.note for each in self._figures.values())
        words = "no statistics yet: no phase has ended" if answered else "loading …"
        self._rows.notice = (((words.center(self.size.width), "muted"),),)
        self._rows.update_rows()
        row = self._known[self._rows.cursor] if self._known else None
        self._plot.show(row.phase if row is not None else None)
        self._summary.show(self._lines(row) if row is not None else [])

    def _lines(self, row: _Row) -> list[Line]:
        figures, workflow = self._figures[row.origin], row.phase.workflow
        parts = [
            eta_lines(figures.eta, workflow),
            failure_lines(figures.failures, workflow),
            slow_lines(figures.slowest, workflow, lambda job_id: self._name_of(row.origin, job_id)),
        ]
        low = self._below.has_class("-low")
        room = 7 if low else 15
        share = max(2, room // len(parts) - (not low))
        between: list[Line] = [] if low else [()]
        return [line for part in parts for line in (*part[:share], *between)][:room]

    def _name_of(self, origin: str, job_id: str) -> str:
        job = self.owner.state.jobs.get(JobKey(origin, job_id))
        return job.name if job is not None else job_id

    def show_changes(self, changes: Changes) -> None:
        """Fetch the statistics of servers that have connected since the last attempt."""
        if changes.status:
            for label, host in self.owner.data.hosts.items():
                known = self._figures.get(label)
                if host.status.state is LinkState.CONNECTED and (known is None or known.note):
                    self._start_fetch(label)
        super().show_changes(changes)

    def to_copy(self) -> str:
        """Return the figures of the selected row, separated by tabs."""
        if not self._known:
            return ""
        each = self._known[self._rows.cursor].phase
        figures = (each.count, each.avg_seconds, each.p50_seconds, each.p95_seconds, each.p99_seconds)
        texts = ["" if figure is None else f"{figure:g}" for figure in figures]
        return "\t".join([each.workflow, each.series or "", each.phase, *texts])

    def update(self, origin: str, figures: Figures) -> None:
        """Show the statistics of the server labeled `origin`."""
        self._figures[origin] = figures
        self._known = [
            _Row(label, each)
            for label, known in self._figures.items()
            for each in in_order(known.phases, self._jobs(label))
        ]
        self._total_seconds = {}
        for row in self._known:
            key = (row.origin, row.phase.workflow, row.phase.series or "")
            self._total_seconds[key] = self._total_seconds.get(key, 0.0) + (row.phase.avg_seconds or 0.0)
        self.tick()

    def _row(self, index: int, width: int) -> Line:
        row = self._known[index]
        before = self._known[index - 1] if index else None
        total = self._total_seconds[row.origin, row.phase.workflow, row.phase.series or ""]
        above = before.phase if before is not None and before.origin == row.origin else None
        return figures_row(row.phase, above, total, width)

    def _fetch_all(self) -> None:
        for label in self.owner.data.labels:
            self._start_fetch(label)

    def _start_fetch(self, label: str) -> None:
        self.run_worker(self._fetch(label), group=f"figures of {label}", exclusive=True)

    async def _fetch(self, origin: str) -> None:
        """Fetch the statistics of one server. On failure, show averages from its jobs and a note."""
        app = self.owner
        try:
            reply = await asyncio.wrap_future(app.request(origin, "GET", "/metrics/phases"))
            if reply.status != _OK:
                note = _OLDER if reply.status == _NOT_FOUND else f"{origin} returned HTTP {reply.status}"
                self.update(origin, from_jobs(self._jobs(origin), note))
                return
            figures = read_phases(reply.body)
            reply = await asyncio.wrap_future(app.request(origin, "GET", "/metrics/eta"))
            self.update(origin, read_eta(figures, reply.body) if reply.status == _OK else figures)
        except LinkError as error:
            known = self._figures.get(origin) or from_jobs(self._jobs(origin), "")
            self.update(origin, replace(known, note=f"no new statistics: {error.reason}"))
        except ValueError:
            self.update(origin, from_jobs(self._jobs(origin), f"{origin} sent statistics that progress-tui can't read"))

    def _jobs(self, origin: str) -> list[JobView]:
        return [job for key, job in self.owner.state.jobs.items() if key.origin == origin]
