"""What drawing depends on besides the jobs."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

__all__ = ["Scene"]


class Scene(NamedTuple):
    """The moment that is drawn, and what the terminal can."""

    now: float
    """Monotonic seconds."""
    wall: float
    """The same moment, seconds since 1970."""
    local: Callable[[float], datetime]
    """Gives the local time at a wall time."""
    shades: bool = True
    """Whether fills differ by their shades."""
    stale: bool = False
    """Whether what is known may be old, because the connection is lost."""
