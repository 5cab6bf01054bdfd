"""Drawing of when boxes are free: in the header, in the row of a machine, and among its details."""

from phaseline_tui.drawing.cells import Line, Span
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.model.boxes import Box
from phaseline_tui.model.jobs import Remaining
from phaseline_tui.model.words import UNKNOWN, about, clock_time, count_of

__all__ = ["box_line", "free_at", "free_in_header"]


def free_at(free: Remaining | None, scene: Scene, room: int | None = None) -> str:
    """Return the range of times at which a box is likely to be free, as `14:20–14:50`; a dash if it is unknown.

    If the range does not fit `room` cells, return the likely time only.
    """  # noqa: RUF002
    if free is None:
        return UNKNOWN
    if free.low is None or free.high is None:
        return _clock(free.likely, scene)
    low, high = _clock(free.low, scene), _clock(free.high, scene)
    day, _, time = high.rpartition(" ")
    if day and low.startswith(f"{day} "):
        high = time
    words = low if low == high else f"{low}–{high}"  # noqa: RUF001 (a range has an en dash)
    return words if room is None or len(words) <= room else f"~{_clock(free.likely, scene)}"


def _clock(seconds: float, scene: Scene) -> str:
    return clock_time(scene.wall + seconds, scene.local, scene.wall)


def free_in_header(box: Box, scene: Scene, *, named: bool, show_band: bool) -> list[Span]:
    """Return when a box is free, with its name if `named`; empty if that is unknown."""
    free = box.free_at(scene.now)
    if free is None:
        return []
    name = f"{box.host} {box.queue}".rstrip() if named else "box"
    if not show_band:
        return [(f"  {name} free ", "muted"), (_clock(free.likely, scene), "strong")]
    return [
        (f"  {name} free ", "muted"),
        (free_at(free, scene), "strong"),
        (f" · {about(free.likely)}", "muted"),
    ]


def box_line(box: Box, scene: Scene) -> Line:
    """Return the line of a queue among the details of its machine."""
    free = box.free_at(scene.now)
    left = "" if free is None else f" · {about(free.likely)}"
    return (
        (f" {box.queue or 'no queue'}  ", "text"),
        (f"{count_of(box.slots, 'slot')}  {box.active} active  {box.queued} queued  free ", "muted"),
        (free_at(free, scene), "strong" if free is not None else "muted"),
        (left, "muted"),
    )
