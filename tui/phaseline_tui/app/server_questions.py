"""Periodic requests for the servers that share a log."""

from phaseline_tui.app.questions import Questions
from phaseline_tui.model.servers import read_group

__all__ = ["ServerQuestions"]


class ServerQuestions(Questions):
    """Asks for the servers that share a log; a single server only once."""

    PATH = "/progress/servers"
    FIRST_S = 0.5

    def receive(self, label: str, body: bytes) -> None:
        """See `Questions.receive`."""
        data = self._app.data
        group = read_group(body, data.live_scene().now)
        data.hosts[label].listed = group
        if [server.role for server in group.servers] == ["single"]:
            self.settle(label)
        for screen in self._app.views_on_stack():
            screen.tick()
