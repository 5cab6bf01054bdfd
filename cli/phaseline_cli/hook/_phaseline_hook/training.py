"""Report the epochs, steps and validations of a training, from the callbacks of its library."""

import functools
from typing import Any

from .pipe import PIPE, Bar


class Training:
    """What one trainer does. Its methods are called in any order, since a program may use only some."""

    def __init__(self, library: str, first: int = 1) -> None:
        """Begin to report.

        Args:
            library: the library that trains.
            first: the number that it gives its first epoch.
        """
        self._library = library
        self._first = first
        self._epochs: "Bar | None" = None
        self._steps: "Bar | None" = None
        self._aside: "Bar | None" = None
        self._at: "dict[str, Any]" = {}

    def begin_epoch(self, number: int, total: Any) -> None:
        """Report that an epoch begins.

        Args:
            number: how many are done.
            total: of how many; None if that is not known.
        """
        self.end_aside()
        if self._epochs is None:
            self._epochs = Bar(self._library, "epoch", first=self._first)
        if self._steps is not None:
            self._steps.close()
        self._epochs.report(number, total, at_once=True)
        self._steps = Bar(self._library, "steps")

    def step(self, done: int, total: Any, unit: str = "steps", run: Any = None) -> None:
        """Report the steps of the epoch.

        Args:
            done: how many are done.
            total: of how many; None if that is not known.
            unit: what they are called.
            run: the fraction of the training that is done, if it ends after a number of steps.
        """
        if self._steps is not None:
            self._at = {"done": done, "total": total, "unit": unit, "run": run}
            self._steps.report(**self._at)

    def end_epoch(self, number: int, total: Any) -> None:
        """Report that an epoch has ended, and with it `number` of them."""
        if self._epochs is not None and self._steps is not None:
            self._steps.close()
            self._steps = None
            self._epochs.report(number, total, at_once=True)

    def aside(self, name: str, done: int, total: Any, within: bool = False) -> None:
        """Report work that is no training.

        Args:
            name: a validation, a test or a prediction.
            done: how many batches are done.
            total: of how many; None if that is not known.
            within: whether the epoch goes on after it; then its phase does too.
        """
        if within and self._steps is not None and self._at:
            of = "" if total is None else f"/{total}"
            self._steps.report(text=f"{name} {done}{of}", **self._at)
            return
        if self._aside is None:
            self._aside = Bar(self._library, name, aside=True)
        self._aside.report(done, total, "batches")

    def end_aside(self) -> None:
        """Report that what was no training has ended."""
        if self._aside is not None:
            self._aside.close()
            self._aside = None

    def end(self) -> None:
        """Report that all has ended."""
        self.end_aside()
        for bar in (self._steps, self._epochs):
            if bar is not None:
                bar.close()
        self._steps = self._epochs = None


def preceded(call: Any, report: Any) -> Any:
    """Return a function that calls `call`, and then `report` with the same arguments.

    Bars that `call` makes are not reported: they show what `report` does.
    """

    @functools.wraps(call)
    def called(*args: Any, **options: Any) -> Any:
        PIPE.silenced += 1
        try:
            result = call(*args, **options)
        finally:
            PIPE.silenced -= 1
        try:
            report(*args, **options)
        except Exception:  # the program must run, even if its progress is lost
            pass
        return result

    return called


def length(batches: Any) -> "int | None":
    """Return how many there are; None if they don't know."""
    try:
        return len(batches)
    except Exception:  # a loader without a length, as of a stream
        return None
