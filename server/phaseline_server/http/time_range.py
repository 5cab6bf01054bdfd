"""Times in queries: RFC 3339, a local day, or a time ago."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from phaseline.errors import InvalidField
from phaseline_server.jobs.local_day import day_before, day_of

__all__ = ["When", "parse_time"]

_ALLOWED: Final = "an RFC 3339 time with its offset, today, yesterday, or a time ago such as 7d, 12h or 30m"
When = Annotated[str, Meta(description=f"{_ALLOWED[0].upper()}{_ALLOWED[1:]}.", max_length=40)]
_AGO: Final = re.compile(r"([0-9]{1,6})([dhm])", re.ASCII)
_SECONDS: Final = {"d": 86_400, "h": 3600, "m": 60}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_NS: Final = 2**63 - 1


def parse_time(name: str, text: str | None, now_ns: int) -> int | None:
    """Return the time of a query parameter in nanoseconds by the wall clock; None if it is missing.

    Args:
        name: The parameter.
        text: Its value. `today` and `yesterday` mean the beginning of the server's local day.
        now_ns: The present.

    Raises:
        InvalidField: The value is not a time.
    """
    if not text:
        return None
    if text == "today":
        return day_of(now_ns).since_ns
    if text == "yesterday":
        return day_before(day_of(now_ns)).since_ns
    if ago := _AGO.fullmatch(text):
        return max(0, now_ns - int(ago[1]) * _SECONDS[ago[2]] * 1_000_000_000)
    return _rfc3339(name, text)


def _rfc3339(name: str, text: str) -> int:
    try:
        # In a query a plus that is not escaped means a space.
        found: datetime = msgspec.convert(text.replace(" ", "+"), Annotated[datetime, Meta(tz=True)])
        since_epoch = found - _EPOCH
    except (msgspec.ValidationError, OverflowError):
        raise InvalidField(name, text, _ALLOWED) from None
    return min(max(0, since_epoch // timedelta(microseconds=1) * 1000), _LATEST_NS)
