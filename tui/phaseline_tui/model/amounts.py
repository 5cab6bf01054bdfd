"""Counts of work and rates as text: `74/240 frames`, `3.1 frames/s`, `1.2/4.8 GB`."""

from typing import Final

from phaseline_tui.model.jobs import JobView, State

__all__ = ["count_words", "rate_words"]

_BYTES: Final = frozenset({"b", "byte", "bytes"})
_BYTE_UNITS: Final = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0))
_PREFIXES: Final = ((1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T"), (1e15, "P"), (1e18, "E"))
_LONG: Final = 100_000
"""Number from which a prefix shortens it."""
_FEW: Final = 10
_THOUSAND: Final = 1000
_ONE_DIGIT: Final = 9.95
_PERIODS: Final = (("s", 1.0), ("min", 60.0), ("h", 3600.0))


def count_words(job: JobView, width: int = 1000) -> str:
    """Return how much of its work a job has done, such as `74/240 frames`; empty if it does not count it.

    In less than its `width`, it has no unit, then short numbers: `58k/61k`.
    """
    done, total = job.done, job.total
    if done is None:
        return ""
    name, size = _unit_of(job.unit, total or done)
    figures = [done / size] if total is None else [done / size, total / size]
    count = "/".join(map(_number, figures))
    words = f"{count} {name}" if name else count
    if len(words) <= width:
        return words
    return count if len(count) <= width else "/".join(map(_short, figures))


def rate_words(job: JobView) -> str:
    """Return how fast an active job works, in units per second, minute or hour; empty if unknown."""
    rate = job.rate
    if job.state is not State.ACTIVE or not rate or rate <= 0:
        return ""
    name, size = _unit_of(job.unit, rate)
    rate /= size
    period, seconds = next((each for each in _PERIODS if rate * each[1] >= 1), _PERIODS[-1])
    return f"{_number(rate * seconds)}{f' {name}' if name else ''}/{period}"


def _unit_of(unit: str, most: float) -> tuple[str, float]:
    """Return the name of the unit that suits numbers up to `most`, and its size."""
    if unit.casefold() not in _BYTES:
        return unit, 1.0
    return next((each for each in _BYTE_UNITS if most >= each[1]), _BYTE_UNITS[-1])


def _number(value: float) -> str:
    """Return a number in at most six characters: `7`, `3.1`, `240`, `99999`, `1.2M`."""
    if value >= _LONG:
        return _short(value)
    if value == int(value) or value >= _LONG / 1000:
        return f"{value:.0f}"
    return f"{value:.1f}" if value < _FEW or value != round(value, 1) else f"{value:.3g}"


def _short(value: float) -> str:
    """Return a number in at most four characters, up to 999E."""
    for size, prefix in _PREFIXES:
        if value < _THOUSAND * size - size / 2:
            value /= size
            return f"{value:.1f}{prefix}" if prefix and value < _ONE_DIGIT else f"{value:.0f}{prefix}"
    return f"{value:.0e}"
