"""The ASGI lifespan: the app is told when serving begins and ends, and kept running in between."""

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

from phaseline.errors import StartupFailed

__all__ = ["running"]

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def running(app: ASGIFramework, patience: float) -> AsyncIterator[LifespanState]:
    """Start `app`, yield the state that its requests share, and stop it again.

    Args:
        app: A Quart-Trio app needs this: its own nursery is opened by its start.
        patience: Seconds that its end may take. It is cancelled afterwards.

    Raises:
        StartupFailed: The app said that it can't start, or crashed before it had started.
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
                _log.warning("the app did not end in time and is cancelled", seconds=patience)
        nursery.cancel_scope.cancel()
    # Outside of the nursery, so that the error arrives as itself and not within a group.
    if failure is not None:
        raise StartupFailed(f"the app did not start: {failure}; see the log above for the cause")


class _Lifespan:
    """One run of the app's lifespan: what we say to it and what it answers."""

    def __init__(self, app: ASGIFramework) -> None:
        self.state: LifespanState = {}
        self.failure: str | None = None
        self._app = app
        self._started = trio.Event()
        self._stopped = trio.Event()
        self._say, self._hear = trio.open_memory_channel[ASGIReceiveEvent](2)

    async def run(self) -> None:
        """Call the app with its lifespan; its errors are logged, and seen by `start`."""
        scope: LifespanScope = {
            "type": "lifespan",
            "asgi": {"spec_version": "2.0", "version": "3.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._hear.receive, self._answer)
        except BaseException as error:
            group = error if isinstance(error, BaseExceptionGroup) else None
            failed = isinstance(error, Exception) if group is None else group.split(trio.Cancelled)[1] is not None
            if not failed:
                raise
            # Requests may still be served without it; what must not happen is that nobody hears of it.
            _log.exception("the app's lifespan ended with an error")
            if not self._started.is_set():
                self.failure = f"{type(error).__name__}: {error}"
        finally:
            self._started.set()
            self._stopped.set()

    async def start(self) -> None:
        """Say that serving begins, and wait for the answer."""
        self._say.send_nowait(cast(LifespanStartupEvent, {"type": "lifespan.startup"}))
        await self._started.wait()

    async def stop(self) -> None:
        """Say that serving has ended, and wait for the answer."""
        self._say.send_nowait(cast(LifespanShutdownEvent, {"type": "lifespan.shutdown"}))
        await self._stopped.wait()

    async def _answer(self, message: ASGISendEvent) -> None:
        match message["type"]:
            case "lifespan.startup.complete":
                self._started.set()
            case "lifespan.startup.failed":
                self.failure = message.get("message") or "it gave no reason"
                self._started.set()
            case "lifespan.shutdown.complete":
                self._stopped.set()
            case "lifespan.shutdown.failed":
                _log.error("the app did not end cleanly", reason=message.get("message"))
                self._stopped.set()
            case other:
                raise ValueError(f"lifespan message is {other!r}; allowed: startup and shutdown, complete or failed")
        await trio.lowlevel.checkpoint()
