"""The app's calls within one connection: each is a task, with an inbox of what it has yet to receive."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import quart.wrappers.base
import structlog
import trio
from hypercorn.config import Config
from hypercorn.trio.task_group import TaskGroup
from hypercorn.typing import AppWrapper, ASGIReceiveEvent, ASGISendEvent, Scope

from phaseline.errors import shown

__all__ = ["CLIENT_LEFT", "LEFT", "AppTasks", "call_app", "logged"]

_log = structlog.get_logger(__name__)

CLIENT_LEFT: tuple[type[Exception], ...] = tuple(
    getattr(quart.wrappers.base, name) for name in ("ClientDisconnectedError",) if hasattr(quart.wrappers.base, name)
)
"""What Quart from 0.23 on raises within a route whose client has left; older ones only cancel the route."""

LEFT: Final = "phaseline.left"
"""The ASGI extension by which an app is told of the end without a task that receives it: see `call_when_left`."""

_DISCONNECTS = frozenset({"http.disconnect", "websocket.disconnect"})


class AppTasks(TaskGroup):
    """Hypercorn's group of tasks, but for the inbox.

    Hypercorn's makes the giver of an event wait for room in it even when the app has returned, or when the giver is
    the app itself, which has just ended its response and is to be told of the end: neither wait ever ended.
    """

    async def spawn_app(
        self,
        app: AppWrapper,
        config: Config,
        scope: Scope,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        """Call `app` in a task of its own, and return the function that gives it events."""
        inbox = _Inbox(config.max_app_queue_size)
        scope["extensions"][LEFT] = {"call": inbox.call_when_left}  # type: ignore[typeddict-item] # of HTTP's
        self.spawn(_call, app, scope, inbox, send)
        return inbox.put


async def _call(
    app: AppWrapper,
    scope: Scope,
    inbox: "_Inbox",
    send: Callable[[ASGISendEvent | None], Awaitable[None]],
) -> None:
    """Call `app`; its errors end its own call, with 500 if that can still be said."""
    try:
        await call_app(app, scope, inbox.receive, send)
    finally:
        inbox.close()
        await send(None)


async def call_app(
    app: AppWrapper,
    scope: Scope,
    receive: Callable[[], Awaitable[ASGIReceiveEvent]],
    send: Callable[[Any], Awaitable[None]],
) -> None:
    """Call `app`, and log its errors."""
    await logged(app(scope, receive, send, trio.to_thread.run_sync, trio.from_thread.run))


async def logged(call: Awaitable[None]) -> None:
    """Await a call of the app's, and log its errors."""
    try:
        await call
    except CLIENT_LEFT:
        _log.debug("a client left before the end of its answer")
    except Exception as error:  # noqa: BLE001 (the app's own)
        _log_error(error)
    except BaseExceptionGroup as group:
        cancelled, errors = group.split(trio.Cancelled)
        if errors is not None:
            _log_error(errors)
        if cancelled is not None:
            raise cancelled from None


def _log_error(error: BaseException) -> None:
    """Log what the app raised, unless it only says that the client has left."""
    if isinstance(error, BaseExceptionGroup) and error.split(CLIENT_LEFT)[1] is None:
        _log.debug("a client left before the end of its answer")
    else:
        _log.error("the app raised an error", error=shown(str(error)), exc_info=error)


class _Inbox:
    """Events for one call of the app, at most `size` of them unless one tells it that the client has left."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._events: deque[ASGIReceiveEvent] = deque()
        self._closed = False
        self._when_left: Callable[[], None] | None = None
        self._room = trio.lowlevel.ParkingLot()
        self._news = trio.lowlevel.ParkingLot()

    async def put(self, event: ASGIReceiveEvent) -> None:
        """Add `event`, once there is room; the end of the client has no need to wait, nor even a checkpoint."""
        if event["type"] not in _DISCONNECTS:
            await trio.lowlevel.checkpoint()
            while len(self._events) >= self._size and not self._closed:
                await self._room.park()
        elif self._when_left is not None:
            self._when_left()
        if not self._closed:
            self._events.append(event)
            self._news.unpark()

    async def receive(self) -> ASGIReceiveEvent:
        """Wait for the next event, and return it."""
        await trio.lowlevel.checkpoint()
        while not self._events:
            await self._news.park()
        self._room.unpark()
        return self._events.popleft()

    def call_when_left(self, act: Callable[[], None]) -> None:
        """Call `act` once the client has left, or has had the answer; for an app that does not receive."""
        self._when_left = act
        if any(event["type"] in _DISCONNECTS for event in self._events):
            act()

    def close(self) -> None:
        """Drop everything from now on: the app has returned."""
        self._closed = True
        self._when_left = None
        self._events.clear()
        self._room.unpark_all()
