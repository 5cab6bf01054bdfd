"""Make the values that a worker passes valid if their meaning is clear: a report never raises in its worker.

A name that is a number becomes text, and None becomes an empty text. A value without a clear meaning stays as it is,
so that the check of the whole report rejects it with an error that shows it.
"""

import math
import threading
from collections.abc import Iterable, Sized
from typing import Any, Final

__all__ = ["MAX_TEXT", "WHOLE", "count_of", "facts", "name", "names", "percent_within", "seconds", "text_of"]

MAX_TEXT: Final = 10_000
WHOLE: Final = 100.0  # percent
MOST_ITEMS: Final = 2**63
_ROUNDING: Final = 1e-6  # percent; sums of floating-point numbers end this close to 0 and 100


def text_of(value: object, most: int = MAX_TEXT) -> str:
    """Return `value` as text of at most `most` characters; None as "", an exception without a text as its type."""
    if value is None:
        return ""
    if not isinstance(value, str):
        try:
            value = str(value) or (type(value).__name__ if isinstance(value, BaseException) else "")
        except Exception:  # noqa: BLE001 - a worker's object may raise anything
            value = f"a value of type {type(value).__name__} without a text"
    return value if len(value) <= most else f"{value[: most - 1]}…"


def name(value: object, default: str, most: int = 100) -> str:
    """Return `value` as a name on one line; `default` if nothing is left of it."""
    return text_of(" ".join(text_of(value).split()), most) or default


def names(values: object, most: int) -> tuple[str, ...]:
    """Return at most `most` names; a single text is one name, and a value that can't be iterated has none."""
    if isinstance(values, str):
        values = (values,)
    if not isinstance(values, Iterable):
        return ()
    found: list[str] = []
    try:
        for value in values:
            if len(found) == most:
                break
            found.append(name(value, "work"))
    except Exception:  # noqa: BLE001 - a worker's iterator may raise anything
        return tuple(found)
    return tuple(found)


def facts(value: object) -> Any:
    """Return a dict as a copy, which the worker can't change; None as an empty dict, anything else unchanged."""
    if isinstance(value, dict):
        return dict(value)
    return {} if value is None else value


def count_of(items: object, total: object) -> int:
    """Return the number of items that a loop expects: `total`, else the length; 0 if unknown."""
    try:
        if total is not None:
            count: int = int(total)  # type: ignore[call-overload]
            return count if 0 < count < MOST_ITEMS else 0
        return len(items) if isinstance(items, Sized) else 0
    except Exception:  # noqa: BLE001 - the length of a stream may raise anything
        return 0


def percent_within(value: float) -> float:
    """Return a percentage that exceeds 0 to 100 by a rounding error as 0 or 100, and any other unchanged."""
    if WHOLE < value <= WHOLE + _ROUNDING:
        return WHOLE
    return 0.0 if -_ROUNDING <= value < 0.0 else value


def seconds(value: object, default: float) -> float:
    """Return `value` as a time-out in seconds that threads accept; `default` if it is not a number."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 - as above
        return default
    return default if math.isnan(number) else min(max(0.0, number), threading.TIMEOUT_MAX)
