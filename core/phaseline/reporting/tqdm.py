"""A `tqdm` whose bars are also reported as jobs. Requires the library tqdm.

    from phaseline.reporting.tqdm import tqdm  # instead of: from tqdm import tqdm

    for frame in tqdm(frames, desc="render"):
        render(frame)

Such a bar is a job. With `tqdm(frames, job=job, phase="render")` it is a phase of an existing job. A bar within the
loop of another, such as the batches of an epoch, is a step of that one, not a job.

The bar's own job fails if an exception leaves its loop and ends the program, or if the program calls `sys.exit` with an
error. It is cancelled if the loop is left early in another way. That includes an exception that is caught outside of
the loop, and a bare `raise SystemExit(3)`: Python sets the exception aside while it closes the loop's generator, so
nothing in the program can see it then. In `with tqdm(frames) as bar:` the bar gets it, and the job fails.
"""

import contextlib
import os
import sys
import threading
import weakref
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, Self

from tqdm.std import tqdm as _tqdm

from phaseline.errors import PhaselineError
from phaseline.reporting.compat.websocket_server import get_websocket_server
from phaseline.reporting.delivery.inbox import Sample
from phaseline.reporting.exits import exiting, is_break, reason_of_end, watch_exits
from phaseline.reporting.job import JobReporter
from phaseline.reporting.nesting import Loop, Nest
from phaseline.reporting.processes import before_end
from phaseline.reporting.reporter import Reporter
from phaseline.reporting.values import name, text_of

__all__ = ["tqdm", "trange"]

# Seconds. A bar only sees the exception that left its loop if that ends the program; it waits this long for it.
_LONGEST_UNWINDING_S: Final = 1.0


