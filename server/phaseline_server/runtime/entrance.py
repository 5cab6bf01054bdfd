"""Where clients connect: at the app, or, until this server leads a shared log, in the waiting room."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog
import trio
from quart_trio import QuartTrio

from phaseline_server.config.log_address import SQLITE
from phaseline_server.config.settings import Settings
from phaseline_server.door import Door
from phaseline_server.door.listen import url_of
from phaseline_server.errors import LogUnavailable
from phaseline_server.http.waiting_room import Waiting, make_waiting_room
from phaseline_server.log.protocol import Standing
from phaseline_server.runtime.listening import make_door, make_tls
from phaseline_server.runtime.logging_setup import announce

__all__ = ["Entrance", "Reception"]

_log: Final = structlog.get_logger()
_GRACE_S: Final = 1.0  # for answers on their way


class Entrance:
    """The listen addresses, which outlive the parts of a server's life with and without leading.

    Attributes:
        url: The first address, as clients write it.
    """

    def __init__(
        self, settings: Settings, listeners: Sequence[trio.SocketListener], task_status: trio.TaskStatus[list[str]]
    ) -> None:
        """Use bound listeners; `task_status` receives their URLs once clients are accepted."""
        self.settings = settings
        self.url = url_of(listeners[0], secure=bool(settings.tls_cert))
        self._listeners = listeners
        self._task_status = task_status
        self._announced = False

    async def serve(self, nursery: trio.Nursery, door: Door, app: QuartTrio) -> None:
        """Accept clients at `door`, which closes copies of the listeners; return once it does."""
        copies = [trio.SocketListener(listener.socket.dup()) for listener in self._listeners]
        urls = await nursery.start(door.serve, app, copies)
        if not self._announced:
            self._announced = True
            announce(urls)
            self._task_status.started(urls)

    @asynccontextmanager
    async def reception(self) -> AsyncIterator["Reception"]:
        """Receive clients for the length of the block, in the waiting room if there is something to wait for."""
        if self.settings.log == SQLITE:
            yield Reception(self, None)
            return
        async with trio.open_nursery() as nursery:
            yield Reception(self, nursery)
            nursery.cancel_scope.cancel()


class Reception:
    """Leads clients to the waiting room until the app is ready."""

    def __init__(self, entrance: Entrance, nursery: trio.Nursery | None) -> None:
        """Use `nursery` for the waiting room, which is open from the first `update` on."""
        self._entrance = entrance
        self._nursery = nursery
        self._waiting = Waiting()
        self._door: Door | None = None
        self._served = trio.Event()

    def update(self, reason: Standing | LogUnavailable) -> None:
        """Note why this server waits."""
        if self._waiting.update(reason):
            if isinstance(reason, LogUnavailable):
                _log.warning("waiting for the log", cause=reason.cause)
            else:
                _log.info("waiting while another server leads", leader=reason.leader)
        if self._door is None and self._nursery is not None:
            self._door = make_door(self._entrance.settings, make_tls(self._entrance.settings))
            self._nursery.start_soon(self._serve_waiting, self._nursery, self._door)

    async def _serve_waiting(self, nursery: trio.Nursery, door: Door) -> None:
        await self._entrance.serve(nursery, door, make_waiting_room(self._waiting))
        self._served.set()

    async def admit(self, nursery: trio.Nursery, door: Door, app: QuartTrio) -> None:
        """Close the waiting room, and serve `app` at `door` in `nursery`."""
        if self._door is not None:
            await self._served.wait()
            await self._door.close(_GRACE_S)
        await self._entrance.serve(nursery, door, app)
