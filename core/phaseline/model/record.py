"""A job's record: its full state as bytes, from which another process can continue."""

from typing import Any, Final

import msgspec

from phaseline.model.events import JobQueued
from phaseline.model.job import Job
from phaseline.model.kept_errors import KeptErrors
from phaseline.model.orders import Orders
from phaseline.model.phase import Phase
from phaseline.model.snapshot import ErrorSnapshot, Moment
from phaseline.model.states import State
from phaseline.model.timeline import Timeline
from phaseline.model.weight import weight
from phaseline.model.workflows import Workflow

__all__ = ["decode_job", "encode_job"]


class _Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"last_report": "heard"}):
    """The stored form of a job. A new field needs a default, so that older records can be read."""

    job_id: str
    state: State
    seq: int
    latest: Moment
    last_report: Moment | None = None
    workflow: Workflow
    series: str = ""
    host: str = ""
    given_name: str = ""
    worker: dict[str, Any] = {}
    undecided: bool = False
    photo_id: int | str | None = None
    info: dict[str, Any] = {}
    phases: list[Phase]
    current: int | None = None
    boundary: Moment
    interrupted: bool = False
    text: str = ""
    errors: tuple[ErrorSnapshot, ...] = ()
    errors_bytes: int = 0
    results: dict[str, dict[str, Any] | None] = {}
    results_bytes: int = 0
    started: Moment
    ended: Moment | None = None
    result: dict[str, Any] | None = None
    duration: float | None = None
    cache_hit: bool = False
    percent: float = 0.0
    reached: float = 0.0
    stall_reason: str = ""
    workers: tuple[str, ...] = ()
    dismissed: bool = False
    queue: str = ""
    queued: Moment | None = None
    waits: JobQueued | None = None
    orders: Orders = Orders()


# JSON can store every value that arrived as JSON; MessagePack has no integers of more than 64 bits.
_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(_Record)


def encode_job(job: Job) -> bytes:
    """Return the record of `job`."""
    timeline = job.timeline
    return _encoder.encode(
        _Record(
            job_id=job.job_id,
            state=job.state,
            seq=job.seq,
            latest=job.latest,
            last_report=job.last_report,
            workflow=job.workflow,
            series=job.series,
            host=job.host,
            given_name=job.given_name,
            worker=job.worker,
            undecided=job.undecided,
            photo_id=job.photo_id,
            info=job.info,
            phases=timeline.phases,
            current=timeline.current,
            boundary=timeline.boundary,
            interrupted=timeline.interrupted,
            text=job.text,
            errors=job.errors,
            errors_bytes=job.kept_errors.bytes,
            results=job.results,
            results_bytes=job.results_bytes,
            started=job.started,
            ended=job.ended,
            result=job.result,
            duration=job.duration,
            cache_hit=job.cache_hit,
            percent=job.percent,
            reached=job.reached,
            stall_reason=job.stall_reason,
            workers=job.workers,
            dismissed=job.dismissed,
            queue=job.queue,
            queued=job.queued,
            waits=job.waits,
            orders=job.orders,
        )
    )


def decode_job(record: bytes, now: Moment, *, same_clock: bool, interrupted: bool = True) -> Job:
    """Return the job of a record that another process encoded.

    With `interrupted`, a job that has not ended is marked so; estimates do not learn from durations that span the gap.

    Args:
        record: The result of `encode_job`.
        now: The present.
        same_clock: Whether the record's monotonic times and `now` are of the same clock: the machine has not rebooted
            since. Otherwise the wall clock gives the elapsed time, or 0 if it went back.
        interrupted: Whether reports may have been missed since.

    Raises:
        msgspec.DecodeError: The bytes are not a record.
    """
    kept = _decoder.decode(record)
    shift_ns = 0 if same_clock else now.mono_ns - max(0, now.wall_ns - kept.latest.wall_ns) - kept.latest.mono_ns

    def shifted(moment: Moment) -> Moment:
        return Moment(moment.wall_ns, moment.mono_ns + shift_ns)

    job = Job(kept.job_id)
    job.state, job.seq, job.latest = kept.state, kept.seq, shifted(kept.latest)
    job.last_report = shifted(kept.last_report or kept.latest)
    job.workflow, job.series, job.host = kept.workflow, kept.series, kept.host
    job.photo_id, job.info, job.text = kept.photo_id, kept.info, kept.text
    job.kept_errors = KeptErrors(kept.errors, kept.errors_bytes)
    job.results, job.results_bytes = kept.results, kept.results_bytes
    job.started, job.ended = shifted(kept.started), shifted(kept.ended) if kept.ended else None
    job.result, job.duration, job.cache_hit, job.percent = kept.result, kept.duration, kept.cache_hit, kept.percent
    job.given_name, job.worker, job.undecided = kept.given_name, kept.worker, kept.undecided
    job.rename()
    job.reached, job.stall_reason, job.workers = kept.reached, kept.stall_reason, kept.workers
    job.dismissed = kept.dismissed
    job.queue, job.queued = kept.queue, shifted(kept.queued) if kept.queued else None
    job.waits, job.orders = kept.waits, kept.orders
    job.info_weight = weight(record)  # of all facts; computed below
    job.timeline = _timeline(kept, shifted(kept.boundary), shift_ns)
    if interrupted and not job.state.ended:
        job.timeline.interrupt()
    return job


def _timeline(kept: _Record, boundary: Moment, shift_ns: int) -> Timeline:
    timeline = Timeline(kept.workflow, boundary, kept.phases)
    timeline.current, timeline.interrupted = kept.current, kept.interrupted
    for phase in timeline.phases:
        if phase.started is not None:
            phase.started = Moment(phase.started.wall_ns, phase.started.mono_ns + shift_ns)
        if phase.entered_ns is not None:
            phase.entered_ns += shift_ns
    return timeline
