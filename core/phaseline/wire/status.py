"""A job's status and the full state, in the photo protocol's names."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from phaseline.model.event_fields import OrderKind
from phaseline.model.events import PhotoId
from phaseline.model.snapshot import Order, PhaseSnapshot, Snapshot
from phaseline.model.states import State
from phaseline.stream import Position
from phaseline.wire.message import CompletedStage, completed_stages, ours, queue_of, seconds, timestamp

__all__ = [
    "DayStatus",
    "ErrorStatus",
    "JobStatus",
    "OrderStatus",
    "StageStatus",
    "encode_snapshot",
    "encode_status",
    "job_status",
    "join_statuses",
    "order_status",
    "short_status",
    "state_parts",
]

_encoder: Final = msgspec.json.Encoder()
_SHORT_BYTES: Final = 2048
"""Size in bytes from which lists and snapshots omit the rest of a job's `photo_info`, `errors` and `result`."""


class StageStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A phase of a job. Times are in seconds; None if unknown, or not yet known.

    `measured` is false if the time does not measure the work, for example because the server was down meanwhile.
    """

    name: str
    state: str
    started_at: str | None
    elapsed_seconds: float
    average_seconds: float | None
    progress: float | None
    error: str
    measured: bool


class ErrorStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An error that a job reported."""

    error_type: str
    error_message: str
    error_details: dict[str, Any]
    stage: str | None
    timestamp: str


class ReasonStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The reason for a change of the remaining time by more than a tenth."""

    at: str
    change_seconds: float
    text: str


class OrderStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An order that the job's worker has neither taken nor refused."""

    order_id: str
    order: OrderKind
    reason: str
    given_at: str


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A job's full state: the fields of the photo protocol's `job_status` first, then Phaseline's.

    `reason` and `silent_seconds` are set for a stalled or lost job, None otherwise. `done`, `total`, `unit` and `rate`
    (units per second) are those of the current or last phase. `worker` has facts about the process. `queue` is the
    queue in which the job waits or waited; `position` is its place and `start_at` its estimated start while it waits.
    `orders` are those that its worker accepts, `pending_orders` those without an answer so far. Lists and snapshots
    have only a part of large fields, and `shortened` names these; the status of a single job is complete.
    """

    job_id: str
    photo_id: PhotoId
    photo_info: dict[str, Any]
    current_stage: str
    progress: float
    elapsed_seconds: float
    stages_completed: list[CompletedStage]
    name: str
    workflow: str
    series: str
    host: str
    state: str
    percent: float
    eta_seconds: float | None
    eta_low_seconds: float | None
    eta_high_seconds: float | None
    finish_at: str | None
    finish_low_at: str | None
    finish_high_at: str | None
    eta_basis: str
    eta_runs: int
    stage_index: int
    stage_count: int
    message: str
    started_at: str
    completed_at: str | None
    success: bool | None
    result: dict[str, Any] | None
    duration: float | None
    cache_hit: bool
    seq: int
    stages: list[StageStatus]
    errors: list[ErrorStatus]
    eta_reasons: list[ReasonStatus]
    reason: str | None
    silent_seconds: float | None
    worker: dict[str, Any]
    done: float | None
    total: float | None
    unit: str
    rate: float | None
    dismissed: bool
    queue: str
    position: int | None
    queued_at: str | None
    start_eta_seconds: float | None
    start_at: str | None
    orders: list[OrderKind]
    pending_orders: list[OrderStatus]
    paused: bool
    shortened: list[str] = []


class DayStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The number of runs that ended on a local day of the server, from `since` to before `until`.

    Failed runs of dismissed jobs are not counted.
    """

    since: str
    until: str
    completed: int
    failed: int
    cancelled: int


def _stage(phase: PhaseSnapshot) -> StageStatus:
    return StageStatus(
        name=phase.name,
        state=str(phase.state),
        started_at=timestamp(phase.started_ns) if phase.started_ns else None,
        elapsed_seconds=seconds(phase.elapsed_ns) or 0.0,
        average_seconds=seconds(phase.average_ns),
        progress=phase.progress,
        error=phase.error,
        measured=phase.measured,
    )


