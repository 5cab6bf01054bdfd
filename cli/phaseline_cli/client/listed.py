"""A job, as lists show it and filters match it."""

from collections.abc import Mapping
from typing import Any, Final

from phaseline.filtering.words import search_text_of
from phaseline.model.states import State
from phaseline.text import one_line

__all__ = ["ListedJob"]

_BEGUN: Final = frozenset({"current", "done", "failed"})


class ListedJob:
    """A job's status, with cleaned texts.

    Attributes:
        status: The status as the server sent it.
    """

    def __init__(self, status: Mapping[str, Any], origin: str = "") -> None:
        """Read a status from the server `origin`."""
        self.status = status
        self.origin = origin
        self.job_id = self._text("job_id")
        self.name = self._text("name")
        self.workflow = self._text("workflow")
        self.series = self._text("series")
        self.host = self._text("host")
        try:
            self.state = State(str(status.get("state")))
        except ValueError:  # of a newer server
            self.state = State.ABSENT
        self.phase_name = self._last_phase() if self.state.ended else self._text("current_stage")

    def _text(self, key: str) -> str:
        return one_line(str(self.status.get(key) or ""))

    def _last_phase(self) -> str:
        """Return the phase in which a job ended; `current_stage` is then `completed` or `failed`."""
        begun = [stage for stage in self.status.get("stages") or () if stage.get("state") in _BEGUN]
        return one_line(str(begun[-1].get("name"))) if begun else ""

    @property
    def remark(self) -> str:
        """Its message; after its end, its error; for a queued or paused job, that state in words."""
        if self.state is State.QUEUED:
            place = self.status.get("position")
            queue = f"waits in {self._text('queue')}" if self.status.get("queue") else "waits"
            return queue if place is None else f"{queue}, place {place}"
        if self.status.get("paused"):
            return "paused"
        if self.state.at_work:
            return self._text("message")
        result = self.status.get("result")
        error = one_line(str(result.get("error") or "")) if isinstance(result, dict) else ""
        return error or self._text("message")

    def search_text(self) -> str:
        """Return the text that a word of a filter without a field searches."""
        return search_text_of(self)
