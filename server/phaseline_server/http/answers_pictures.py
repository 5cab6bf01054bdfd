"""Response types of the routes of the picture API."""

from typing import Any, Literal

import msgspec

__all__ = [
    "Removed",
    "Run",
    "SeriesList",
]


class SeriesList(msgspec.Struct, kw_only=True):
    """The names of all series."""

    series: list[str]
    count: int


class Removed(msgspec.Struct, kw_only=True):
    """The effect of a removal."""

    success: Literal[True]
    cancelled: bool
    removed: bool


class RunPhase(msgspec.Struct, kw_only=True, rename="camel"):
    """A phase of a picture's run."""

    name: str
    started_ns: int
    ended_ns: int
    skipped: bool
    error: str


class RunReason(msgspec.Struct, kw_only=True, rename="camel"):
    """The reason why the estimate of a picture's run changed."""

    at: str
    change_seconds: float
    text: str


class Run(msgspec.Struct, kw_only=True, rename="camel"):
    """A snapshot of a picture's run."""

    series: str
    address: str
    current_phase: str
    started_ns: int
    percent: float
    eta_seconds: float
    done: bool
    error: str
    cache_hit: bool
    phases: list[RunPhase]
    dalle_dress: dict[str, Any] | None
    phase_averages: dict[str, int]
    phase_percent: float
    phase_eta_seconds: float
    phase_index: int
    phase_count: int
    job_id: str
    seq: int
    started_at: str
    eta_low_seconds: float | None
    eta_high_seconds: float | None
    eta_basis: str
    eta_runs: int
    eta_reasons: list[RunReason]
    finish_at: str | None
    finish_low_at: str | None
    finish_high_at: str | None
