"""The picture API's snapshot of a run. It always has all of its keys."""

from typing import Any, Final

import msgspec

from phaseline.model.snapshot import PhaseSnapshot, Reason, Snapshot
from phaseline.wire.message import finish_at, timestamp

__all__ = ["encode_run", "run_snapshot"]

COMPLETED: Final = "completed"
UNKNOWN: Final = -1.0  # in place of seconds

_encoder: Final = msgspec.json.Encoder()


def _tenths(duration_ns: int | None) -> float | None:
    """Return seconds rounded to tenths, but at least 0.1 while any time remains; None for unknown."""
    if duration_ns is None:
        return None
    return round(duration_ns / 1e9, 1) or (0.1 if duration_ns else 0.0)


def _tenths_or_unknown(duration_ns: int | None) -> float:
    duration_s = _tenths(duration_ns)
    return UNKNOWN if duration_s is None else duration_s


def _phase(phase: PhaseSnapshot) -> dict[str, Any]:
    return {
        "name": phase.name,
        "startedNs": phase.started_ns,
        "endedNs": phase.ended_ns,
        "skipped": phase.state == "skipped",
        "error": phase.error,
    }


def _reason(reason: Reason) -> dict[str, Any]:
    return {"at": timestamp(reason.at_ns), "changeSeconds": round(reason.change_ns / 1e9, 1), "text": reason.text}


def run_snapshot(snapshot: Snapshot, dress: object) -> dict[str, Any]:
    """Return the picture API's snapshot: its own keys in its order, then Phaseline's.

    Args:
        snapshot: The snapshot of the run's job; `picture_of` its id has the address.
        dress: The run's dress, which encodes to a JSON object.
    """
    ended, estimate = snapshot.state.ended, snapshot.estimate
    completed = {
        "name": COMPLETED,
        "startedNs": snapshot.ended_ns,
        "endedNs": snapshot.ended_ns,
        "skipped": False,
        "error": snapshot.error,
    }
    return {
        "series": snapshot.series,
        "address": snapshot.job_id.rpartition(":")[2],
        "currentPhase": COMPLETED if ended else snapshot.phase or snapshot.phases[0].name,
        "startedNs": snapshot.started_ns,
        "percent": round(estimate.percent, 1),
        "etaSeconds": _tenths_or_unknown(estimate.remaining_ns),
        "done": ended,
        "error": snapshot.error,
        "cacheHit": snapshot.cache_hit,
        "phases": [*map(_phase, snapshot.phases), completed],
        "dalleDress": dress,
        "phaseAverages": {p.name: p.average_ns for p in snapshot.phases if p.average_ns is not None},
        "phasePercent": round(estimate.phase_percent, 1),
        "phaseEtaSeconds": _tenths_or_unknown(estimate.phase_remaining_ns),
        "phaseIndex": len(snapshot.phases) + 1 if ended else snapshot.phase_index,
        "phaseCount": len(snapshot.phases) + 1,
        "jobId": snapshot.job_id,
        "seq": snapshot.seq,
        "startedAt": timestamp(snapshot.started_ns),
        "etaLowSeconds": _tenths(estimate.low_ns),
        "etaHighSeconds": _tenths(estimate.high_ns),
        "finishAt": finish_at(snapshot.at_ns, estimate.remaining_ns),
        "finishLowAt": finish_at(snapshot.at_ns, estimate.low_ns),
        "finishHighAt": finish_at(snapshot.at_ns, estimate.high_ns),
        "etaBasis": estimate.basis,
        "etaRuns": estimate.runs,
        "etaReasons": [_reason(reason) for reason in snapshot.reasons],
    }


def encode_run(snapshot: Snapshot, dress: object) -> bytes:
    """Return the picture API's snapshot as JSON."""
    return _encoder.encode(run_snapshot(snapshot, dress))
