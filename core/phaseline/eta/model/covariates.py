"""Covariates: facts from the reporter that may affect a job's duration, as columns of numbers.

Numbers become `sign(x) log(1 + |x|)`, so that a slope is a power law; texts and booleans become a 0/1 column for each
of 2 to 8 values that occurred twice. All else is ignored, and everything is bounded.
"""

from collections.abc import Mapping
from math import copysign, isfinite, log1p
from typing import Any, Final

__all__ = ["MAX_KEYS", "Value", "read"]

# Maximum number of keys that are used of a job, and stored for a series.
MAX_KEYS: Final = 16
# Maximum number of keys of a job, or of a nested object, that are examined.
_LOOKED_AT: Final = 64
_KEY_LENGTH: Final = 60
_TEXT_LENGTH: Final = 40

Value = float | str
"""A number, on the log scale, or a text."""


def read(covariates: Mapping[str, Any]) -> dict[str, Value]:
    """Return the usable part of `covariates`, which may be any JSON; nested objects are read one level deep."""
    found: dict[str, Value] = {}
    for key, value in list(covariates.items())[:_LOOKED_AT]:
        inner = list(value.items())[:_LOOKED_AT] if isinstance(value, Mapping) else None
        pairs = [(str(key), value)] if inner is None else [(f"{key}.{name}", part) for name, part in inner]
        for name, part in pairs:
            usable = _usable(part)
            if usable is not None:
                found[name[:_KEY_LENGTH]] = usable
            if len(found) >= MAX_KEYS:
                return found
    return found


def _usable(value: object) -> Value | None:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            try:
                number = float(value)
            except OverflowError:
                return None
            return copysign(log1p(abs(number)), number) if isfinite(number) else None
        case str():
            return value[:_TEXT_LENGTH] or None
        case _:
            return None
