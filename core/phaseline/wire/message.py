"""The messages of the photo protocol: its own fields first and unchanged, then Phaseline's."""

from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, Final

import msgspec

from phaseline.model.events import (
    BaseEvent,
    Event,
    JobCancelled,
    JobCompleted,
    JobDismissed,
    JobFailed,
    JobLost,
    JobProgress,
    JobQueued,
    JobStalled,
    JobStarted,
    PhaseCompleted,
)
from phaseline.model.snapshot import Brief, PhaseSnapshot, Snapshot
from phaseline.model.states import PhaseState

__all__ = [
    "CompletedStage",
    "completed_stages",
    "count_of",
    "encode_message",
    "encode_refrain",
    "needs_snapshot",
    "ours",
    "queue_of",
    "seconds",
    "timestamp",
]

_encoder: Final = msgspec.json.Encoder()
_LAST_NS: Final = 253_402_300_800_000_000_000  # the year 10000
_WITH_SNAPSHOT: Final = (
    JobQueued,
    JobStarted,
    JobCompleted,
    JobFailed,
    JobCancelled,
    JobStalled,
    JobLost,
    JobDismissed,
)


class CompletedStage(msgspec.Struct, frozen=True):
    """A completed phase of a job, and its result; null if the results together were too large to store."""

    stage: str
    completed_at: str
    result: dict[str, Any] | None


def timestamp(wall_ns: int) -> str:
    """Return a wall-clock time in RFC 3339 format, in UTC with `Z` and milliseconds."""
    second, rest_ns = divmod(wall_ns, 1_000_000_000)
    return f"{_to_the_second(second)}.{rest_ns // 1_000_000:03d}Z"


@lru_cache(maxsize=256)
def _to_the_second(second: int) -> str:
    # Messages of the same second share this text, which is the expensive part.
    return datetime.fromtimestamp(second, UTC).replace(tzinfo=None).isoformat()


def seconds(duration_ns: int | None) -> float | None:
    """Return nanoseconds as seconds, rounded to milliseconds; None stays None."""
    # `round` with digits takes ten times as long.
    return None if duration_ns is None else (duration_ns + 500_000) // 1_000_000 / 1000


def eta_seconds(remaining_ns: int | None) -> float | None:
    """Return `seconds`, but at least 1 ms while any time remains."""
    return seconds(max(remaining_ns, 1_000_000) if remaining_ns else remaining_ns)


def finish_at(at_ns: int, remaining_ns: int | None) -> str | None:
    """Return the estimated end as a timestamp; None if unknown or after the year 9999."""
    if remaining_ns is None or at_ns + remaining_ns >= _LAST_NS:
        return None
    return timestamp(at_ns + remaining_ns)


def ours(brief: Brief) -> dict[str, Any]:
    """Return the fields that Phaseline adds to each message and to a job's status."""
    estimate = brief.estimate
    return {
        "name": brief.name,
        "workflow": brief.workflow,
        "series": brief.series,
        "host": brief.host,
        "state": brief.state,
        "percent": round(estimate.percent, 2),
        "eta_seconds": eta_seconds(estimate.remaining_ns),
        "eta_low_seconds": eta_seconds(estimate.low_ns),
        "eta_high_seconds": eta_seconds(estimate.high_ns),
        "finish_at": finish_at(brief.at_ns, estimate.remaining_ns),
        "finish_low_at": finish_at(brief.at_ns, estimate.low_ns),
        "finish_high_at": finish_at(brief.at_ns, estimate.high_ns),
        "eta_basis": estimate.basis,
        "eta_runs": estimate.runs,
        "stage_index": brief.phase_index,
        "stage_count": brief.phase_count,
    }


def encode_refrain(job: Brief) -> bytes:
    """Return the result of `ours` as JSON without braces; many messages of a job share it."""
    return _encoder.encode(ours(job))[1:-1]


def encode_message(  # noqa: PLR0913 - the known facts about the job
    event: Event,
    job: Brief,
    seq: int,
    epoch: str,
    wall_ns: int,
    *,
    elapsed_ns: int | None = None,
    phase_elapsed_ns: int | None = None,
    phase: PhaseSnapshot | None = None,
    refrain: bytes | None = None,
) -> bytes:
    """Return the message that publishes `event`.

    Args:
        event: The event.
        job: The job's state after the event; a full `Snapshot` if `needs_snapshot(event)`.
        seq: The event's number.
        epoch: The stream's epoch.
        wall_ns: Wall-clock time of the event.
        elapsed_ns: Time since the job's start, if it differs from that of `job`.
        phase_elapsed_ns: Time in the current phase, if there is one.
        phase: The phase of a `PhaseCompleted`, unless `job` is a `Snapshot`; None if the job has no such phase.
        refrain: The result of `encode_refrain(job)`, if known.
    """
    # The photo protocol has no cancellation: it is published as a failure, and `state` has the difference.
    kind = JobFailed.__struct_config__.tag if isinstance(event, JobCancelled) else event.type
    first = {"type": kind, "job_id": event.job_id, "photo_id": job.photo_id, **_specific(event, job)}
    first["timestamp"] = timestamp(wall_ns)
    first["seq"] = seq
    first["epoch"] = epoch
    last: dict[str, Any] = {"elapsed_seconds": seconds(job.elapsed_ns if elapsed_ns is None else elapsed_ns)}
    if isinstance(event, JobProgress) and phase_elapsed_ns is not None:
        last["stage_elapsed_seconds"] = seconds(phase_elapsed_ns)
    if isinstance(job, Snapshot):
        last |= _extra(event, job)
    elif isinstance(event, PhaseCompleted):
        last |= _ended_phase(event, phase)
    parts = (_encoder.encode(first)[:-1], refrain or encode_refrain(job), _encoder.encode(last)[1:])
    return b",".join(parts)