class tqdm(_tqdm):  # type: ignore[misc]  # noqa: N801 - replaces an untyped class of this name
    """A bar of tqdm that is also reported as a job's progress.

    The background thread reads the bar's count, so an iteration costs as much as with tqdm. A bar with `disable=True`
    is reported, too.
    """

    _job: JobReporter | None = None  # None before the start and after the end
    _is_left = False

    def __init__(
        self,
        *args: Any,
        job: JobReporter | None = None,
        phase: str | None = None,
        reporter: Reporter | None = None,
        **kwargs: Any,
    ) -> None:
        """Create a bar; tqdm's own arguments work as usual.

        Args:
            *args: Arguments for tqdm.
            job: The job of which the bar is a phase. [a new job, named by the bar's `desc`]
            phase: The name of the phase. [the bar's `desc`]
            reporter: Reports the new job. [a reporter to PROGRESS_URL]
            **kwargs: Arguments for tqdm.
        """
        super().__init__(*args, **kwargs)
        title = name(args[1] if len(args) > 1 else kwargs.get("desc"), "").removesuffix(":")
        self._phase = name(phase, title or "work")
        self._is_own = job is None
        self._handled = sys.exc_info()[1]  # handled by the bar's creator, so not the reason of the bar's end
        self.nest = Nest(self, _takes_steps if job is None else None)
        if self.nest.outer is not None:
            return
        if job is None:
            reporter = reporter or get_websocket_server().reporter
            job = reporter.job(title or "tqdm", phases=[self._phase])
            job.__enter__()
            watch_exits()
            _open.add(self)
        job.report_sample(self._sample())
        self._outer = job.watch(self._sample)
        self._job = job

    def _sample(self) -> Sample:
        try:
            done, total = self.n, self.total
            part = self.nest.part_of(done)
            percent = min(100.0, max(0.0, 100 * (done + part) / total)) if total else None
            # A disabled bar lacks these attributes.
            unit, postfix = getattr(self, "unit", "it"), getattr(self, "postfix", None)
            text = f"{done:g} of {total:g} {unit}" if total else f"{done:g} {unit}"
            text = f"{text}, {postfix}" if postfix else text
            step = self.nest.step
            if isinstance(step, tqdm):
                text = f"{text}; {step._phase} {step._sample()[2]}"  # noqa: SLF001 - of this class
            return self._phase, percent, text, max(0, round(done + part, 3) if part else done), total or None, unit
        except Exception:  # noqa: BLE001 - the loop may set its count and total to anything
            return self._phase, None, text_of(self.n)

    def __iter__(self) -> Iterator[Any]:
        """Yield the items; a disabled bar also counts them."""
        self.nest.entered = True
        return self._counted() if self.disable else super().__iter__()

    def _counted(self) -> Iterator[Any]:
        try:
            for item in self.iterable:
                yield item
                self.n += 1
        finally:
            self.close()

    def update(self, n: float | None = 1) -> bool | None:
        """Add `n` to the count, as tqdm does; a disabled bar also counts."""
        if self.disable and n:
            self.n += n
        shown: bool | None = super().update(n)
        return shown

    def __enter__(self) -> Self:
        """Return the bar; bars that begin in the block are its steps."""
        self.nest.entered = True
        entered: Self = super().__enter__()
        return entered

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the bar; an exception fails the bar's own job."""
        self._end(error)
        super().__exit__(kind, error, trace)

    def close(self) -> None:
        """Close the bar; complete its phase if the count reached the total, or there is no total."""
        super().close()
        error = sys.exc_info()[1]
        if not isinstance(error, GeneratorExit):
            self._end(None if error is self._handled else error)
        elif self._is_own and self._job is not None and not self._is_full:
            # The loop's generator calls this when it is closed.
            self._leave(by_break=is_break())
        else:
            self._end(None)

    @property
    def _is_full(self) -> bool:
        try:
            return bool(self.total) and bool(self.n >= self.total)
        except Exception:  # noqa: BLE001 - as in `_sample`
            return False

    def _leave(self, *, by_break: bool) -> None:
        """End the job of a bar whose loop was left early."""
        self.nest.end()  # now, because the program may begin the next loop before the job ends
        error = exiting()
        if by_break or error is not None:
            self._end(error)
            return
        # The cause is probably an exception, which is not visible here.
        self._is_left = True
        timer = threading.Timer(_LONGEST_UNWINDING_S, self._end, (None,))
        timer.daemon = True
        timer.start()

    def _end(self, error: BaseException | None, *, exit_code: int | None = None) -> None:
        with _ending:
            job, self._job = self._job, None
        _open.discard(self)
        self.nest.end()
        if job is None:
            return
        job.watch(self._outer)
        sample = self._sample()
        job.report_sample(sample)
        full = error is None and (self._is_full or (sample[1] is None and not self._is_left))
        if full:
            job.complete(self._phase, count=self.n)
        if not self._is_own:
            return
        if error is not None:
            with contextlib.suppress(PhaselineError):  # the worker's own error takes precedence
                job.end(error, exit_code=exit_code)
        elif full:
            job.end()
        else:
            job.cancel(f"left at {sample[2]}")


def _takes_steps(outer: Loop) -> bool:
    """Return whether a bar that begins in the loop of `outer` is a step of it."""
    if not isinstance(outer, tqdm):
        return False
    return (outer._job is not None or outer.nest.outer is not None) and not outer._is_full  # noqa: SLF001


_open: "Final[weakref.WeakSet[tqdm]]" = weakref.WeakSet()  # bars whose own job has not ended
_ending = threading.RLock()


def _end_all() -> None:
    """End the jobs of all bars with the outcome of the program."""
    error = reason_of_end()
    exit_code = 1 if isinstance(error, Exception) else None
    for bar in list(_open):
        bar._end(error, exit_code=exit_code)  # noqa: SLF001 - of this module


def _after_fork() -> None:
    """Leave the bars to the parent."""
    global _ending  # noqa: PLW0603 - the thread that held it does not exist in the child
    _ending = threading.RLock()
    _open.clear()


before_end(_end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def trange(*args: Any, **kwargs: Any) -> tqdm:
    """Return `tqdm(range(*args), **kwargs)`."""
    return tqdm(range(*args), **kwargs)
