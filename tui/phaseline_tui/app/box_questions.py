"""Periodic requests for the forecasts of free boxes."""

from phaseline_tui.app.questions import Questions
from phaseline_tui.model.boxes import read_boxes

__all__ = ["BoxQuestions"]


class BoxQuestions(Questions):
    """Queries each server that has unfinished jobs; the others have no boxes in use."""

    PATH = "/progress/boxes"
    FIRST_S = 1.0

    def wanted(self) -> frozenset[str]:
        """See `Questions.wanted`."""
        return frozenset(key.origin for key, job in self._app.state.jobs.items() if job.state.unfinished)

    def receive(self, label: str, body: bytes) -> None:
        """See `Questions.receive`."""
        data = self._app.data
        found = read_boxes(body, label, data.live_scene().now)
        kept = tuple(box for box in data.boxes if box.origin != label)
        if found or len(kept) < len(data.boxes):
            data.boxes = (*kept, *found)
            for screen in self._app.views_on_stack():
                screen.show_boxes()
