"""The ASGI lifespan: events that start and stop the app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import structlog
import trio
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveEvent,
    ASGISendEvent,
    LifespanScope,
    LifespanShutdownEvent,
    LifespanStartupEvent,
    LifespanState,
)

from phaseline_server.errors import StartupFailed

__all__ = ["running"]

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def running(app: ASGIFramework, patience: float) -> AsyncIterator[LifespanState]:
    """Start `app`, yield the state that its requests share, and stop it.

    Args:
        app: The app. Quart-Trio needs the lifespan, because it opens the app's nursery.
        patience: Time-out of the app's shutdown, in seconds. It is canceled afterwards.

    Raises:
        StartupFailed: The app reported a failure, or crashed while starting.
    """
    lifespan = _Lifespan(app)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lifespan.run)
        await lifespan.start()
        failure = lifespan.failure
        if failure is None:
            yield lifespan.state
            with trio.move_on_after(patience) as limit:
                await lifespan.stop()
            if limit.cancelled_caught:
                _log.warning("app shutdown timed out; canceling it", seconds=patience)
        nursery.cancel_scope.cancel()
    # Outside the nursery, so that the error is not wrapped in a group.
    if failure is not None:
        raise StartupFailed(f"the app did not start: {failure}; see the log above for details")


class _Lifespan:
    """One run of the app's lifespan."""

    def __init__(self, app: ASGIFramework) -> None:
        self.state: LifespanState = {}
        self.failure: str | None = None
        self._app = app
        self._started = trio.Event()
        self._stopped = trio.Event()
        self._send, self._receive = trio.open_memory_channel[ASGIReceiveEvent](2)

    async def run(self) -> None:
        """Call the app with its lifespan. Errors are logged, and recorded for `start`."""
        scope: LifespanScope = {
            "type": "lifespan",
            "asgi": {"spec_version": "2.0", "version": "3.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._receive.receive, self._answer)
        except BaseException as error:
            group = error if isinstance(error, BaseExceptionGroup) else None
            failed = isinstance(error, Exception) if group is None else group.split(trio.Cancelled)[1] is not None
            if not failed:
                raise
            # Requests may still be served without the lifespan, so the error is logged and not raised.
            _log.exception("app lifespan failed")
            if not self._started.is_set():
                self.failure = f"{type(error).__name__}: {error}"
        finally:
            self._started.set()
            self._stopped.set()

    async def start(self) -> None:
        """Send the start event and wait for the reply."""
        self._send.send_nowait(cast(LifespanStartupEvent, {"type": "lifespan.startup"}))
        await self._started.wait()

    async def stop(self) -> None:
        """Send the shutdown event and wait for the reply."""
        self._send.send_nowait(cast(LifespanShutdownEvent, {"type": "lifespan.shutdown"}))
        await self._stopped.wait()

    async def _answer(self, message: ASGISendEvent) -> None:
        match message["type"]:
            case "lifespan.startup.complete":
                self._started.set()
            case "lifespan.startup.failed":
                self.failure = message.get("message") or "no reason given"
                self._started.set()
            case "lifespan.shutdown.complete":
                self._stopped.set()
            case "lifespan.shutdown.failed":
                _log.error("app shutdown failed", reason=message.get("message"))
                self._stopped.set()
            case other:
                raise ValueError(f"lifespan message is {other!r}; allowed: startup or shutdown, complete or failed")
        await trio.lowlevel.checkpoint()
