r"""Recognize progress that no adapter knows: redrawn bars and counters whose number rises.

A percent sign alone proves nothing: zstd prints its ratio, a coverage report its percentages. A line counts only if the
program prints it again and again, with the same words around the number, if the number has risen at least three times,
and if it began near zero.
"""

import re
from dataclasses import dataclass
from typing import Final

from phaseline_cli.run.numbers import number, size
from phaseline_cli.run.progress import Progress
from phaseline_cli.run.screen import Line, TerminalProgress

RISES: Final = 3
"""How often a number must have risen before it counts."""
BEGINS_BELOW: Final = 0.05
"""A bar that is first seen above this fraction may be something else."""
KEPT: Final = 64
"""Bars that are watched at the same time."""

_PERCENT: Final = re.compile(r"(?<![\d.,])(\d{1,3}(?:[.,]\d+)?) ?%(?!\w)")
# The output may be anything, so each pattern takes linear time: numbers have at most 31 characters, and a match can't
# begin within what it could also have begun before.
_COUNT: Final = re.compile(r"(?<![\w./:-])(\d[\d,]{0,30}) ?(?:/| of ) ?(\d[\d,]{0,30})(?![\w/:-]|\.\d)")
_SIZES: Final = re.compile(
    r"(?<![\w.])(\d[\d.,]{0,30}) ?([kKMGT]i?B?|[bB]|bytes)? ?(?:/| of ) ?(\d[\d.,]{0,30}) ?([kKMGT]i?B?|[bB]|bytes)\b"
)
_DRAWN: Final = r"#=\-.>*_\u2500-\u25ff\u2800-\u28ff|:\[\]()<o "
_BAR: Final = re.compile(rf"(?<![{_DRAWN}])[{_DRAWN}]*[#=>*.\-\u2500-\u25ff\u2800-\u28ff]{{3,}}")
_TQDM: Final = re.compile(r"(?>.*?\d%\|).*\| \d+/\d+ \[")
SAME: Final = 0.03
"""How far a count and a percent of one line may differ and still say the same."""
SHORTEST: Final = 8
"""Characters that a row of bar characters must have at least."""
_SPINNER: Final = re.compile(r"[|/\\\u2800-\u28ff-]")
_NUMBERS: Final = re.compile(r"\d[\d.,:]*")


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
    """Whether a bar of its name has ended, and it is the first that is seen of another."""
    outer: bool = False
    """Whether bars below it are redrawn while it stands: it counts rounds, they what is done of one."""

    def take(self, row: int, fraction: float, total: float | None) -> None:
        self.row = row
        self.seen += 1
        self.rises += fraction > self.last
        self.last = fraction
        self.total = total


class Bars:
    """The bars of one run, and which of them say how far it is."""

    def __init__(self, progress: Progress) -> None:
        """Watch for bars.

        Args:
            progress: where what is found goes.
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
        found = _value(line.text)
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
        looks = _looks_like_bar(line.text)
        if bar.first == 1 and bar.seen == 1 and bar.head and looks and line.ended:
            self._show(bar, found)  # through a pipe, some print a bar once, when it is full
            return True
        known = bar.seen > 1 and looks
        if bar.first > BEGINS_BELOW or not (known or bar.rises >= RISES):
            return False
        self._show(bar, found)
        return True

    def _begin(self, found: "_Found", row: int) -> _DrawnBar:
        old = self._bars.pop(found.head, None)
        bar = _DrawnBar(found.head, row, found.fraction, found.fraction, found.total)
        bar.outer = old is not None and old.outer
        bar.again = old is not None
        self._bars[found.head] = bar
        if len(self._bars) > KEPT:
            del self._bars[next(iter(self._bars))]
        return bar

    def _show(self, bar: _DrawnBar, found: "_Found") -> None:
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


@dataclass(frozen=True, slots=True)
class _Found:
    """The numbers on a line that looks like progress."""

    head: str
    """The words before the numbers: the bar's name."""
    fraction: float
    done: float | None = None
    total: float | None = None
    unit: str = ""


def _value(text: str) -> _Found | None:
    """Return the numbers of a line; None if it has no such numbers, or several that contradict each other."""
    if "%" not in text and "/" not in text and " of " not in text:
        return None
    count = _count(text)
    percents = [number(match.group(1)) for match in _PERCENT.finditer(text)]
    percent = percents[0] if len(percents) == 1 else None
    if percent is not None and percent > 100:  # noqa: PLR2004
        percent = None
    if percent is None and count is None:
        return None
    head = _head(text)
    if count is not None and (percent is None or abs(count[0] - percent / 100) < SAME):
        return _Found(head, *count)
    return None if percent is None else _Found(head, percent / 100)


def _count(text: str) -> tuple[float, float, float, str] | None:
    for match in _SIZES.finditer(text):
        done = size(match.group(1) + (match.group(2) or match.group(4)))
        total = size(match.group(3) + match.group(4))
        if done is not None and total and done <= total:
            return (done / total, done, total, "bytes")
    for match in _COUNT.finditer(text):
        done, total = number(match.group(1)), number(match.group(2))
        if done is not None and total and done <= total:
            return (done / total, done, total, "")
    return None


def _head(text: str) -> str:
    """Return the words that stand before the first number or bar: a bar's name."""
    end = len(text)
    for pattern in (_PERCENT, _COUNT, _SIZES, _BAR):
        match = pattern.search(text)
        if match is not None:
            end = min(end, match.start())
    head = _NUMBERS.sub("", _SPINNER.sub(" ", text[:end]))
    return " ".join(head.split()).rstrip(":|[(-= ").strip()[:60]


def _looks_like_bar(text: str) -> bool:
    match = _BAR.search(text)
    return _TQDM.match(text) is not None or (match is not None and len(match.group()) >= SHORTEST)
