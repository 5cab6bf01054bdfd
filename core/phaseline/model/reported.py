"""Apply events to the reported state of a job. `transitions` defines which events it accepts."""

from typing import Final, assert_never

import msgspec

from phaseline.model.events import (
    ErrorOccurred,
    Event,
    Finding,
    JobCancelled,
    JobCompleted,
    JobDismissed,
    JobFailed,
    JobLost,
    JobProgress,
    JobQueued,
    JobResumed,
    JobStalled,
    JobStarted,
    MetricsReported,
    OrderGiven,
    OrderRefused,
    OrderTaken,
    PhaseCompleted,
    PhotoInfo,
)
from phaseline.model.job_data import MAX_KEPT_BYTES, JobData
from phaseline.model.kept_errors import MAX_ERRORS
from phaseline.model.orders import Orders
from phaseline.model.phase import Phase, PhaseDuration
from phaseline.model.snapshot import ErrorSnapshot, Moment, Order
from phaseline.model.states import PhaseState, State
from phaseline.model.timeline import Timeline
from phaseline.model.transitions import check
from phaseline.model.weight import weight
from phaseline.model.workflows import PHOTO

__all__ = ["MAX_ERRORS", "MAX_KEPT_BYTES", "ReportedJob"]

_encoder: Final = msgspec.json.Encoder()

# These events only change what an estimate depends on if they change the state, the photo or the current phase.
_MINOR: Final = (JobProgress, ErrorOccurred, MetricsReported)