def needs_snapshot(event: Event) -> bool:
    """Return whether the message of `event` needs the job's full snapshot."""
    return isinstance(event, _WITH_SNAPSHOT)


def _specific(event: Event, job: Brief) -> dict[str, Any]:
    """Return the photo protocol's own fields of a message, in its order; for most events they are the event's own."""
    match event:
        case JobStarted() | JobQueued():
            return {"photo_info": event.photo_info}
        case JobProgress():
            progress = event.progress if event.progress is not None else job.estimate.phase_percent
            return {
                "stage": event.phase,
                "progress": round(float(progress), 2),
                "message": event.text,
                "details": event.details,
                **count_of(event),
            }
        case PhaseCompleted():
            return {"stage": event.phase, "result": event.result}
        case JobCompleted() | JobFailed() | JobCancelled():
            return _end(event, job) if isinstance(job, Snapshot) else {}
        case JobStalled() | JobLost():
            return {}  # the reason is beside the length of the silence
        case _:
            return {on_the_wire: getattr(event, name) for name, on_the_wire in _own_fields(type(event))}


@cache
def _own_fields(kind: type[Event]) -> tuple[tuple[str, str], ...]:
    """Return the names of the fields that only this type of event has, each with its name on the wire."""
    common = {*BaseEvent.__struct_fields__, "photo_id"}
    names = zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True)
    return tuple((name, on_the_wire) for name, on_the_wire in names if name not in common)


def count_of(event: JobProgress) -> dict[str, Any]:
    """Return the fields of the reported number of units; none if it was not reported."""
    if event.done is None:
        return {}
    return {"done": event.done, "total": event.total, "unit": event.unit}


def _end(event: Event, snapshot: Snapshot) -> dict[str, Any]:
    return {
        "success": isinstance(event, JobCompleted),
        "result": snapshot.result,
        "duration": snapshot.duration if snapshot.duration is not None else seconds(snapshot.elapsed_ns),
        **({"stages_completed": completed_stages(snapshot)} if isinstance(event, JobCompleted) else {}),
    }


def completed_stages(snapshot: Snapshot) -> list[CompletedStage]:
    """Return the completed phases as the photo protocol lists them."""
    return [
        CompletedStage(phase.name, timestamp(phase.ended_ns), snapshot.results.get(phase.name, {}))
        for phase in snapshot.phases
        if phase.state is PhaseState.DONE
    ]


def _extra(event: Event, snapshot: Snapshot) -> dict[str, Any]:
    """Return the fields that Phaseline adds to this type of message only."""
    match event:
        case JobStarted() | JobQueued():
            averages = {phase.name: seconds(phase.average_ns) for phase in snapshot.phases if phase.average_ns}
            return {
                "worker": snapshot.worker,
                "stages": [phase.name for phase in snapshot.phases],
                "averages": averages,
                "cache_hit": snapshot.cache_hit,
                "orders": snapshot.orders,
                **queue_of(snapshot),
            }
        case PhaseCompleted():
            return _ended_phase(event, next((phase for phase in snapshot.phases if phase.name == event.phase), None))
        case JobStalled() | JobLost():
            current = next((phase for phase in snapshot.phases if phase.state is PhaseState.CURRENT), None)
            return {
                "reason": snapshot.stall_reason,
                "silent_seconds": seconds(snapshot.silent_ns),
                "stage_elapsed_seconds": seconds(current.elapsed_ns) if current else None,
            }
        case JobDismissed():
            return {"completed_at": timestamp(snapshot.ended_ns) if snapshot.state.ended else None}
        case _:
            return {}


def queue_of(snapshot: Snapshot) -> dict[str, Any]:
    """Return the fields about a job's queue."""
    return {
        "queue": snapshot.queue,
        "position": snapshot.position,
        "queued_at": timestamp(snapshot.queued_ns) if snapshot.queued_ns else None,
        "start_eta_seconds": eta_seconds(snapshot.begins_ns),
        "start_at": finish_at(snapshot.at_ns, snapshot.begins_ns),
    }


def _ended_phase(event: PhaseCompleted, phase: PhaseSnapshot | None) -> dict[str, Any]:
    return {
        "skipped": event.skipped,
        "stage_seconds": seconds(phase.elapsed_ns) if phase else None,
        "average_seconds": seconds(phase.average_ns) if phase else None,
    }
