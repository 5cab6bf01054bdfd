"""`tqdm`, whose bars others see too. Needs the library of that name.

    from phaseline.reporting.tqdm import tqdm  # instead of: from tqdm import tqdm

    for frame in tqdm(frames, desc="render"):
        render(frame)

Such a bar is a job of its own. With `tqdm(frames, job=job, phase="render")` it is a phase of a job.

A bar of its own fails with the exception that leaves its loop and ends the program, or with the program's exit code. It
is cancelled when the loop is left otherwise before its end.
"""

import contextlib
import os
import sys
import threading
import weakref
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final

from tqdm.std import tqdm as _tqdm

from phaseline.errors import PhaselineError
from phaseline.reporting.compat.websocket_server import get_websocket_server
from phaseline.reporting.delivery.inbox import Sample
from phaseline.reporting.exits import exiting, is_break, reason_of_end, watch_exits
from phaseline.reporting.job import JobReporter
from phaseline.reporting.processes import before_end
from phaseline.reporting.reporter import Reporter

__all__ = ["tqdm", "trange"]

_LONGEST_NAME: Final = 100
# Left by an exception, a loop's bar is told of it only if the program ends; it waits so long for that.
_LONGEST_UNWINDING_S: Final = 1.0


class tqdm(_tqdm):  # type: ignore[misc]  # noqa: N801 - it stands in for one that is called so, and has no types
    """A bar as tqdm shows it, and as its job's progress.

    The background thread looks at the bar's count, so an iteration costs what it costs with tqdm; and with
    `disable=True` others see it all the same.
    """

    _job: JobReporter | None = None  # until there is one, and no more once it is over
    _is_left = False

    def __init__(
        self,
        *args: Any,
        job: JobReporter | None = None,
        phase: str | None = None,
        reporter: Reporter | None = None,
        **kwargs: Any,
    ) -> None:
        """Show as tqdm does with the same arguments.

        Args:
            *args: tqdm's.
            job: The job that the bar is a phase of; by default one of its own, called as the bar's `desc`.
            phase: What the phase is called; by default as `desc`.
            reporter: Reports a job of the bar's own; by default one to PROGRESS_URL.
            **kwargs: tqdm's.
        """
        super().__init__(*args, **kwargs)
        title = " ".join((kwargs.get("desc") or "").split()).removesuffix(":")
        self._phase = (phase or title or "work")[:_LONGEST_NAME]
        self._is_own = job is None
        if job is None:
            reporter = reporter or get_websocket_server().reporter
            job = reporter.job(title or "tqdm", phases=[self._phase])
            job.__enter__()
            watch_exits()
            _open.add(self)
        percent, text = self._sample()[1:]
        job.progress(percent, text, phase=self._phase)
        self._outer = job.watch(self._sample)
        self._handled = sys.exc_info()[1]  # by whoever made the bar: none of its business
        self._job = job

    def _sample(self) -> Sample:
        done, total = self.n, self.total
        # Of a disabled bar, tqdm keeps no more than these two.
        unit, postfix = getattr(self, "unit", "it"), getattr(self, "postfix", None)
        text = f"{done:g} of {total:g} {unit}" if total else f"{done:g} {unit}"
        percent = min(100.0, 100 * done / total) if total else None
        return self._phase, percent, f"{text}, {postfix}" if postfix else text

    def __iter__(self) -> Iterator[Any]:
        """Yield the items; a disabled bar counts them too."""
        return self._counted() if self.disable else super().__iter__()

    def _counted(self) -> Iterator[Any]:
        try:
            for item in self.iterable:
                yield item
                self.n += 1
        finally:
            self.close()

    def update(self, n: float | None = 1) -> bool | None:
        """Count on by `n`, as tqdm does; a disabled bar counts too."""
        if self.disable:
            self.n += n
        shown: bool | None = super().update(n)
        return shown

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the bar; an exception fails a job of its own."""
        self._end(error)
        super().__exit__(kind, error, trace)

    def close(self) -> None:
        """Close the bar, and complete its phase if the count is full or was never known."""
        super().close()
        error = sys.exc_info()[1]
        if not isinstance(error, GeneratorExit):
            self._end(None if error is self._handled else error)
        elif self._is_own and self._job is not None and not self._is_full:
            # This is called by the generator, which is closed as the loop drops it.
            self._leave(by_break=is_break())
        else:
            self._end(None)

    @property
    def _is_full(self) -> bool:
        return bool(self.total) and self.n >= self.total

    def _leave(self, *, by_break: bool) -> None:
        """End the job of a bar whose loop was left before its end."""
        error = exiting()
        if by_break or error is not None:
            self._end(error)
            return
        # Likely by an exception, which can't be seen yet.
        self._is_left = True
        timer = threading.Timer(_LONGEST_UNWINDING_S, self._end, (None,))
        timer.daemon = True
        timer.start()

    def _end(self, error: BaseException | None, *, exit_code: int | None = None) -> None:
        with _ending:
            job, self._job = self._job, None
        _open.discard(self)
        if job is None:
            return
        job.watch(self._outer)
        percent, text = self._sample()[1:]
        job.progress(percent, text, phase=self._phase)
        full = error is None and (self._is_full or not (self.total or self._is_left))
        if full:
            job.complete(self._phase, count=self.n)
        if not self._is_own:
            return
        if error is not None:
            with contextlib.suppress(PhaselineError):  # of a strict reporter; the worker's own error goes first
                job.end(error, exit_code=exit_code)
        elif full:
            job.end()
        else:
            job.cancel(f"left at {text}")


_open: "Final[weakref.WeakSet[tqdm]]" = weakref.WeakSet()  # bars with a job of their own, which goes on
_ending = threading.RLock()


def _end_all() -> None:
    """End the jobs of all bars as the program ends: well or badly, as it does."""
    error = reason_of_end()
    exit_code = 1 if isinstance(error, Exception) else None
    for bar in list(_open):
        bar._end(error, exit_code=exit_code)  # noqa: SLF001 - of this module


def _after_fork() -> None:
    """Leave its bars to the parent."""
    global _ending  # noqa: PLW0603 - whoever held it is not there any more
    _ending = threading.RLock()
    _open.clear()


before_end(_end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def trange(*args: Any, **kwargs: Any) -> tqdm:
    """Return `tqdm(range(*args), **kwargs)`."""
    return tqdm(range(*args), **kwargs)
