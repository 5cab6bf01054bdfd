"""Formatting of durations, times and JSON values."""

import math
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from phaseline.text import duration_text

if TYPE_CHECKING:
    from phaseline_tui.model.jobs import Remaining  # slow, and the command line needs none of it

__all__ = [
    "UNKNOWN",
    "about",
    "band",
    "clock_time",
    "count_of",
    "duration",
    "fine_duration",
    "fine_duration_of",
    "remaining",
    "spent",
    "words_of_value",
]

UNKNOWN: Final = "—"
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400
_MAX_DAYS: Final = 99
_EXACT_MINUTES: Final = 10
_STEP: Final = 5
_LAST_SECONDS: Final = 20
_FINE_BELOW: Final = 10.0
_TENTHS_FROM: Final = 0.0995
_SECONDS_BELOW: Final = 90.0
_MINUTES_BELOW: Final = 90 * 60.0
_HOURS_BELOW: Final = 36 * 3600.0


def duration(seconds: float) -> str:
    """Return a duration in its two largest units, at most seven characters: `8s`, `1m 12s`, `1h 02m`, `3d 04h`."""
    return duration_text(seconds) if seconds < (_MAX_DAYS + 1) * _DAY else f">{_MAX_DAYS}d"


def spent(seconds: float) -> str:
    """Return an elapsed time, in steps coarse enough for a long list: `37s`, `4m 35s`, `12m`."""
    whole = max(0, math.floor(seconds))
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _EXACT_MINUTES * _MINUTE:
        return duration(whole - whole % _STEP)
    return f"{whole // _MINUTE}m" if whole < _HOUR else duration(whole)


def about(seconds: float) -> str:
    """Return an estimated time, rounded to its accuracy: `8s`, `45s`, `4m`, `1h 20m`, `3d 04h`."""
    whole = max(0, math.ceil(seconds))
    if whole <= _LAST_SECONDS:
        return f"{whole}s"
    if whole < _SECONDS_BELOW:
        return f"{_STEP * math.ceil(whole / _STEP)}s"
    if whole < _MINUTES_BELOW:
        return f"{round(whole / _MINUTE)}m"
    return duration(whole)


def fine_duration_of(seconds: float | None) -> str:
    """Return `fine_duration`, or a dash if the duration is unknown."""
    return UNKNOWN if seconds is None else fine_duration(seconds)


def fine_duration(seconds: float) -> str:
    """Return the duration of a phase, with tenths below ten seconds: `40ms`, `0.4s`, `12s`, `4m 10s`."""
    if seconds < _TENTHS_FROM:
        return f"{max(0.0, seconds) * 1000:.0f}ms"
    return f"{seconds:.1f}s" if seconds < _FINE_BELOW - 0.05 else duration(seconds)


def band(low: float, high: float) -> str:
    """Return a range in the unit of its upper end, as 3 to 7m, 40 to 70s, 1 to 2h; `~4m` if both ends are equal."""
    low = min(low, high)
    if high < _SECONDS_BELOW:
        unit, size = "s", 1
    elif high < _MINUTES_BELOW:
        unit, size = "m", _MINUTE
    elif high < _HOURS_BELOW:
        unit, size = "h", _HOUR
    else:
        unit, size = "d", _DAY
    first, last = round(low / size), round(high / size)
    if last > _MAX_DAYS and unit == "d":
        return f">{_MAX_DAYS}d"
    if first == last:
        return f"~{last}{unit}"
    if first == 0 and unit != "s":
        return f"<{last}{unit}"
    return f"{first}–{last}{unit}"  # noqa: RUF001 (a range has an en dash)


def remaining(left: "Remaining | None") -> str:
    """Return the remaining time: `4m`, `late 12s` after the estimated end, a dash if unknown."""
    if left is None:
        return UNKNOWN
    if left.likely <= -1.0:
        return f"late {spent(-left.likely)}"
    return about(left.likely)


def clock_time(wall: float | None, local: Callable[[float], datetime], today: float, *, seconds: bool = False) -> str:
    """Return a local time, with its day if it is not today: `18:42`, `Tue 18:42`, `3 Jan 18:42`.

    Args:
        wall: Seconds since 1970; None if unknown.
        local: Returns the local time of such a moment.
        today: Current moment in seconds since 1970.
        seconds: Whether to show seconds.
    """
    if wall is None or not math.isfinite(wall):
        return UNKNOWN
    # Time zones differ from UTC by whole minutes, so within a minute only the seconds change.
    step = 1 if seconds else _MINUTE
    return _clock_time(math.floor(wall / step) * step, local, math.floor(today / _MINUTE) * _MINUTE, seconds=seconds)


@lru_cache(maxsize=4096)
def _clock_time(wall: float, local: Callable[[float], datetime], today: float, *, seconds: bool) -> str:
    try:
        moment, present = local(wall), local(today)
    except (ValueError, OverflowError, OSError):
        return UNKNOWN
    time = f"{moment:%H:%M:%S}" if seconds else f"{moment:%H:%M}"
    days = (moment.date() - present.date()).days
    if days == 0:
        return time
    if abs(days) < 7:  # noqa: PLR2004 (days of a week)
        return f"{moment:%a} {time}"
    return f"{moment.day} {moment:%b} {time}" if moment.year == present.year else f"{moment:%Y-%m-%d}"


def count_of(count: int, what: str) -> str:
    """Return `1 run`, `12 runs`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def words_of_value(value: object) -> str:
    """Return any JSON value as text on one line."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {words_of_value(each)}" for key, each in value.items()) if value else UNKNOWN
    if isinstance(value, list):
        return ", ".join(map(words_of_value, value)) if value else UNKNOWN
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value)
