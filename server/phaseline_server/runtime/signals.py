"""SIGINT and SIGTERM: the first starts a clean shutdown, the second forces the exit."""

import os
import signal
from collections.abc import Callable

import structlog
import trio

__all__ = ["wait_for_signal", "watch_signals"]

_log = structlog.get_logger(__name__)

_ENDING = (signal.SIGINT, signal.SIGTERM)


async def wait_for_signal() -> signal.Signals:
    """Wait for SIGINT or SIGTERM and return it. Only works in Trio's run in the main thread."""
    with trio.open_signal_receiver(*_ENDING) as arriving:
        async for number in arriving:
            return signal.Signals(number)
    raise AssertionError


async def watch_signals(
    end: Callable[[], object], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Call `end` at the first SIGINT or SIGTERM, and end the process at the second. Run until cancelled.

    Start it with `nursery.start` in a nursery around everything that `end` cancels, so that it still receives the
    second signal:

        async with trio.open_nursery() as around:
            work = trio.CancelScope()
            await around.start(watch_signals, work.cancel)
            with work:
                ...
            around.cancel_scope.cancel()
    """
    with trio.open_signal_receiver(*_ENDING) as arriving:
        task_status.started()
        number = await anext(arriving)
        _log.info("shutting down; interrupt again to force exit", signal=signal.Signals(number).name)
        end()
        number = await anext(arriving)
        # By the signal's default action, so that the parent process sees which signal ended this one.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
