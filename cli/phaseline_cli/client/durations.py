"""Durations as users write them."""

import re
from typing import Any, Final

import click

__all__ = ["DURATION"]

_UNITS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhd]?)", re.ASCII)


class Duration(click.ParamType):  # type: ignore[type-arg] # generic since click 8.2 only
    """A time such as 90, 90s, 5m, 2h or 1d; in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        if isinstance(value, float):  # a default
            return value
        found = _DURATION.fullmatch(str(value).strip())
        if found is None:
            self.fail(
                f"{value!a} is not a duration; allowed: a number with s, m, h or d, such as 90s or 2h", param, ctx
            )
        return float(found[1]) * _UNITS[found[2]]


DURATION: Final = Duration()
