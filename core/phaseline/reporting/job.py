"""One job as a worker reports it: the high-level interface."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from phaseline.errors import PhaselineError
from phaseline.model.events import (
    ErrorOccurred,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobProgress,
    JobQueued,
    JobStarted,
    PhaseCompleted,
    PhotoInfo,
)
from phaseline.reporting.delivery.inbox import Sample, progress_event
from phaseline.reporting.orders import Handlers, OrderHandler
from phaseline.reporting.values import count_of, facts, name, text_of

if TYPE_CHECKING:
    from phaseline.reporting.reporter import Reporter

__all__ = ["SIGN_OF_LIFE_S", "SMALLEST_STEP", "JobReporter"]

T = TypeVar("T")

# In percent. Messages round to two decimals, so a smaller change is not visible.
SMALLEST_STEP: Final = 0.005
# An unchanged progress is sent again after this time, as a heartbeat.
SIGN_OF_LIFE_S: Final = 5.0
_OF_BOTH: Final = tuple(
    field for field in JobStarted.__struct_fields__ if field in JobQueued.__struct_fields__ and field != "queue"
)
_NOTHING_SENT: Final = (None, None, "", None)


class JobReporter:
    """A job, from the start of its `with` block to the end; created by `Reporter.job`.

    An exception that leaves the block is reported as an error and fails the job. So does an exit of the program with a
    text or a number other than 0; an exit with 0 completes the job. KeyboardInterrupt or the cancellation of a task
    cancels it. So does any end after an order to cancel was taken.

    Attributes:
        job_id: The job's id.
        cancelled: Whether an order to cancel the job was taken; the work should then stop.
    """

    def __init__(self, reporter: "Reporter", started: JobStarted, handlers: Handlers | None = None) -> None:
        """Create a job of `reporter` that starts with the event `started`, and handles orders with `handlers`."""
        self.job_id = started.job_id
        self.cancelled = False
        self._reason = ""
        self._handlers = handlers or {}
        self._reporter = reporter
        self._started = started
        self._phase = started.phases[0] if started.phases else "work"
        self._result: dict[str, Any] = {}
        # Phase, percent, text and count of the last progress.
        self._sent: tuple[object, object, object, object] = _NOTHING_SENT
        self._sent_at = 0.0

    def __enter__(self) -> Self:
        """Report the start."""
        self._attend()
        self._reporter.report(self._started)
        return self

    def queue(self, queue: str = "", position: int | None = None) -> Self:
        """Report that the job waits in a queue, before its start; call it again when its position changes.

        Args:
            queue: The name of the queue.
            position: Its place in the queue, from 1.
        """
        self._attend()
        start = {field: getattr(self._started, field) for field in _OF_BOTH}
        self._reporter.report(JobQueued(**start, queue=name(queue, ""), position=position))
        return self

    def _attend(self) -> None:
        if self._handlers:
            cancel = self._handlers.get("cancel")
            own: Handlers = dict(self._handlers)
            if cancel is not None:
                own["cancel"] = self._cancelling(cancel)
            self._reporter.attend(self.job_id, own)

    def _cancelling(self, cancel: OrderHandler) -> OrderHandler:
        def carry_out(reason: str) -> None:
            self.cancelled, self._reason = True, reason
            try:
                cancel(reason)
            except BaseException:
                self.cancelled = False
                raise

        return carry_out

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Report the end."""
        try:
            self.end(error)
        except PhaselineError:
            if error is None:  # a strict reporter's error never replaces the worker's own
                raise

    def end(self, error: BaseException | str | None = None, *, exit_code: int | None = None) -> None:
        """End the job with the outcome that `error` implies. Call it once if there is no `with` block.

        Args:
            error: The exception that left the job's code, or a text for a failure, or None.
            exit_code: The program's exit code, if the exception ends the program.
        """
        self._reporter.attend(self.job_id, {})
        if self.cancelled:
            self.cancel(self._reason or "cancelled")
            return
        if isinstance(error, SystemExit):
            exit_code = _exit_code(error)
            error = error if exit_code else None
        if error is None:
            self._reporter.watch(self.job_id, None)
            self._reporter.report(JobCompleted(job_id=self.job_id, result=self._result))
        elif isinstance(error, BaseException) and not isinstance(error, Exception | SystemExit):
            self.cancel(type(error).__name__)
        else:
            self._reporter.watch(self.job_id, None)
            self._fail(error, exit_code)

    def _fail(self, error: object, exit_code: int | None) -> None:
        kind = type(error).__name__ if isinstance(error, BaseException) else "Error"
        text = text_of(error)
        if isinstance(error, SystemExit) and isinstance(error.code, int):
            text = f"exit code {exit_code}"
        result = {**self._result, "error": text, "error_type": kind}
        if exit_code is not None:
            result["exit_code"] = exit_code
        self.error(kind, text)
        self._reporter.report(JobFailed(job_id=self.job_id, result=result))

    def cancel(self, reason: str) -> None:
        """End the job as cancelled; call it once, like `end`."""
        self._reporter.attend(self.job_id, {})
        self._reporter.watch(self.job_id, None)
        self._reporter.report(JobCancelled(job_id=self.job_id, reason=text_of(reason)))

    # ------------------------------------------------------------------ phases

    def progress(
        self,
        percent: float | None = None,
        text: str = "",
        *,
        phase: str | None = None,
        done: float | None = None,
        total: float | None = None,
        unit: str = "",
        details: dict[str, Any] | None = None,
    ) -> None:
        """Report a phase's progress. A call without a visible change is cheap and sends nothing.

        Args:
            percent: 0 to 100; None if unknown, or if `done` and `total` give it.
            text: A line for users.
            phase: The phase. [the last one reported]
            done: The number of units that are done.
            total: The number of units of the phase. It may grow.
            unit: The name of a unit, such as `frames`.
            details: Any other data.
        """
        if phase is None:
            phase = self._phase
        try:
            last_phase, last_percent, last_text, last_done = self._sent
            if (
                last_phase == phase
                and last_text == text
                and last_done == done
                and not details
                and (percent is last_percent or abs(percent - last_percent) < SMALLEST_STEP)  # type: ignore[operator]
                and time.monotonic() - self._sent_at < SIGN_OF_LIFE_S
            ):
                return
        except Exception:  # noqa: BLE001, S110 - a value that can't be compared, such as None, has changed
            pass
        self._sent, self._sent_at, self._phase = (phase, percent, text, done), time.monotonic(), name(phase, "work")
        self._reporter.report(
            JobProgress(
                job_id=self.job_id,
                phase=self._phase,
                progress=percent,
                done=done,
                total=total,
                unit=name(unit, "", 40),
                text=text_of(text),
                details=facts(details),
            )
        )

    @contextmanager
    def phase(self, name: str, text: str = "") -> Iterator[None]:
        """Report a phase for the duration of the block; complete it unless an exception leaves the block."""
        self.progress(None, text, phase=name)
        yield
        self.complete(name)

    def complete(self, phase: str, **result: Any) -> None:
        """Report that a phase is done, with its result."""
        self._end_phase(PhaseCompleted(job_id=self.job_id, phase=name(phase, "work"), result=result))

    def skip(self, phase: str) -> None:
        """Report that a phase is skipped."""
        self._end_phase(PhaseCompleted(job_id=self.job_id, phase=name(phase, "work"), skipped=True))

    def _end_phase(self, event: PhaseCompleted) -> None:
        self._sent = _NOTHING_SENT  # an unchanged progress would reopen the phase, so it must be sent
        self._reporter.report(event)

    def track(self, items: Iterable[T], *, phase: str, total: int | None = None, unit: str = "") -> Iterator[T]:
        """Yield the items and report how many are done.

        The loop itself only counts. The background thread reads the count ten times a second while it is connected, so
        an iteration costs less than reading a clock.

        Args:
            items: Any iterable.
            phase: The phase to report; completed after the last item.
            total: Number of items, if `len(items)` is not available.
            unit: The name of an item, such as `frames`.
        """
        whole = count_of(items, total)
        done = 0

        def sample() -> Sample:
            percent = min(100.0, 100 * done / whole) if whole > 0 else None
            # The text is for subscribers that only know the photo protocol.
            return phase, percent, f"{done} of {whole}" if whole > 0 else str(done), done, whole or None, unit

        self.report_sample(sample())
        with self._watched(sample):
            for item in items:
                yield item
                done += 1
        self.complete(phase, count=done)

    @contextmanager
    def _watched(self, sample: Callable[[], Sample]) -> Iterator[None]:
        outer = self._reporter.watch(self.job_id, sample)
        try:
            yield
        finally:
            self._reporter.watch(self.job_id, outer)
            self.report_sample(sample())

    def report_sample(self, sample: Sample) -> None:
        """Report the result of a function given to `watch`."""
        event = progress_event(self.job_id, *sample)
        self.progress(
            event.progress, event.text, phase=event.phase, done=event.done, total=event.total, unit=event.unit
        )

    # ------------------------------------------------------------------ other reports

    def info(self, **data: Any) -> None:
        """Report metadata of the item that the job processes."""
        self._reporter.report(PhotoInfo(job_id=self.job_id, data=data))

    def error(self, error_type: object, text: object, **details: Any) -> None:
        """Report an error; the job continues."""
        kind = name(type(error_type).__name__ if isinstance(error_type, BaseException) else error_type, "Error")
        self._reporter.report(
            ErrorOccurred(
                job_id=self.job_id, error_type=kind, text=text_of(text) or kind, details=details, phase=self._phase
            )
        )

    def result(self, **data: Any) -> None:
        """Add to the result that is reported at the job's end."""
        self._result |= data

    def watch(self, sample: Callable[[], Sample | None] | None) -> Callable[[], Sample | None] | None:
        """Sample the job's progress with `sample`; see `Reporter.watch`."""
        return self._reporter.watch(self.job_id, sample)


def _exit_code(error: SystemExit) -> int:
    """Return the exit code of the process; for a text, which Python prints, it is 1."""
    if error.code is None:
        return 0
    return error.code if isinstance(error.code, int) else 1
