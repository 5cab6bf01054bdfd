"""Conversion of the server's messages to `JobView`s. Every text is cleaned."""

from functools import lru_cache
from typing import Final, get_args

from phaseline.model.naming import job_name
from phaseline.model.states import STATES
from phaseline.text import one_line, one_line_value
from phaseline_tui.model.counting import count_work
from phaseline_tui.model.frames import (
    Common,
    ErrorOccurred,
    JobCompleted,
    JobFailed,
    JobLost,
    JobMessage,
    JobProgress,
    JobStalled,
    JobStarted,
    JobStatus,
    OrderTaken,
    PhotoInfo,
    StageCompleted,
)
from phaseline_tui.model.jobs import Basis, ErrorView, JobKey, JobView, PhaseState, PhaseView, Remaining, State
from phaseline_tui.model.phase_steps import MAX_PHASES, MAX_TEXT, begin_phase, complete_phase, end_phase, phase_of
from phaseline_tui.model.status_items import ErrorItem
from phaseline_tui.model.times import wall_time
from phaseline_tui.model.wire_values import (
    MAX_SECONDS,
    bounded_seconds,
    facts_of,
    percent_of,
    seconds_of,
    shared_seconds,
)

__all__ = ["apply_message", "from_status", "key_of"]

_MAX_ERRORS: Final = 100
_MAX_REASONS: Final = 5
_MAX_MESSAGES: Final = 5
_STATES: Final = {state.value: state for state in STATES}
_BASES: Final[dict[str | None, Basis]] = {basis: basis for basis in get_args(Basis)}


@lru_cache(maxsize=16384)
def key_of(origin: str, job_id: str) -> JobKey:
    """Return the key of a job. Cached, because every message needs it."""
    return JobKey(origin, one_line(job_id))


def from_status(status: JobStatus, received: float, epoch: str, origin: str = "") -> JobView:
    """Return the job of a snapshot.

    Args:
        status: The job on the wire.
        received: Time of receipt, in monotonic seconds.
        epoch: Epoch of the snapshot.
        origin: Label of the connection that received it.
    """
    job = JobView(one_line(status.job_id), origin=origin, epoch=epoch)
    job.wire_id = status.job_id
    job.phases = [phase_of(item, job_start=wall_time(status.started_at)) for item in status.stages[:MAX_PHASES]]
    job.photo_info = facts_of(status.photo_info)
    _apply_common(job, status, received)
    job.worker = facts_of(status.worker)
    count_work(job, status.done, status.total, status.unit, status.rate)
    _set_stall(job, status)
    job.message = one_line(status.message or "", MAX_TEXT)
    job.started_at = wall_time(status.started_at)
    job.completed_at = wall_time(status.completed_at)
    job.duration = seconds_of(status.duration)
    job.cache_hit = status.cache_hit
    _set_place(job, status, received)
    job.paused = status.paused
    job.result = one_line_value(status.result)
    job.reasons = tuple(one_line(item.text) for item in status.eta_reasons[-_MAX_REASONS:] if item.text)
    job.errors = [_error(item) for item in status.errors[-_MAX_ERRORS:]]
    current = job.current
    if current is not None and status.progress is not None and not job.over:
        current.progress = percent_of(status.progress)
    return job


def apply_message(job: JobView, message: JobMessage, received: float) -> None:
    """Update `job` with a message received at `received`, in monotonic seconds."""
    before = job.current
    if isinstance(message, JobProgress):  # the most frequent type
        _apply_common(job, message, received)
        current = _progress(job, message)
    else:
        if isinstance(message, JobStarted):
            _start(job, message, received)
            before = None
        _apply_common(job, message, received)
        _apply_other(job, message)
        current = job.current
    if current is not before:
        job.phase_from = job.percent
    if message.epoch:
        job.epoch = message.epoch
    job.clear_cache()


def _apply_other(job: JobView, message: JobMessage) -> None:
    if isinstance(message, StageCompleted):
        complete_phase(job, message)
    elif isinstance(message, PhotoInfo):
        job.details = one_line_value(message.photo_data)
    elif isinstance(message, ErrorOccurred):
        _add_error(job, message)
    elif isinstance(message, JobCompleted | JobFailed):
        _end(job, message)
    elif isinstance(message, OrderTaken):
        job.paused = message.order == "pause" if message.order != "cancel" else job.paused
    elif isinstance(message, JobStalled | JobLost):
        _set_stall(job, message)
        current = job.current
        if isinstance(message, JobLost) and current is not None and current.state is PhaseState.CURRENT:
            current.elapsed = seconds_of(message.stage_elapsed_seconds)


def _set_place(job: JobView, message: JobStatus | JobStarted, received: float) -> None:
    job.queue, job.position = one_line(message.queue or ""), message.position
    left = seconds_of(message.start_eta_seconds)
    job.begins = None if left is None else received + left


def _set_stall(job: JobView, message: JobStatus | JobStalled | JobLost) -> None:
    job.stall_reason = one_line(message.reason or "")
    silence = seconds_of(message.silent_seconds)
    job.silent_from = None if silence is None else job.received - silence


