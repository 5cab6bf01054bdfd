"""The inputs of drawing besides the jobs."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

__all__ = ["Scene"]


class Scene(NamedTuple):
    """The moment to draw, and the terminal's abilities."""

    now: float
    """Monotonic seconds."""
    wall: float
    """The same moment in seconds since 1970."""
    local: Callable[[float], datetime]
    """Returns the local time of a wall time."""
    shades: bool = True
    """Whether fills differ in color; otherwise they differ in character."""
    stale: bool = False
    """Whether the data may be out of date, because the connection is lost."""
