"""SIGINT and SIGTERM: the first asks for a clean end, a second one ends at once."""

import os
import signal
from collections.abc import Callable

import structlog
import trio

__all__ = ["wait_for_signal", "watch_signals"]

_log = structlog.get_logger(__name__)

_ENDING = (signal.SIGINT, signal.SIGTERM)


async def wait_for_signal() -> signal.Signals:
    """Wait for SIGINT or SIGTERM, and return it. Only for Trio's run in the main thread."""
    with trio.open_signal_receiver(*_ENDING) as arriving:
        async for number in arriving:
            return signal.Signals(number)
    raise AssertionError


async def watch_signals(
    end: Callable[[], object], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Call `end` at the first SIGINT or SIGTERM, and end the process at once at the second. Runs until cancelled.

    To be started with `nursery.start` in a nursery around all that `end` cancels, so that it is still there
    for the second signal:

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
        _log.info("ending; once more ends at once", signal=signal.Signals(number).name)
        end()
        number = await anext(arriving)
        # By the signal's own default action, so that whoever started us sees what ended us.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
