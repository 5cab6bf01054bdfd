"""The app that a door serves while a server's part changes."""

import trio
import trio.testing
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope

from phaseline_server.runtime.stage import Stage


async def test_an_app_is_ended_if_its_server_ends_while_it_starts(autojump_clock: trio.testing.MockClock) -> None:
    closing, disconnected, scope = trio.Event(), trio.Event(), trio.CancelScope()
    disconnected.set()

    async def app(scope_: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        assert scope_["type"] == "lifespan"
        await receive()
        answer = send({"type": "lifespan.startup.complete"})
        answer.send(None)  # type: ignore[attr-defined] # from now on, the stage continues at the next turn
        answer.close()  # type: ignore[attr-defined]
        scope.cancel()
        for _ in range(3):
            await trio.lowlevel.cancel_shielded_checkpoint()  # it is busy meanwhile
        await trio.sleep_forever()

    async def release() -> None:
        await trio.sleep(100)
        closing.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(release)
        with scope:
            await Stage(app).show(app, closing, disconnected)
        nursery.cancel_scope.cancel()
    assert scope.cancelled_caught
    assert autojump_clock.current_time() < 100
