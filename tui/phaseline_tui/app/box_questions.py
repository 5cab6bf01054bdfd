"""Asking the servers from time to time when their boxes are free."""

import asyncio
from typing import TYPE_CHECKING, Final

from phaseline_tui.model.boxes import read_boxes
from phaseline_tui.model.connection import LinkState
from phaseline_tui.model.failures import LinkError

if TYPE_CHECKING:
    from phaseline_tui.app.app import ProgressApp

__all__ = ["BoxQuestions"]

_EVERY_S: Final = 5.0
_FIRST_S: Final = 1.0
_OK: Final = 200


class BoxQuestions:
    """Asks each connected server that has unfinished jobs. One that rejects it is asked again after a reconnection."""

    def __init__(self, app: "ProgressApp") -> None:
        """Ask the servers of `app` once `start` is called."""
        self._app = app
        self._rejected: dict[str, int] = {}
        """For each server that rejected the question, the number of its connections then."""

    def start(self) -> None:
        """Ask soon, and then every five seconds."""
        self._app.set_timer(_FIRST_S, self._ask_all)
        self._app.set_interval(_EVERY_S, self._ask_all)

    def _ask_all(self) -> None:
        if self._app.data.paused is not None:
            return
        busy = {key.origin for key, job in self._app.state.jobs.items() if job.state.unfinished}
        for label, host in self._app.data.hosts.items():
            if host.status.state is not LinkState.CONNECTED or self._rejected.get(label) == host.connections:
                continue
            if label in busy:
                self._app.run_worker(self._ask(label), group=f"boxes of {label}", exclusive=True)
            else:
                self.receive(label, b"{}")

    async def _ask(self, label: str) -> None:
        try:
            reply = await asyncio.wrap_future(self._app.request(label, "GET", "/progress/boxes"))
            if reply.status == _OK:
                self.receive(label, reply.body)
            else:  # an older server, or a token for some jobs only
                self._rejected[label] = self._app.data.hosts[label].connections
        except (LinkError, ValueError):
            return

    def receive(self, label: str, body: bytes) -> None:
        """Show the answer of the server with this label; raise ValueError if it is invalid."""
        data = self._app.data
        found = read_boxes(body, label, data.live_scene().now)
        kept = tuple(box for box in data.boxes if box.origin != label)
        if found or len(kept) < len(data.boxes):
            data.boxes = (*kept, *found)
            for screen in self._app.views_on_stack():
                screen.show_boxes()
