"""A whole server in a separate process: `python door_program.py [stubborn]`. Prints its URL, and "ended" at the end.

With `stubborn`, the app never ends and ignores cancellation.
"""

import sys

import trio

from phaseline_server.door import Door, Limits, open_listeners
from phaseline_server.runtime.signals import watch_signals
from tests.support.door_clients import plain_app


async def main(*, stubborn: bool) -> None:
    """Serve until a signal asks for the end."""
    door = Door(
        Limits(head_seconds=3600, write_seconds=3600, linger_seconds=3600)
    )  # no limit, so that only a signal ends it
    app = plain_app(door)

    @app.after_serving
    async def end() -> None:
        with trio.CancelScope(shield=stubborn):
            await trio.sleep(3600 if stubborn else 0)

    async with trio.open_nursery() as around:
        work = trio.CancelScope()
        await around.start(watch_signals, work.cancel)
        with work:
            async with trio.open_nursery() as nursery:
                listeners = await open_listeners(["127.0.0.1:0"], explicit=True)
                [url] = await nursery.start(door.serve, app, listeners)
                print(url, flush=True)
        around.cancel_scope.cancel()
    print("ended", flush=True)


if __name__ == "__main__":
    trio.run(lambda: main(stubborn=sys.argv[1:] == ["stubborn"]))
