"""Waiting for what happens in other processes."""

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeVar

import trio

T = TypeVar("T")

_PATIENCE_S = 60
_PACE_S = 0.05


async def until(look: Callable[[], T | None] | Callable[[], Awaitable[T | None]]) -> T:
    """Return the first true value that `look` returns."""
    with trio.fail_after(_PATIENCE_S):
        while True:
            found = look()
            if isawaitable(found):
                found = await found
            if found:
                return found
            await trio.sleep(_PACE_S)
