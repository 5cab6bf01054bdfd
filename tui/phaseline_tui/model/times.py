"""Times on the wire."""

import datetime as dt

__all__ = ["wall_time"]


def wall_time(timestamp: str | None) -> float | None:
    """Return an RFC 3339 timestamp as seconds since 1970; None if it is invalid or has no time zone."""
    if not timestamp:
        return None
    try:
        moment = dt.datetime.fromisoformat(timestamp)
        return moment.timestamp() if moment.tzinfo is not None else None
    except (ValueError, OverflowError, OSError):
        return None
