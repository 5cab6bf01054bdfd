r"""Recognize progress that no adapter knows: redrawn bars and counters whose number rises.

A percent sign alone proves nothing: zstd prints its ratio, a coverage report its percentages. A line counts only if the
program prints it again and again, with the same words around the number, if the number has risen at least three times,
and if it began near zero.
"""

from dataclasses import dataclass
from typing import Final

from phaseline_cli.run.bar_text import Found, found_in, is_named_progress, looks_like_bar
from phaseline_cli.run.progress import Progress
from phaseline_cli.run.screen import Line, TerminalProgress

RISES: Final = 3
"""How often a number must have risen before it counts."""
BEGINS_BELOW: Final = 0.05
"""A bar that is first seen above this fraction may be something else."""
LARGEST_STEP: Final = 1.5
"""A bar that begins higher counts if its first step, from zero, is at most this many times as large as its others."""
KEPT: Final = 64
"""Bars that are watched at the same time."""


@dataclass(slots=True)
class _DrawnBar:
    """One bar as it was seen so far."""

    head: str
    row: int
    first: float
    last: float
    total: float | None
    seen: int = 0
    rises: int = 0
    again: bool = False
    """Whether it is the first bar after another one with the same name ended."""
    outer: bool = False
    """Whether bars below it are redrawn while it is unchanged: it counts rounds, and they count steps of a round."""

    @property
    def began_near_zero(self) -> bool:
        """Whether the first number is near zero, or no larger than the steps since: 10 %, 20 %, 30 %."""
        step = (self.last - self.first) / self.rises if self.rises >= RISES else 0.0
        return self.first <= max(BEGINS_BELOW, LARGEST_STEP * step)

    def take(self, row: int, fraction: float, total: float | None) -> None:
        self.row = row
        self.seen += 1
        self.rises += fraction > self.last
        self.last = fraction
        self.total = total


class Bars:
    """The bars of one run, and the ones that measure its progress."""

    def __init__(self, progress: Progress) -> None:
        """Watch for bars.

        Args:
            progress: Receives the progress that is found.
        """
        self._progress = progress
        self._bars: dict[str, _DrawnBar] = {}
        self._lowest: _DrawnBar | None = None
        self._begun: list[str] = []
        self._repeated = False

    def terminal(self, mark: TerminalProgress) -> None:
        """Take in a progress state that was sent to the terminal: it needs no proof."""
        if mark.state in (1, 2, 4) and mark.percent is not None:
            self._progress.of_phase(mark.percent / 100)
            self._progress.of_run(mark.percent / 100)

    def line(self, line: Line) -> bool:
        """Take in a line; return whether it is a bar that counts."""
        found = found_in(line.text)
        if found is None:
            return False
        bar = self._bars.get(found.head)
        if bar is None or found.fraction < bar.last - 0.02:
            bar = self._begin(found, line.row)
        bar.take(line.row, found.fraction, found.total)
        lowest = self._lowest
        if lowest is not None and lowest is not bar and lowest.row > bar.row and bar.seen > 1 and bar.total:
            bar.outer = True
        self._lowest = bar
        looks = looks_like_bar(line.text)
        if bar.first == 1 and bar.seen == 1 and bar.head and looks and line.ended:
            self._show(bar, found)  # through a pipe, some print a bar once, when it is full
            return True
        known = bar.seen > 1 and looks
        proven = (bar.rises >= RISES or (known and bar.first <= BEGINS_BELOW)) and bar.began_near_zero
        if not proven and not is_named_progress(line.text):
            return False
        self._show(bar, found)
        return True

    def _begin(self, found: Found, row: int) -> _DrawnBar:
        old = self._bars.pop(found.head, None)
        bar = _DrawnBar(found.head, row, 0.0 if found.from_zero else found.fraction, found.fraction, found.total)
        bar.outer = old is not None and old.outer
        bar.again = old is not None
        self._bars[found.head] = bar
        if len(self._bars) > KEPT:
            del self._bars[next(iter(self._bars))]
        return bar

    def _show(self, bar: _DrawnBar, found: Found) -> None:
        progress = self._progress
        if bar.outer:
            progress.of_run(found.fraction)
            return
        outer = next((o for o in self._bars.values() if o.outer and o.row < bar.row and o.last < 1), None)
        if outer is not None and outer.total:
            rounds = round(outer.last * outer.total)
            progress.enter(f"{outer.head.lower() or 'round'} {rounds + 1}")
            progress.of_phase(found.fraction)
            progress.of_run((rounds + found.fraction) / outer.total)
            return
        name = bar.head or "run"
        self._repeated = self._repeated or found.of_part
        if name not in self._begun:
            self._begun.append(name)
        progress.enter(name)
        if bar.again:
            bar.again, self._repeated = False, True
            progress.restart()
        progress.of_phase(found.fraction)
        if found.done is not None:
            progress.count(found.done, found.total, found.unit)
        progress.of_run(found.fraction if len(self._begun) == 1 and not self._repeated else None)