def _apply_common(job: JobView, common: Common, received: float) -> None:
    """Apply the common fields of a message; missing ones stay unchanged."""
    job.received = received
    if common.seq is not None:
        job.seq = common.seq
    _apply_description(job, common)
    percent, elapsed = common.percent, common.elapsed_seconds
    if percent is not None:
        job.percent = percent if 0.0 <= percent <= 100.0 else percent_of(percent)  # noqa: PLR2004 (percent)
    if elapsed is not None:
        job.elapsed = elapsed if 0.0 <= elapsed <= MAX_SECONDS else bounded_seconds(elapsed)
    _apply_estimate(job, common)
    count = common.stage_count
    if count is not None and not job.phase_count == count >= len(job.phases):
        job.phase_count = min(MAX_PHASES, max(len(job.phases), count))
    if common.stage_index != job.phase_index and common.stage_index is not None:
        job.phase_index = min(max(0, common.stage_index), MAX_PHASES)


def _apply_description(job: JobView, common: Common) -> None:
    """Apply the fields that seldom change. With a thousand messages a second, comparing is cheaper than cleaning."""
    if common.state != job.state:
        job.state = _STATES.get(common.state or "", job.state)
    if common.workflow != job.workflow and common.workflow:
        job.workflow = one_line(common.workflow)
    if common.series != job.series and common.series:
        job.series = one_line(common.series)
    if common.host != job.host and common.host:
        job.host = one_line(common.host)
    if not job.photo_id and common.photo_id is not None:
        job.photo_id = one_line(str(one_line_value(common.photo_id)))
    if common.name != job.name and common.name:
        job.name = one_line(common.name)
    elif not job.name:  # an older server sends none
        facts = job.photo_info if isinstance(job.photo_info, dict) else {}
        job.name = job_name("", facts, None, job.job_id)


def _apply_estimate(job: JobView, common: Common) -> None:
    """Apply the estimate; a missing one clears the previous one."""
    likely = common.eta_seconds
    if likely is None:
        job.remaining = None
    else:
        low, high = common.eta_low_seconds, common.eta_high_seconds
        job.remaining = Remaining(
            likely if 0.0 <= likely <= MAX_SECONDS else bounded_seconds(likely),
            low if low is None or 0.0 <= low <= MAX_SECONDS else bounded_seconds(low),
            high if high is None or 0.0 <= high <= MAX_SECONDS else bounded_seconds(high),
        )
    job.basis = _BASES.get(common.eta_basis, "none")
    job.runs = max(0, common.eta_runs) if common.eta_runs else 0


def _start(job: JobView, message: JobStarted, received: float) -> None:
    """Start or restart a job; a restart clears the previous attempt."""
    fresh = JobView(job.job_id, job.origin)
    fresh.wire_id, fresh.differs_by = job.wire_id, job.differs_by
    for name in JobView.__struct_fields__:
        setattr(job, name, getattr(fresh, name))
    names = message.stages[:MAX_PHASES]
    job.phases = [PhaseView(one_line(name), average=shared_seconds(message.averages.get(name))) for name in names]
    job.phase_count = len(job.phases)
    job.started_at = wall_time(message.timestamp)
    job.photo_info = facts_of(message.photo_info)
    job.worker = facts_of(message.worker)
    _set_place(job, message, received)


def _progress(job: JobView, message: JobProgress) -> PhaseView | None:
    """Apply the progress of a phase and return the current phase."""
    text = one_line(message.message, MAX_TEXT) if message.message else ""
    if text and text != job.message:
        job.messages = (*job.messages[1 - _MAX_MESSAGES :], (job.elapsed, text))
    job.message = text
    if message.details:
        job.details = one_line_value(message.details)
    phase = job.current
    if not message.stage:
        return phase
    if phase is None or phase.name != message.stage or phase.state is not PhaseState.CURRENT:  # False for most messages
        phase = begin_phase(job, one_line(message.stage), seconds_of(message.stage_elapsed_seconds) or 0.0)
    progress = message.progress
    phase.progress = progress if progress is None else percent_of(progress)
    if message.done is not None or job.done is not None:
        count_work(job, message.done, message.total, message.unit)
    return phase


def _add_error(job: JobView, message: ErrorOccurred) -> None:
    item = ErrorItem(
        error_type=message.error_type,
        error_message=message.error_message,
        error_details=message.error_details,
        stage=message.stage,
        timestamp=message.timestamp,
    )
    error = _error(item)
    job.errors = [*job.errors, error][-_MAX_ERRORS:]
    for phase in job.phases:
        if phase.name == error.phase:
            phase.error = error.message or error.kind


def _end(job: JobView, message: JobCompleted | JobFailed) -> None:
    job.remaining = None
    job.result = one_line_value(message.result)
    job.duration = seconds_of(message.duration)
    job.paused = False
    job.completed_at = wall_time(message.timestamp)
    completed = isinstance(message, JobCompleted)
    if not job.over:
        job.state = State.COMPLETED if completed else State.FAILED
    if completed:
        job.percent = 100.0
    for phase in job.phases:
        if phase.state is PhaseState.CURRENT:
            end_phase(job, phase, PhaseState.DONE if completed else PhaseState.FAILED)


def _error(item: ErrorItem) -> ErrorView:
    return ErrorView(
        kind=one_line(item.error_type or ""),
        message=one_line(item.error_message or "", MAX_TEXT),
        phase=one_line(item.stage or ""),
        at=wall_time(item.timestamp),
        details=one_line_value(item.error_details),
    )
