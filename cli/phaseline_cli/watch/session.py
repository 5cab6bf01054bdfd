"""Shared parts of all sources: the reporter, the end by a signal, and unavailable servers."""

import signal
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

import trio

from phaseline.errors import ConfigError
from phaseline.reporting import Reporter
from phaseline_cli.client.failures import Exit, Failure, note

__all__ = ["NO_LONGER", "Contact", "end_by", "watch"]

NO_LONGER: Final = "it is no longer watched"
"""The reason for cancelling a job whose work may continue."""
_BACKOFF_S: Final = (0.2, 10.0)
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Contact:
    """Whether another program's server answers; logs one line when it fails, and one when it is back."""

    def __init__(self, where: str) -> None:
        """Begin without an answer from `where`."""
        self._where = where
        self._pause, self._longest = _BACKOFF_S
        self._is_away = False
        self._was_found = False

    def found(self) -> None:
        """Take note of an answer."""
        if not self._was_found:
            note(f"watching {self._where}")
        elif self._is_away:
            note(f"{self._where} is back")
        self._was_found, self._is_away = True, False
        self._pause = _BACKOFF_S[0]

    async def lost(self, reason: str) -> None:
        """Take note that there is no answer; wait before the next attempt, longer each time."""
        if not self._is_away:
            note(f"{self._where}: {reason}; reconnecting")
        self._is_away = True
        await trio.sleep(self._pause)
        self._pause = min(2 * self._pause, self._longest)


def watch(source: Callable[[Reporter], Awaitable[Exit]], url: str | None, facts: str | None) -> Exit | signal.Signals:
    """Watch a source until it ends or a signal comes; return the exit code or the signal.

    Args:
        source: Watches, and reports; it is cancelled by a signal.
        url: The address of our server; None for PROGRESS_URL.
        facts: The facts to send; None for PROGRESS_FACTS.
    """
    try:
        reporter = Reporter(url, worker_facts=facts)
    except ConfigError as error:
        raise Failure(str(error).replace("worker_facts", "--facts", 1), Exit.USAGE) from error
    try:
        return trio.run(_until_signal, source, reporter)
    except BaseExceptionGroup as group:
        failures, others = group.split(Failure)
        if failures is None or others is not None:
            raise
        raise _first(failures) from None
    finally:
        reporter.close()


def _first(group: BaseExceptionGroup[Failure]) -> Failure:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


async def _until_signal(source: Callable[[Reporter], Awaitable[Exit]], reporter: Reporter) -> Exit | signal.Signals:
    ended: Exit | signal.Signals = Exit.DONE

    async def wait_for_signal() -> None:
        nonlocal ended
        with trio.open_signal_receiver(*_SIGNALS) as signals:
            ended = signal.Signals(await anext(signals))
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_for_signal)
        ended = await source(reporter)
        nursery.cancel_scope.cancel()
    return ended


def end_by(number: signal.Signals) -> NoReturn:
    """End this process by a signal, as shells expect."""
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    raise SystemExit(128 + number)
