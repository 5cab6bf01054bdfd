"""Periodic requests to each connected server."""

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final

from phaseline_tui.model.connection import LinkState
from phaseline_tui.model.failures import LinkError

if TYPE_CHECKING:
    from phaseline_tui.app.app import ProgressApp

__all__ = ["Questions"]

_EVERY_S: Final = 5.0
_OK: Final = 200


class Questions(ABC):
    """Requests a document from each server. A server without it is queried again after a reconnection."""

    PATH: ClassVar[str]
    FIRST_S: ClassVar[float]
    """Time to the first request, in seconds."""

    def __init__(self, app: "ProgressApp") -> None:
        """Ask the servers of `app` once `start` is called."""
        self._app = app
        self._settled: dict[str, int] = {}
        """For each server that needs no more requests, the number of its connections then."""

    def start(self) -> None:
        """Ask soon, and then every five seconds."""
        self._app.set_timer(self.FIRST_S, self._ask_all)
        self._app.set_interval(_EVERY_S, self._ask_all)

    @abstractmethod
    def receive(self, label: str, body: bytes) -> None:
        """Show the answer of the server with this label; raise ValueError if it is invalid."""

    def wanted(self) -> frozenset[str]:
        """Return the labels of the servers to ask."""
        return frozenset(self._app.data.hosts)

    def settle(self, label: str) -> None:
        """Do not query this server again until it reconnects."""
        self._settled[label] = self._app.data.hosts[label].connections

    def _ask_all(self) -> None:
        if self._app.data.paused is not None:
            return
        wanted = self.wanted()
        for label, host in self._app.data.hosts.items():
            if host.status.state is not LinkState.CONNECTED or self._settled.get(label) == host.connections:
                continue
            if label in wanted:
                self._app.run_worker(self._ask(label), group=f"{self.PATH} of {label}", exclusive=True)
            else:
                self.receive(label, b"{}")

    async def _ask(self, label: str) -> None:
        try:
            reply = await asyncio.wrap_future(self._app.request(label, "GET", self.PATH))
            if reply.status == _OK:
                self.receive(label, reply.body)
            else:  # an older server, or a token for some jobs only
                self.settle(label)
        except (LinkError, ValueError):
            return
