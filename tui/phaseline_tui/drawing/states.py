"""How lists and details show a job's state, workflow and series."""

from typing import Final

from phaseline_tui.model.history_totals import TotalLine
from phaseline_tui.model.jobs import JobView, State

__all__ = ["source_of", "state_style"]

_STATE_STYLES: Final = {
    State.ACTIVE: "now",
    State.STALLED: "warn",
    State.LOST: "bad",
    State.COMPLETED: "good",
    State.FAILED: "bad",
    State.CANCELLED: "muted",
}


def state_style(state: State) -> str:
    """Return the style of a state."""
    return _STATE_STYLES.get(state, "muted")


def source_of(shown: JobView | TotalLine) -> str:
    """Return the workflow and series of a job or of totals: `dalle·simple`."""
    return "·".join(part for part in (shown.workflow, shown.series) if part)
