"""Asking each connected server from time to time which others share its log."""

import asyncio
from typing import TYPE_CHECKING, Final

from phaseline_tui.model.connection import LinkState
from phaseline_tui.model.failures import LinkError
from phaseline_tui.model.servers import read_group

if TYPE_CHECKING:
    from phaseline_tui.app.app import ProgressApp

__all__ = ["ServerQuestions"]

_FIRST_S: Final = 0.5
_EVERY_S: Final = 5.0
_OK: Final = 200


class ServerQuestions:
    """Asks for the servers that share a log. One that can't say is asked again after a reconnection."""

    def __init__(self, app: "ProgressApp") -> None:
        """Ask the servers of `app` once `start` is called."""
        self._app = app
        self._asked: dict[str, int] = {}
        """For each server that needs no more questions, the number of its connections then."""

    def start(self) -> None:
        """Ask soon, and then every five seconds."""
        self._app.set_timer(_FIRST_S, self._ask_all)
        self._app.set_interval(_EVERY_S, self._ask_all)

    def _ask_all(self) -> None:
        if self._app.data.paused is not None:
            return
        for label, host in self._app.data.hosts.items():
            if host.status.state is LinkState.CONNECTED and self._asked.get(label) != host.connections:
                self._app.run_worker(self._ask(label), group=f"servers of {label}", exclusive=True)

    async def _ask(self, label: str) -> None:
        connections = self._app.data.hosts[label].connections
        try:
            reply = await asyncio.wrap_future(self._app.request(label, "GET", "/progress/servers"))
            if reply.status == _OK:
                self.receive(label, reply.body)
            else:  # an older server
                self._asked[label] = connections
        except (LinkError, ValueError):
            return

    def receive(self, label: str, body: bytes) -> None:
        """Show the answer of the server with this label; raise ValueError if it is invalid."""
        data = self._app.data
        group = read_group(body, data.live_scene().now)
        data.hosts[label].listed = group
        if [server.role for server in group.servers] == ["single"]:
            self._asked[label] = data.hosts[label].connections
        for screen in self._app.views_on_stack():
            screen.tick()
