"""Drawing of the event list."""

from typing import Final

from phaseline.model.states import STATES
from phaseline_tui.drawing.cells import Line
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.drawing.tables import Column, columns_that_fit, heading_of, row_of
from phaseline_tui.model.events import Event, words_of
from phaseline_tui.model.words import clock_time

__all__ = ["event_heading", "event_row"]

_COLUMNS: Final = (
    Column("time", "TIME", 8),
    Column("mark", "", 1),
    Column("kind", "EVENT", 12),
    Column("origin", "SERVER", 14, priority=2, cut="middle"),
    Column("name", "JOB", 14, grows=1, cut="middle"),
    Column("phase", "PHASE", 16, priority=3),
    Column("text", "DETAILS", 20, grows=4),
)
_ONE_SERVER: Final = tuple(column for column in _COLUMNS if column.key != "origin")
_TONES: Final = {
    **{str(state): (state.sign, str(state.tone)) for state in STATES},
    "started": ("►", "now"),
    "order": ("◆", "now"),
    "order taken": ("✓", "text"),
    "refused": ("!", "warn"),
    "progress": ("·", "muted"),
    "phase done": ("✓", "text"),
    "skipped": ("↷", "muted"),
    "facts": ("i", "muted"),
    "error": ("!", "warn"),
    "resumed": ("►", "now"),
    "metrics": ("i", "muted"),
    "snapshot": ("≡", "muted"),
    "server": ("!", "bad"),
}


def event_heading(width: int, *, several: bool) -> Line:
    """Return the column titles; `several` adds a column for the server."""
    return heading_of(columns_that_fit(_COLUMNS if several else _ONE_SERVER, width))


def event_row(event: Event, width: int, scene: Scene, *, several: bool) -> Line:
    """Return the row of an event in `width` cells; for `several` see `event_heading`."""
    words = words_of(event.frame)
    mark, style = _TONES.get(words.kind, ("·", "muted"))
    loud = style not in {"muted", "text"}
    key = event.key
    return row_of(
        columns_that_fit(_COLUMNS if several else _ONE_SERVER, width),
        {
            "time": (clock_time(event.wall, scene.local, event.wall, seconds=True), "muted"),
            "mark": (mark, style),
            "kind": (f"{event.folded + 1} reports" if event.folded else words.kind, style),
            "origin": (event.origin, "muted"),
            "name": (
                event.name or (key.job_id if key is not None else ""),
                "text" if words.kind != "progress" else "muted",
            ),
            "phase": (words.phase, "muted"),
            "text": (words.text, style if loud and words.kind != "started" else "text"),
        },
    )
