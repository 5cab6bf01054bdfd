"""The app's calls in one connection: each runs in its own task, with an inbox of events to receive."""

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
"""The error that Quart 0.23 and later raises in a route whose client disconnected; older versions cancel the route."""

LEFT: Final = "phaseline.left"
"""The ASGI extension that reports a disconnect by a callback, without a receiving task: see `call_when_left`."""

_DISCONNECTS = frozenset({"http.disconnect", "websocket.disconnect"})


class AppTasks(TaskGroup):
    """Hypercorn's task group, with our own inbox.

    With hypercorn's inbox, `put` waits for space even after the app has returned. It also waits when the app itself
    calls it, at the end of its response. Both waits never end.
    """

    async def spawn_app(
        self,
        app: AppWrapper,
        config: Config,
        scope: Scope,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        """Call `app` in a new task and return the function that delivers events to it."""
        inbox = _Inbox(config.max_app_queue_size)
        scope["extensions"][LEFT] = {"call": inbox.call_when_left}  # type: ignore[typeddict-item] # not in HTTP's type
        self.spawn(_call, app, scope, inbox, send)
        return inbox.put


async def _call(
    app: AppWrapper,
    scope: Scope,
    inbox: "_Inbox",
    send: Callable[[ASGISendEvent | None], Awaitable[None]],
) -> None:
    """Call `app`. An error ends only this call, with status 500 if no response was sent yet."""
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
    """Call `app` and log its errors."""
    await logged(app(scope, receive, send, trio.to_thread.run_sync, trio.from_thread.run))


async def logged(call: Awaitable[None]) -> None:
    """Await a call of the app and log its errors."""
    try:
        await call
    except CLIENT_LEFT:
        _log.debug("client disconnected before the end of the response")
    except Exception as error:  # noqa: BLE001 (any error of the app)
        _log_error(error)
    except BaseExceptionGroup as group:
        cancelled, errors = group.split(trio.Cancelled)
        if errors is not None:
            _log_error(errors)
        if cancelled is not None:
            raise cancelled from None


def _log_error(error: BaseException) -> None:
    """Log an error of the app; a disconnect is logged only at level debug."""
    if isinstance(error, BaseExceptionGroup) and error.split(CLIENT_LEFT)[1] is None:
        _log.debug("client disconnected before the end of the response")
    else:
        _log.error("unhandled error in the app", error=shown(str(error)), exc_info=error)


class _Inbox:
    """Events for one call of the app: at most `size`, not counting disconnects."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._events: deque[ASGIReceiveEvent] = deque()
        self._closed = False
        self._when_left: Callable[[], None] | None = None
        self._space = trio.lowlevel.ParkingLot()
        self._added = trio.lowlevel.ParkingLot()

    async def put(self, event: ASGIReceiveEvent) -> None:
        """Add `event` when there is space. A disconnect is added at once, without a checkpoint."""
        if event["type"] not in _DISCONNECTS:
            await trio.lowlevel.checkpoint()
            while len(self._events) >= self._size and not self._closed:
                await self._space.park()
        elif self._when_left is not None:
            self._when_left()
        if not self._closed:
            self._events.append(event)
            self._added.unpark()

    async def receive(self) -> ASGIReceiveEvent:
        """Wait for the next event and return it."""
        await trio.lowlevel.checkpoint()
        while not self._events:
            await self._added.park()
        self._space.unpark()
        return self._events.popleft()

    def call_when_left(self, act: Callable[[], None]) -> None:
        """Call `act` when the client disconnects or the response is complete; for an app that does not receive."""
        self._when_left = act
        if any(event["type"] in _DISCONNECTS for event in self._events):
            act()

    def close(self) -> None:
        """Drop all events from now on, because the app has returned."""
        self._closed = True
        self._when_left = None
        self._events.clear()
        self._space.unpark_all()