class ReportedJob(JobData):
    """The reported state of one job, from `job_queued` or `job_started` to its end; use `Job`."""

    # ------------------------------------------------------------------ events

    def goes_on(self, event: JobProgress, now: Moment) -> bool:
        """Apply a report of progress in the current phase; return False and change nothing for any other.

        Most reports are of this kind. `apply` has the same effect on them at several times the cost.
        """
        timeline = self.timeline
        if self.state is not State.ACTIVE or timeline.current is None or now.mono_ns < self.latest.mono_ns:
            return False
        phase, progress = timeline.phases[timeline.current], event.progress
        if phase.name != event.phase or (self.photo_id is None and event.photo_id is not None):
            return False
        if progress is not None:
            if not 0 <= progress <= 100:  # noqa: PLR2004 - percent
                return False
            phase.report(progress, now)
        if event.done is not None:
            phase.count(event.done, event.total, event.unit, now)
        self.latest = self.last_report = now
        self.text = event.text
        return True

    def resolved(self, event: JobProgress) -> JobProgress:
        """Return `event` with the progress computed from its count, for `goes_on`, `apply` and the message."""
        if event.progress is not None or event.done is None:
            return event
        index = self.timeline.index(event.phase)
        phase = self.phases[index] if index is not None and index == self.current else Phase(event.phase)
        return msgspec.structs.replace(event, progress=phase.percent_of(event.done, event.total))

    def apply(self, event: Event, now: Moment) -> tuple[PhaseDuration, ...]:
        """Apply `event`; when it ends the job, return the durations of all completed phases.

        Estimates learn from a job only at its end, so its own phases never change the estimate of its remaining ones.

        Args:
            event: The event.
            now: The time at which it happened.

        Raises:
            IllegalEvent: As `transitions.check`; the job is unchanged.
            InvalidField: As `transitions.check`; the job is unchanged.
            TooLarge: As `transitions.check`; the job is unchanged.
        """
        after = check(self, event)
        if isinstance(event, Finding):
            self._find(event, after, now)
            return ()
        if isinstance(event, JobDismissed | OrderGiven):
            self._apply_user_event(event, now)
            return ()
        known = self.state, self.photo_id, self.current
        # The reported age of an event can't date it before the previous report.
        now = self.latest = self.last_report = now if now.mono_ns >= self.latest.mono_ns else self.latest
        self.stall_reason, self.dismissed = "", False
        if self.photo_id is None:
            # Some workers send it only after the start.
            self.photo_id = getattr(event, "photo_id", None)
            if self.photo_id is not None:
                self.rename()
        if self.undecided:
            self._decide(event)
        self._change(event, now)
        self.state = after
        if not isinstance(event, _MINOR) or known != (self.state, self.photo_id, self.current):
            self.version = object()
        return self.durations() if after.ended else ()

    def _change(self, event: Event, now: Moment) -> None:  # noqa: C901 - one case per event
        match event:
            case JobProgress():
                self.text = event.text
                self.timeline.enter(event.phase, event.progress, now)
                if event.done is not None and self.current is not None:
                    self.phases[self.current].count(event.done, event.total, event.unit, now)
            case PhaseCompleted():
                self.timeline.complete(event.phase, PhaseState.SKIPPED if event.skipped else PhaseState.DONE, now)
                self._keep_result(event)
            case JobStarted():
                self._begin(event, now)
            case JobQueued():
                self._queue(event, now)
            case OrderTaken() | OrderRefused():
                self._answer(event)
            case PhotoInfo():
                self.info = self.info | event.data
                self.info_weight = weight(_encoder.encode(self.info))
                self.rename()
            case ErrorOccurred():
                self._error(event, now)
            case JobCompleted() | JobFailed() | JobCancelled():
                self._end(event, now)
            case MetricsReported() | JobStalled() | JobLost() | JobResumed() | JobDismissed() | OrderGiven():
                pass  # these change only the state, or are applied before
            case _:
                assert_never(event)

    def _apply_user_event(self, event: JobDismissed | OrderGiven, now: Moment) -> None:
        """Apply a user's event, which does not show that the worker is alive."""
        if isinstance(event, OrderGiven):
            self.orders = self.orders.given(Order(event.order_id, event.order, event.reason, now.wall_ns))
        else:
            self.dismissed = True
        self.version = object()

    def _queue(self, event: JobQueued, now: Moment) -> None:
        since, orders = (self.queued, self.orders) if self.waits is not None else (None, None)
        self.reset(event, since or now)
        self.waits, self.queued = event, self.started
        self.orders = Orders.of(event.orders, orders)

    def _begin(self, event: JobStarted, now: Moment) -> None:
        """Start the job; a queued job keeps the facts from its queue that the start lacks."""
        waited, since, orders = self.waits, self.queued, self.orders
        if waited is None:
            self.reset(event, now)
            return
        alike = event.workflow in {None, waited.workflow}
        known = msgspec.structs.replace(
            event,
            name=event.name or self.given_name,
            photo_id=event.photo_id if event.photo_id is not None else self.photo_id,
            photo_info=self.info | event.photo_info,
            workflow=event.workflow or waited.workflow,
            phases=event.phases or (waited.phases if alike else ()),
            series=event.series or self.series,
            host=event.host or self.host,
            worker=event.worker or self.worker,
            queue=event.queue or self.queue,
        )
        self.reset(known, now)
        self.queued, self.orders = since, Orders.of(event.orders, orders)
        self.workers = ()  # the process that queued the job need not be its worker

    def _answer(self, event: OrderTaken | OrderRefused) -> None:
        before = self.orders.paused
        self.orders = self.orders.answered(event.order_id, event.order, taken=isinstance(event, OrderTaken))
        if self.orders.paused != before:
            self.timeline.interrupt()  # the phase's duration doesn't measure its work

    def _decide(self, event: Event) -> None:
        """Choose the workflow of a job that was started without one, if `event` determines it."""
        match event:
            case JobProgress() | PhaseCompleted() if event.phase not in PHOTO.ends:
                is_photo = event.phase in PHOTO.phases or event.phase in PHOTO.extras
            case PhotoInfo():
                is_photo = True
            case _:
                return
        self.undecided = False
        if is_photo:
            interrupted, self.workflow = self.timeline.interrupted, PHOTO
            self.timeline = Timeline(PHOTO, self.started)
            self.timeline.interrupted = interrupted

    def _find(self, event: Finding, after: State, now: Moment) -> None:
        match event:
            case JobStalled() | JobLost():
                self.stall_reason = event.reason
            case JobResumed():
                self.stall_reason, self.last_report = "", now
        self.state, self.version = after, object()

    def _error(self, event: ErrorOccurred, now: Moment) -> None:
        phase = event.phase if event.phase is not None or self.current is None else self.phases[self.current].name
        error = ErrorSnapshot(event.error_type, event.text, event.details, phase, now.wall_ns)
        self.kept_errors = self.kept_errors.adding(error, self.max_kept_bytes)

    def _keep_result(self, event: PhaseCompleted) -> None:
        if event.phase not in self.results and (not event.result or len(self.results) >= self.max_phases):
            return
        before = self.results.get(event.phase)
        others_bytes = self.results_bytes - (len(_encoder.encode(before)) if before is not None else 0)
        size = len(_encoder.encode(event.result))
        kept = others_bytes + size <= self.max_kept_bytes
        self.results = {**self.results, event.phase: event.result if kept else None}
        self.results_bytes = others_bytes + (size if kept else 0)

    def _end(self, event: JobCompleted | JobFailed | JobCancelled, now: Moment) -> None:
        self.ended, self.waits, self.orders = now, None, Orders()
        if isinstance(event, JobCancelled):
            self.result, self.duration, why = {"error": event.reason}, None, event.reason or "cancelled"
        else:
            self.result, self.duration, why = event.result, event.duration, str(event.result.get("error") or "failed")
        self.result_weight = weight(_encoder.encode(self.result))
        if isinstance(event, JobCompleted):
            self.timeline.close(PhaseState.DONE, now)
            self.timeline.skip_rest()
            self.percent = 100.0
        else:
            self.timeline.close(PhaseState.FAILED, now, why)

    def durations(self) -> tuple[PhaseDuration, ...]:
        """Return the durations of the completed phases of a job that has ended."""
        if self.cache_hit:
            return ()
        done = (phase for phase in self.phases if phase.state is PhaseState.DONE and phase.measured)
        return tuple(PhaseDuration(self.workflow.name, self.series, phase.name, phase.spent_ns) for phase in done)
