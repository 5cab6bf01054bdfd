"""Read the numbers that programs print: counts, sizes and times."""

import math
import re
from typing import Final, Literal

Unit = Literal["", "bytes", "time"]

_SIZE: Final = re.compile(r"([\d.,]+)\s*(?:([kKMGTP])(i?)[bB]?|[bB](?:ytes)?)?")
_POWER: Final = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}

LARGEST: Final = 1e18


def number(text: str) -> float | None:
    """Return the number in `text`, with its thousands separators removed; None if there is none.

    A single comma or point followed by one or two digits, or by more than three, is a decimal mark; one that separates
    groups of three is not.
    """
    text = text.strip().replace("_", "").replace("\N{NO-BREAK SPACE}", "").replace("\N{NARROW NO-BREAK SPACE}", "")
    if "," in text:
        thousands = re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", text)
        text = text.replace(",", "") if thousands else text.replace(".", "").replace(",", ".")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < LARGEST else None  # not inf, not nan


def size(text: str) -> float | None:
    """Return a size in bytes: `57.2M`, `11.4 MiB`, `1,234`; a prefix without `i` counts in thousands.

    Programs that print `M` for 1,048,576 bytes do so for both sides of a fraction, so the ratio holds.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return None
    value = number(match.group(1))
    if value is None:
        return None
    prefix = match.group(2)
    return value * (1024 if match.group(3) else 1000) ** _POWER[prefix] if prefix else value


def seconds(text: str) -> float | None:
    """Return a length of time in seconds: `00:00:24.02`, `1:02`, `24.5`."""
    total = 0.0
    for part in text.strip().lstrip("-").split(":"):
        value = number(part)
        if value is None:
            return None
        total = total * 60 + value
    return -total if text.strip().startswith("-") else total


def parse(text: str, unit: Unit) -> float | None:
    """Return the number in `text`, read in `unit`."""
    if unit == "bytes":
        return size(text)
    return seconds(text) if unit == "time" else number(text)


def plain_number(value: object) -> float | None:
    """Return a number of 0 or more from JSON; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) and found >= 0 else None