def job_status(snapshot: Snapshot) -> JobStatus:
    """Return a snapshot in the photo protocol's names."""
    ended = snapshot.state.ended
    progress = snapshot.progress if snapshot.progress is not None else snapshot.estimate.phase_percent
    return JobStatus(
        job_id=snapshot.job_id,
        photo_id=snapshot.photo_id,
        photo_info=snapshot.info,
        current_stage=snapshot.phase,
        progress=progress,
        elapsed_seconds=seconds(snapshot.elapsed_ns) or 0.0,
        stages_completed=completed_stages(snapshot),
        **ours(snapshot),
        message=snapshot.text,
        started_at=timestamp(snapshot.started_ns),
        completed_at=timestamp(snapshot.ended_ns) if ended else None,
        success=snapshot.state is State.COMPLETED if ended else None,
        result=snapshot.result,
        duration=snapshot.duration if snapshot.duration is not None or not ended else seconds(snapshot.elapsed_ns),
        cache_hit=snapshot.cache_hit,
        seq=snapshot.seq,
        stages=[_stage(phase) for phase in snapshot.phases],
        errors=[
            ErrorStatus(
                error_type=error.error_type,
                error_message=error.text,
                error_details=error.details,
                stage=error.phase,
                timestamp=timestamp(error.at_ns),
            )
            for error in snapshot.errors
        ],
        eta_reasons=[
            ReasonStatus(at=timestamp(each.at_ns), change_seconds=round(each.change_ns / 1e9, 1), text=each.text)
            for each in snapshot.reasons
        ],
        reason=snapshot.stall_reason if snapshot.state.stopped else None,
        silent_seconds=seconds(snapshot.silent_ns) if snapshot.state.stopped else None,
        worker=snapshot.worker,
        done=snapshot.done,
        total=snapshot.total,
        unit=snapshot.unit,
        rate=None if snapshot.rate is None else float(f"{snapshot.rate:.4g}"),
        dismissed=snapshot.dismissed,
        **queue_of(snapshot),
        orders=list(snapshot.orders),
        pending_orders=[order_status(order) for order in snapshot.pending],
        paused=snapshot.paused,
    )


def order_status(order: Order) -> OrderStatus:
    """Return an order as clients and its worker receive it."""
    return OrderStatus(order_id=order.order_id, order=order.order, reason=order.reason, given_at=timestamp(order.at_ns))


def short_status(snapshot: Snapshot) -> JobStatus:
    """Return a snapshot as lists show it: large facts are omitted, and `shortened` names them."""
    status = job_status(snapshot)
    kept: dict[str, Any] = {
        "photo_info": _first_facts(status.photo_info),
        "worker": _first_facts(status.worker),
        "errors": _last_errors(status.errors),
        "result": None if status.result is None else _first_facts(status.result),
    }
    shortened = [name for name, value in kept.items() if value is not None and len(value) < len(getattr(status, name))]
    return msgspec.structs.replace(status, **kept, shortened=shortened) if shortened else status


def _first_facts(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts without the large ones."""
    kept: dict[str, Any] = {}
    room = _SHORT_BYTES
    for name, value in facts.items():
        size = len(name) + len(_encoder.encode(value))
        if size <= room:
            kept[name] = value
            room -= size
    return kept


def _last_errors(errors: Sequence[ErrorStatus]) -> list[ErrorStatus]:
    """Return the latest errors, without large ones."""
    kept: list[ErrorStatus] = []
    room = _SHORT_BYTES
    for error in reversed(errors):
        room -= len(_encoder.encode(error))
        if room < 0:
            break
        kept.append(error)
    return kept[::-1]


def encode_status(snapshot: Snapshot) -> bytes:
    """Return a job of a list or a snapshot, as JSON."""
    return _encoder.encode(short_status(snapshot))


def encode_snapshot(
    snapshots: Iterable[Snapshot], position: Position, wall_ns: int, *, recovered: bool | None
) -> bytes:
    """Return the frame with the state of all jobs; the arguments are those of `join_statuses`."""
    return join_statuses([encode_status(each) for each in snapshots], position, wall_ns, recovered=recovered)


def join_statuses(
    statuses: Sequence[bytes],
    position: Position,
    wall_ns: int,
    *,
    recovered: bool | None,
    today: DayStatus | None = None,
) -> bytes:
    """Return the message with the state of all jobs.

    Args:
        statuses: The result of `encode_status` for each job.
        position: The stream's position at this state; the messages after it follow.
        wall_ns: Wall-clock time of the snapshot.
        recovered: False if a client asked to resume but its position is not available; None if it didn't ask.
        today: The counts of the day at this position; None if they are unknown.
    """
    parts = state_parts(statuses, position, wall_ns, recovered=recovered, today=today)
    return b",".join(parts)


def state_parts(
    statuses: Sequence[bytes],
    position: Position,
    wall_ns: int,
    *,
    recovered: bool | None,
    today: DayStatus | None = None,
) -> list[bytes]:
    """Return the parts of `join_statuses`, between which a comma belongs; they may be large, so join them once."""
    frame: dict[str, Any] = {
        "type": "snapshot",
        "epoch": position.epoch,
        "seq": position.seq,
        "server_time": timestamp(wall_ns),
        "today": today,
    }
    end = b"" if recovered is None else b',"recovered":%b' % _encoder.encode(recovered)
    first, *others = statuses or [b""]
    parts = [b'%b,"jobs":[%b' % (_encoder.encode(frame)[:-1], first), *others]
    parts[-1] = b"%b]%b}" % (parts[-1], end)
    return parts
