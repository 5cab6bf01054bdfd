"""Blocking calls in threads, for both asyncio and Trio."""

import sys
from collections.abc import Callable
from typing import TypeVar

__all__ = ["in_thread"]

T = TypeVar("T")


async def in_thread(call: Callable[[], T]) -> T:
    """Run `call` in a thread and return its result. Cancellation does not wait for it."""
    trio = sys.modules.get("trio")
    # The background thread may be importing Trio now; a Trio program has imported it already.
    in_trio_run = getattr(getattr(trio, "lowlevel", None), "in_trio_run", None)
    if trio is not None and in_trio_run is not None and in_trio_run():
        result: T = await trio.to_thread.run_sync(call, abandon_on_cancel=True)
        return result
    import asyncio  # noqa: PLC0415 - imported already, since it is running

    return await asyncio.to_thread(call)
