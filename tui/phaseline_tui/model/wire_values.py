"""Values of the wire within bounds: a server is not trusted to send sensible ones."""

import math
from functools import lru_cache
from typing import Final

from phaseline.text import one_line_value

__all__ = [
    "MAX_SECONDS",
    "bounded_seconds",
    "facts_of",
    "measured_seconds",
    "percent_of",
    "seconds_of",
    "shared_seconds",
]

MAX_SECONDS: Final = 1e9


def facts_of(value: object) -> object:
    """Return an object of facts, cleaned; None if there is none."""
    facts = one_line_value(value)
    return facts if isinstance(facts, dict) and facts else None


def measured_seconds(value: float | None) -> float | None:
    """Return a measured duration; None if there is none, or if it can't be one."""
    return value if value is not None and math.isfinite(value) and value >= 0 else None


def percent_of(value: float) -> float:
    """Return a percentage clamped to 0 to 100."""
    if 0.0 <= value <= 100.0:  # noqa: PLR2004 (percent; the usual case)
        return value
    return min(100.0, max(0.0, value)) if math.isfinite(value) else 0.0


def seconds_of(value: float | None) -> float | None:
    """Return a duration within bounds; None if there is none."""
    return None if value is None else bounded_seconds(value)


def bounded_seconds(seconds: float) -> float:
    """Return a duration clamped to 0 to 1e9 s. JSON has no infinity and no NaN."""
    return min(MAX_SECONDS, max(0.0, seconds))


@lru_cache(maxsize=4096)
def shared_seconds(value: float | None) -> float | None:
    """Return an average duration; cached, so that jobs with equal averages share one object."""
    return seconds_of(value)
