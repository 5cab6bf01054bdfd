"""Waiting for a blocking call in whatever async library is running, without being made for one of them."""

import sys
from collections.abc import Callable
from typing import TypeVar

__all__ = ["in_thread"]

T = TypeVar("T")


async def in_thread(call: Callable[[], T]) -> T:
    """Return what `call` returns, from a thread, in an asyncio or Trio program; cancelling does not wait for it."""
    trio = sys.modules.get("trio")
    # The background thread may be about to load it; in a Trio program it is loaded.
    in_trio_run = getattr(getattr(trio, "lowlevel", None), "in_trio_run", None)
    if trio is not None and in_trio_run is not None and in_trio_run():
        result: T = await trio.to_thread.run_sync(call, abandon_on_cancel=True)
        return result
    import asyncio  # noqa: PLC0415 - loaded already, since it is running

    return await asyncio.to_thread(call)
