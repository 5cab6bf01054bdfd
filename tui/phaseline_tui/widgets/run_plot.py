"""A plot of the durations of a phase's last runs."""

from typing import Final

from textual_plotext import PlotextPlot

from phaseline_tui.drawing.palette import Palette
from phaseline_tui.model.figures import PhaseFigures
from phaseline_tui.model.words import fine_duration

__all__ = ["RunPlot"]

_MIN: Final = 2
_HEADROOM: Final = 1.06


class RunPlot(PlotextPlot):
    """The last runs from left to right, with lines at p50 and p95."""

    DEFAULT_CSS = """
    RunPlot { background: $background; }
    """

    def __init__(self, palette: Palette) -> None:
        super().__init__(id="plot")
        self.auto_theme = False
        self._palette = palette
        self._phase: PhaseFigures | None = None

    def show(self, phase: PhaseFigures | None) -> None:
        """Plot `phase`; None plots nothing."""
        if phase != self._phase:
            self._phase = phase
            self._draw()

    def set_palette(self, palette: Palette) -> None:
        """Use another palette."""
        self._palette = palette
        self._draw()

    def on_resize(self) -> None:
        """Redraw in the new size."""
        self._draw()

    def _draw(self) -> None:
        plot, phase = self.plt, self._phase
        plot.clear_figure()
        plot.theme("clear")
        if phase is None or len(phase.recent_seconds) < _MIN:
            plot.frame(False)  # noqa: FBT003 (plotext's signature)
            plot.title("" if phase is None else f"{phase.phase}: too few runs to plot")
            self.refresh()
            return
        runs = phase.recent_seconds
        top = max([*runs, phase.p95_seconds or 0.0]) or 1.0
        marks = [(0.0, "0")]
        for value, name, color in (
            (phase.p50_seconds, "p50", "good"),
            (phase.p95_seconds, "p95", "warn"),
            (max(runs), "max", ""),
        ):
            # skip labels that would overlap
            if value is not None and value - marks[-1][0] > top / max(2, self.size.height - 4):
                marks.append((value, f"{name} {fine_duration(value)}"))
                if color:
                    plot.hline(value, color=self._plotext_color(color))
        plot.plot(list(range(1, len(runs) + 1)), runs, marker="braille", color=self._plotext_color("now"))
        plot.title(f"{phase.phase}: the last {len(runs)} runs")
        plot.ylim(0, top * _HEADROOM)
        plot.yticks([value for value, _ in marks], [words for _, words in marks])
        plot.xticks([1.0, float(len(runs))], ["oldest", "latest"])
        self.refresh()

    def _plotext_color(self, name: str) -> tuple[int, int, int] | str:
        """Return a style's color in plotext's format."""
        color = self._palette.style(name).color
        if color is None or not self._palette.shades:
            return "default"
        red, green, blue = color.get_truecolor()
        return (red, green, blue)
