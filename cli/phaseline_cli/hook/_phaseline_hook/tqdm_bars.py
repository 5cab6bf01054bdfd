"""Report what the bars of tqdm count, also those that are disabled or drawn nowhere."""

import functools
from time import monotonic
from types import ModuleType
from typing import Any, Iterator

from .pipe import PACE_S, Bar, followed

HIDDEN_S = 1.0
"""Seconds that a disabled bar must last: libraries make thousands of short ones."""
_SHORT_S = 0.02
"""Approximate interval between two readings of the clock, in seconds."""
_MOST_STEPS = 1024


class _Counted:
    """What is known of one bar of tqdm."""

    def __init__(self, bar: Any, name: object) -> None:
        self._bar = bar
        self.hidden = bool(bar.disable)
        """Whether tqdm itself counts nothing."""
        self.done = bar.n
        self._reported = Bar("tqdm", name, HIDDEN_S if self.hidden else 0.0)

    def report(self, at_once: bool = False) -> None:
        bar = self._bar
        done = self.done if self.hidden else bar.n
        self._reported.report(done, bar.total, getattr(bar, "unit", ""), getattr(bar, "postfix", ""), at_once)

    def close(self) -> None:
        self.report(at_once=True)
        self._reported.close()

    def each(self, steps: Iterator[Any]) -> Iterator[Any]:
        """Yield the steps of a disabled bar; look at the clock often enough, but not at each step."""
        following, stride, looked = self.done, 1, 0.0
        try:
            for step in steps:
                yield step
                self.done += 1  # the last item is only counted once the program has finished it
                if self.done >= following:
                    passed = monotonic() - looked
                    looked += passed
                    stride = 1 if passed > PACE_S else min(2 * stride, _MOST_STEPS) if passed < _SHORT_S else stride
                    following = self.done + stride
                    self.report()
        finally:
            self.close()


def patch(module: ModuleType) -> None:
    """Have `tqdm.std.tqdm` report."""
    kind = module.tqdm
    begin, steps, update = kind.__init__, kind.__iter__, kind.update

    @functools.wraps(begin)
    def begins(self: Any, *args: Any, **options: Any) -> None:
        begin(self, *args, **options)
        try:
            counted = _Counted(self, options.get("desc", args[1] if len(args) > 1 else None))
            self._phaseline = counted
            counted.report()
        except Exception:  # the program must run, even if its progress is lost
            pass

    @functools.wraps(steps)
    def iterates(self: Any) -> Iterator[Any]:
        counted = self.__dict__.get("_phaseline")
        return counted.each(steps(self)) if counted is not None and counted.hidden else steps(self)  # type: ignore[no-any-return]

    @functools.wraps(update)
    def updates(self: Any, n: Any = 1) -> Any:
        result = update(self, n)
        if self.disable:
            try:
                self._phaseline.done += n
                self._phaseline.report()
            except Exception:  # as above
                pass
        return result

    kind.__init__, kind.__iter__, kind.update = begins, iterates, updates
    kind.refresh = followed(kind.refresh, lambda bar, *_: bar._phaseline.report())
    kind.reset = followed(kind.reset, _restart)
    kind.close = followed(kind.close, lambda bar, *_: bar._phaseline.close())


def _restart(bar: Any, *_: Any) -> None:
    bar._phaseline.done = 0
    bar._phaseline.report(at_once=True)
