"""The listen addresses, and the app behind them: of a leader, a follower, or a server that waits for a shared log."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog
import trio
from hypercorn.typing import ASGIFramework
from quart_trio import QuartTrio

from phaseline_server.access.keeper import Keeper
from phaseline_server.config.log_address import SQLITE
from phaseline_server.config.settings import Settings
from phaseline_server.door import Door
from phaseline_server.door.listen import url_of
from phaseline_server.errors import JournalFailed, JournalUnusable, LogReplaced, LogUnavailable
from phaseline_server.http.services import Services
from phaseline_server.http.waiting_room import Waiting, make_waiting_room
from phaseline_server.log.engines import open_feed
from phaseline_server.log.feed import Feed
from phaseline_server.log.protocol import Standing
from phaseline_server.runtime.follower import follow
from phaseline_server.runtime.listening import make_door, make_tls
from phaseline_server.runtime.logging_setup import announce
from phaseline_server.runtime.stage import Stage

__all__ = ["Entrance", "Reception", "first_of", "warn_of_wildcard"]

_log: Final = structlog.get_logger()
_AGAIN_S: Final = 1.0  # pause before the next attempt to follow the log


def first_of(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error in a group."""
    first = errors.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first


def warn_of_wildcard(url: str) -> None:
    """Warn if other servers of the log can't reach this one at `url`."""
    scheme, _, place = url.partition("://")
    host, _, port = place.rpartition(":")
    if host in {"0.0.0.0", "[::]"}:  # noqa: S104 (compared)
        advice = f"pass --advertise {scheme}://HOST:{port}, with a name or address of this machine"
        _log.warning("other servers of the log can't reach this one at its listen address", address=url, advice=advice)


class Entrance:
    """The listen addresses, which stay open when the server begins or ceases to lead.

    Attributes:
        url: The address of this server, as others write it.
        tls: The TLS context of the listeners.
    """

    def __init__(
        self, settings: Settings, listeners: Sequence[trio.SocketListener], task_status: trio.TaskStatus[list[str]]
    ) -> None:
        """Use bound listeners; `task_status` receives their URLs once clients are accepted."""
        self.settings = settings
        self.url = settings.advertise or url_of(listeners[0], secure=bool(settings.tls_cert))
        if settings.log != SQLITE and not settings.advertise:
            warn_of_wildcard(self.url)
        self.tls = make_tls(settings)
        self._listeners = listeners
        self._task_status = task_status
        self._announced = False

    async def serve(self, nursery: trio.Nursery, door: Door, app: ASGIFramework) -> None:
        """Accept clients at `door`, which closes copies of the listeners; return once it does."""
        copies = [trio.SocketListener(listener.socket.dup()) for listener in self._listeners]
        urls = await nursery.start(door.serve, app, copies)
        if not self._announced:
            self._announced = True
            announce(urls)
            self._task_status.started(urls)

    @asynccontextmanager
    async def reception(self, keeper: Keeper) -> AsyncIterator["Reception"]:
        """Receive clients for the length of the block, also before this server leads a shared log."""
        if self.settings.log == SQLITE:
            yield Reception(self, keeper, None)
            return
        async with trio.open_nursery() as nursery:
            yield Reception(self, keeper, nursery)
            nursery.cancel_scope.cancel()


class Reception:
    """Serves clients from the log, from its feed while another server leads, or with the waiting room's app.

    Attributes:
        door: The door for all of them.
    """

    def __init__(self, entrance: Entrance, keeper: Keeper, nursery: trio.Nursery | None) -> None:
        """Use `nursery` for what is served before this server leads; None for a log that is not shared."""
        self.door = make_door(entrance.settings, entrance.tls)
        self._entrance = entrance
        self._keeper = keeper
        self._nursery = nursery
        self._waiting = Waiting()
        self._stage = Stage(make_waiting_room(self._waiting))
        self._opening: trio.Event | None = None
        self._feed: Feed | None = None
        self._following: trio.CancelScope | None = None
        self._ended = trio.Event()

    @property
    def closing(self) -> trio.Event:
        """The event for a new app's long-lived routes."""
        return self.door.closing if self._nursery is None else trio.Event()

    def lag(self) -> float | None:
        """Return the lag of a server that follows, in seconds; None if it does not follow yet."""
        return None if self._feed is None else self._feed.standing.lag_s

    def update(self, reason: Standing | LogUnavailable) -> None:
        """Record why this server does not lead."""
        if self._waiting.update(reason):
            if isinstance(reason, LogUnavailable):
                _log.warning("waiting for the log", cause=reason.cause)
            else:
                _log.info("another server leads", leader=reason.leader)
        if self._nursery is None:
            return
        if self._opening is None:
            self._opening = trio.Event()
            self._nursery.start_soon(self._open, self._nursery, self._opening)
        if isinstance(reason, Standing):
            if self._feed is not None:
                self._feed.note(reason)
            elif self._following is None and reason.leader:
                self._following, self._ended = trio.CancelScope(), trio.Event()
                self._nursery.start_soon(self._follow, self._following, reason)

    async def _open(self, nursery: trio.Nursery, opened: trio.Event) -> None:
        await self._entrance.serve(nursery, self.door, self._stage)
        opened.set()

    async def _follow(self, scope: trio.CancelScope, leader: Standing) -> None:
        """Follow the log until `scope` is canceled, or the log can't be followed."""
        settings = self._entrance.settings
        try:
            with scope:
                async with open_feed(settings.log) as feed:
                    feed.note(leader)
                    self._feed = feed
                    await follow(feed, settings, self._keeper, self.door, self._show)
        except* (JournalFailed, JournalUnusable, LogReplaced, LogUnavailable) as errors:
            _log.warning("this server can't follow the log; retrying", error=str(first_of(errors)))
        finally:
            self._feed = None
            self._ended.set()
        if not scope.cancel_called:
            await trio.sleep(_AGAIN_S)
            self._following = None

    async def _show(self, nursery: trio.Nursery, services: Services, app: QuartTrio) -> None:
        await nursery.start(self._stage.show, app, services.closing, services.disconnected)

    async def admit(self, nursery: trio.Nursery, services: Services, app: QuartTrio) -> None:
        """Serve `app` in `nursery` in place of any previous app."""
        if self._nursery is None:
            await self._entrance.serve(nursery, self.door, app)
            return
        await self._show(nursery, services, app)
        if self._opening is None:
            await self._open(self._nursery, trio.Event())
        else:
            await self._opening.wait()
        if self._following is not None:
            # Its clients connect again, and resume.
            self._following.cancel()
            await self._ended.wait()
