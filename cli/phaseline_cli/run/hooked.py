"""Progress bars of Python libraries, as the hook reports them from inside of the program.

Of several open bars, the first one is shown until it ends. A bar that begins in the loop of another is a round of it,
unless the outer bar counts on meanwhile; then the two are side by side.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from phaseline.text import one_line
from phaseline_cli.run.numbers import plain_number
from phaseline_cli.run.progress import Progress

MOST_BARS: Final = 1000
MOST_REPEATS: Final = 20
"""Bars of one name that are phases of their own; later ones belong to the last of them."""
MOST_PHASES: Final = 100
TRAININGS: Final = frozenset({"keras", "lightning", "transformers"})
"""Libraries whose callbacks are reported: these are more precise than printed lines."""
_MARKUP: Final = re.compile(r"\[/?[a-z#@][^\[\]]*\]|\[/\]")
"""Colors and styles in texts of rich."""
_UNITS: Final = {"it": "", "B": "bytes"}
_PAUSES: Final = 5
"""Number of 0.1 s pauses after which a bar without a count is shown."""
_ROUGHLY: Final = 0.01


@dataclass(slots=True, eq=False)
class _Bar:
    """One bar that is open."""

    name: str
    outer: "_Bar | None"
    """The bar in whose loop it begins."""
    declared: bool = False
    """Whether other bars created with it may run after it rather than in its loop."""
    training: bool = False
    """Whether it counts what a training does; its rounds are epochs."""
    aside: bool = False
    """Whether it is a phase between rounds, and no part of what is counted."""
    first: int = 1
    """The number of its first round."""
    run: float | None = None
    """The fraction of the run that is done, if the program does not measure it in rounds."""
    phase: str = ""
    """The phase that it is, once it is shown."""
    done: float = 0.0
    total: float | None = None
    unit: str = ""
    text: str = ""
    inner: "_Bar | None" = None
    """The last round that has begun in its loop."""
    rounds: int = 0
    """Rounds since its last count."""
    most_rounds: int = 1
    is_open: bool = True

    @property
    def full(self) -> bool:
        return self.total is not None and self.done >= self.total

    def fraction(self) -> float | None:
        """Return the fraction done, rounds included; each count is expected to take the most rounds so far."""
        if not self.total:
            return None
        within = 0.0
        if self.inner is not None and self.rounds:
            part = 1.0 if not self.inner.is_open else self.inner.fraction() or 0.0
            within = (self.rounds - 1 + part) / max(self.rounds, self.most_rounds)
        return min(1.0, (self.done + within) / self.total)

    def begin_round(self, inner: "_Bar") -> None:
        self.inner = inner
        self.rounds += 1

    def count(self, done: float) -> None:
        """Take in a new count."""
        inner = self.inner
        if done > self.done:
            if inner is not None and inner.is_open and not inner.full:
                inner.outer = self.inner = None  # both count: they stand side by side
            self.most_rounds = max(self.most_rounds, self.rounds)
            self.rounds = 0
        elif done < self.done and self.outer is not None:
            self.outer.begin_round(self)
        self.done = done


class HookedBars:
    """The bars of all Python processes of a run, and which of them is shown."""

    def __init__(self, progress: Progress) -> None:
        """Watch for reports.

        Args:
            progress: where what is found goes.
        """
        self._progress = progress
        self._bars: dict[tuple[object, object], _Bar] = {}
        self._latest: dict[object, _Bar] = {}
        self._shown: _Bar | None = None
        self._names: dict[str, int] = {}
        self._shown_before = 0
        self._pauses = 0
        self._aside: _Bar | None = None
        self._trainings = 0
        self._begun: dict[object, float] = {}
        self._left: set[object] = set()
        self.active = False
        """Whether a process reports bars; the same bars on the screen are then ignored."""

    def switch(self, since: float) -> None:
        """Drop the bars of processes older than the next program, which began `since` seconds after the start."""
        for pid in [pid for pid, begun in self._begun.items() if begun < since]:
            self._left.add(pid)
            self._end(pid)
        self._show(settled=True)

    def take(self, report: Mapping[str, Any], time: float) -> None:
        """Take in a report that came `time` seconds after the start."""
        pid = report.get("pid")
        if not report.get("hook"):
            self._end(pid)
        if not report.get("hook") or pid in self._left:
            return
        self._begun.setdefault(pid, time)
        self._pauses = 0
        self.active = True
        key = (pid, report.get("bar"))
        if report.get("open") is False:
            self._close(key)
            return
        bar = self._bars.get(key)
        if bar is None:
            if len(self._bars) >= MOST_BARS:
                self._close(next(iter(self._bars)))
            bar = self._bars[key] = self._begin((pid, report.get("thread")), report)
        bar.count(plain_number(report.get("done")) or 0.0)
        bar.total, bar.run = plain_number(report.get("total")), plain_number(report.get("run"))
        unit = one_line(str(report.get("unit") or ""), 20)
        bar.unit, bar.text = _UNITS.get(unit, unit), one_line(str(report.get("text") or ""))
        if bar is self._shown:
            self._draw(bar)
        self._show(settled=False)

    def settle(self) -> None:
        """Record a pause. After a few, show a bar without a count, because no bar begins in its loop."""
        self._pauses += 1
        if self._pauses >= _PAUSES:
            self._show(settled=True)

    def _end(self, pid: object) -> None:
        """Forget the bars of a process."""
        for key in [key for key in self._bars if key[0] == pid]:
            self._close(key)
        self.active = bool(self._bars)

    def _begin(self, thread: object, report: Mapping[str, Any]) -> _Bar:
        outer = self._latest.get(thread)
        while outer is not None and (outer.full or not outer.is_open):
            outer = outer.outer
        name = one_line(str(report.get("name") or ""), 300)
        declared = report.get("hook") == "rich"
        if declared:
            name = _MARKUP.sub("", name)
        bar = _Bar(" ".join(name.split()).rstrip(": ")[:60], outer, declared)
        bar.training, bar.first = report.get("hook") in TRAININGS, 0 if report.get("first") == 0 else 1
        if report.get("aside") is True and self._begin_aside(bar):
            return bar
        self._latest[thread] = bar
        if outer is not None:
            outer.begin_round(bar)
        return bar

    def _begin_aside(self, bar: _Bar) -> bool:
        """Begin a phase between the rounds of a training, unless that is itself a round of another bar."""
        shown = self._choose()
        if shown is not None and not shown.training and not shown.full:
            return False
        if shown is None:
            self._progress.of_run(None)
        bar.outer, bar.aside, bar.phase = None, True, self._phase(bar.name)
        self._aside = bar
        return True

    def _close(self, key: tuple[object, object]) -> None:
        bar = self._bars.pop(key, None)
        if bar is not None:
            bar.is_open = False
            self._shown = None if bar is self._shown else self._shown
            self._aside = None if bar is self._aside else self._aside

    def _show(self, *, settled: bool) -> None:
        bar = self._aside or self._choose()
        if bar is None:
            return
        if not bar.phase:
            undecided = bar.done == 0 and (bar.inner is None or bar.inner.done == 0)
            if undecided and (not settled or (bar.declared and bar.inner is not None)):
                return
            bar.phase = self._phase(bar.name)
            self._begin_run(bar)
        if not bar.aside:
            self._shown = bar
        self._draw(bar)

    def _begin_run(self, bar: _Bar) -> None:
        """Record that a bar, which may measure the whole run, is shown from now on."""
        self._shown_before += 1
        if bar.training:
            self._trainings += 1
            self._progress.of_run(None)  # the bars before it, as of files that are loaded, were not the run
            if bar.total:
                self._progress.reveal("epochs", bar.total)

    def _draw(self, bar: _Bar) -> None:
        progress, inner = self._progress, bar.inner
        if bar.training and inner is not None and not bar.rounds:
            return  # between two epochs, as after a validation
        if inner is None or not (bar.total or bar.training):
            progress.enter(bar.phase)
            progress.of_phase(bar.fraction())
            progress.count(bar.done, bar.total, bar.unit)
            progress.say(bar.text)
        else:
            self._show_round(bar, inner)
        if not bar.aside:
            counts_all = self._trainings == 1 if bar.training else self._shown_before == 1
            run = None if inner is None else inner.run
            progress.of_run((bar.fraction() if run is None else run) if counts_all else None)

    def _choose(self) -> _Bar | None:
        """Return the bar to show: the same as before, or the first one."""
        shown = self._shown
        if shown is not None and shown.is_open and shown.outer is None and not shown.full:
            return shown
        found = [bar for bar in self._bars.values() if bar.outer is None and not bar.aside]
        return next((bar for bar in found if not bar.full), shown or next(iter(found), None))

    def _show_round(self, bar: _Bar, inner: _Bar) -> None:
        """Show the present round of a bar; the phase is the round, with its number."""
        progress, total = self._progress, bar.total or bar.done + 1
        number = min(int(bar.done) + 1, int(total), MOST_PHASES)
        progress.enter(f"{bar.phase.lower()} {number - 1 + bar.first}")
        if bar.training:
            fraction = inner.fraction()
        elif bar.rounds:
            within = bar.fraction()
            fraction = None if within is None else within * total - bar.done
        else:
            fraction = 1.0 if bar.full else 0.0
        if fraction is not None and fraction < (progress.now.fraction or 0.0) - _ROUGHLY and number == MOST_PHASES:
            progress.restart()
        progress.of_phase(fraction if inner.total else None)
        if bar.rounds:
            progress.count(inner.done, inner.total, inner.unit)
            progress.say(inner.text or ("" if bar.training else inner.name))

    def _phase(self, name: str) -> str:
        """Return the phase of a bar that is shown for the first time."""
        shown_before = sum(self._names.values())
        if shown_before >= MOST_PHASES:
            name = "more"
        name = name or "run"
        count = self._names[name] = self._names.get(name, 0) + 1
        if count > MOST_REPEATS or shown_before >= MOST_PHASES:
            self._progress.restart()
        return name if count == 1 else f"{name} {min(count, MOST_REPEATS)}"
