"""pytest: the number of items from the collection, the results from the dots or the lines of `-v`."""

import re
from collections.abc import Sequence
from typing import Final

from phaseline_cli.run.program import Lines

_COLLECTED: Final = re.compile(r"\bcollected (\d+) items?(?: / (\d+) (?:error|deselected))?.*$")
_SELECTED: Final = re.compile(r" / (\d+) selected")
_WORKERS: Final = re.compile(r"\[(\d+) items?\]")
_DOTS: Final = re.compile(r"^(?:\S+\.(?:py|rst|txt|md)(?:::\S+)? )?([.FEsxXRp]+)\s*(?:\[ *(\d+)%\])?$")
_VERBOSE: Final = re.compile(r"(?:::| )(?:PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS|RERUN)\b.*?(?:\[ *(\d+)%\])?$")
_OVER: Final = re.compile(
    r"^=+ (?:FAILURES|ERRORS|short test summary info|warnings summary|\d+ \w+.* in [\d.]+s.*) =+$"
)


class Program(Lines):
    """One session."""

    def begin(self, argv: Sequence[str]) -> None:  # noqa: ARG002
        """Read the command line."""
        self._items: int | None = None
        self._before = 0
        self._row = 0
        self._over = False
        self.progress.enter("collect")

    def line(self, text: str) -> bool:
        """Read a line; return whether it was recognized."""
        collected = _COLLECTED.search(text) or _WORKERS.search(text)
        if collected is not None:
            selected = _SELECTED.search(text)
            self._items = int((selected or collected).group(1))
            self.progress.reveal("tests", self._items)
            self.progress.enter("test")
            return True
        if self._over or self._items is None:
            return False
        if _OVER.match(text) is not None:
            self._over = True
            return False
        verbose = _VERBOSE.search(text)
        if verbose is not None:
            self._before += 1
            self._at(self._before, verbose.group(1))
            return False  # a FAILED line may be the error to report
        dots = _DOTS.match(text)
        if dots is None:
            return False
        results = len(dots.group(1))
        if results < self._row:
            self._before += self._row
        self._row = results
        self._at(self._before + results, dots.group(2))
        if dots.group(2) is not None:
            self._before, self._row = self._before + results, 0
        return True

    def _at(self, done: int, percent: str | None) -> None:
        items = self._items
        if not items:
            return
        if done <= items:
            self.progress.count(done, items, "tests")
        fraction = int(percent) / 100 if percent is not None else min(done, items) / items
        self.progress.of_phase(fraction)
        self.progress.of_run(fraction)
