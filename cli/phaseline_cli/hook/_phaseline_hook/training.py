"""Report the epochs, steps and validations of a training, from the callbacks of its library."""

import functools
from typing import Any

from .pipe import PIPE, Bar


class Training:
    """The state of one trainer. Methods may be called in any order, because programs use only some callbacks."""

    def __init__(self, library: str, first: int = 1) -> None:
        """Begin to report.

        Args:
            library: The library that trains.
            first: The number of its first epoch.
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
            number: Number of epochs done.
            total: Number of epochs; None if unknown.
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
            done: Number of steps done.
            total: Number of steps; None if unknown.
            unit: Name of the steps.
            run: The fraction of the training that is done, if it ends after a number of steps.
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
        """Report a validation, test or prediction.

        Args:
            name: Its name.
            done: Number of batches done.
            total: Number of batches; None if unknown.
            within: Whether it is part of an epoch, whose phase then continues after it.
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
    """Return a function that calls `call`, then `report` with the same arguments.

    Bars that `call` creates are not reported, because `report` covers them.
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
    """Return the number of batches; None if the loader has no length."""
    try:
        return len(batches)
    except Exception:  # a loader without a length, as of a stream
        return None
