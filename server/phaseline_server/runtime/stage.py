"""The app of a door whose server begins or ceases to lead: each call goes to the app that is shown at that time."""

from typing import Final

import trio
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope

from phaseline_server.door.lifespan import running

__all__ = ["Stage"]

_GRACE_S: Final = 1.5  # for answers on their way
_DISCONNECT_S: Final = 2.5  # for WebSockets to be closed
_APP_ENDS_S: Final = 1.0


class _Calls:
    """The calls of one app that have not ended."""

    def __init__(self) -> None:
        self._scopes: set[trio.CancelScope] = set()
        self._over = trio.Event()

    async def make(
        self, app: ASGIFramework, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        with trio.CancelScope() as cancel:
            self._scopes.add(cancel)
            try:
                await app(scope, receive, send)
            finally:
                self._scopes.discard(cancel)
                if not self._scopes:
                    self._over.set()

    async def end(self) -> None:
        """Wait until all have ended, but not for long; cancel the others."""
        with trio.move_on_after(_GRACE_S):
            while self._scopes:
                self._over = trio.Event()
                await self._over.wait()
        for cancel in self._scopes:
            cancel.cancel()


class Stage:
    """An ASGI app that shows others, one at a time."""

    def __init__(self, base: ASGIFramework) -> None:
        """Show `base` while no other app is shown; its lifespan is that of the stage."""
        self._base = self._app = base
        self._calls = _Calls()

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Call the app that is shown."""
        if scope["type"] == "lifespan":
            await self._base(scope, receive, send)
        else:
            await self._calls.make(self._app, scope, receive, send)

    async def show(
        self,
        app: ASGIFramework,
        closing: trio.Event,
        disconnected: trio.Event,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Show `app` until canceled or replaced; then give its clients time to disconnect.

        Args:
            app: The app.
            closing: Set at the end, for long-lived routes.
            disconnected: Set by the app once it has closed its WebSockets.
            task_status: Started once the app is shown.
        """
        async with trio.open_nursery() as nursery:
            try:
                await nursery.start(self._show, app, closing, disconnected)
                task_status.started()
                await trio.sleep_forever()
            finally:
                closing.set()

    async def _show(
        self, app: ASGIFramework, closing: trio.Event, disconnected: trio.Event, *, task_status: trio.TaskStatus[None]
    ) -> None:
        with trio.CancelScope() as shutdown:
            async with running(app, _APP_ENDS_S):
                # From here on, a cancellation sets `closing`, for an orderly shutdown. An earlier one is handled here,
                # because it would wait for this task and so never set `closing`.
                await trio.lowlevel.checkpoint_if_cancelled()
                shutdown.shield = True
                calls = self._calls = _Calls()
                self._app = app
                task_status.started()
                await closing.wait()
                if self._app is app:
                    self._app, self._calls = self._base, _Calls()
                with trio.move_on_after(_DISCONNECT_S):
                    await disconnected.wait()
                await calls.end()
