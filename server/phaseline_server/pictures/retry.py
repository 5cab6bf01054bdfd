"""Trying again: attempts with a time-out each, growing random waits between them, and a deadline over all."""

import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec
import trio

from phaseline.errors import PhaselineError

__all__ = ["Again", "Retries", "persist"]

T = TypeVar("T")

# No wait is longer, whatever `Retry-After` says: a provider that asks for an hour may have recovered in a minute.
MAX_WAIT: Final = 60.0
# The back-off's own ceiling.
MAX_BACKOFF: Final = 30.0


class Again(Exception):
    """An attempt failed in a way that may pass.

    Attributes:
        reason: What happened, as a clause: `answered 503: overloaded`.
        wait: Seconds to wait, if the other side said so.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how often to try.

    Attributes:
        timeout: Seconds that one attempt may take, from connecting to the last byte.
        retries: Attempts after the first.
        deadline: Seconds that everything may take, waits included; None for as long as all attempts' time-outs.
        backoff: Seconds that the first wait is at most; the ceiling doubles with each further one.
    """

    timeout: float
    retries: int = 2
    deadline: float | None = None
    backoff: float = 1.0

    @property
    def attempts(self) -> int:
        """How many attempts there are at most."""
        return self.retries + 1

    @property
    def whole(self) -> float:
        """The deadline in seconds from the beginning."""
        return self.timeout * self.attempts if self.deadline is None else self.deadline

    def wait(self, failure: Again, failed: int, jitter: random.Random) -> float:
        """Return the seconds to wait after the `failed`-th attempt, counted from 1.

        What the other side asked for, up to 60 s; otherwise "full jitter": uniform between 0 and
        `backoff * 2 ** (failed - 1)`, at most 30 s. Clients that failed together then don't come back together
        (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
        """
        if failure.wait is not None:
            return min(failure.wait, MAX_WAIT)
        return jitter.uniform(0.0, min(MAX_BACKOFF, self.backoff * 2.0 ** min(failed - 1, 30)))


async def persist(
    attempt: Callable[[int], Awaitable[T]],
    patience: Retries,
    jitter: random.Random,
    report: Callable[[str], Awaitable[None]],
    gave_up: Callable[[str], PhaselineError],
) -> T:
    """Return what the first `attempt` that succeeds returns. It gets its number, counted from 1.

    Time is Trio's: a test's clock drives the time-outs, the waits and the deadline alike.

    Args:
        attempt: Raises `Again` for what may pass; any other exception ends it all.
        patience: How long and how often.
        jitter: Where the waits' randomness comes from.
        report: Gets a line before each wait: `rate limited; trying again in 4 s (2 of 5)`.
        gave_up: Makes the error of the text that tells how it ended.

    Raises:
        PhaselineError: What `gave_up` made, once there is no attempt or no time left.
    """
    end = trio.current_time() + patience.whole
    number = 0
    while True:
        number += 1
        allowed = max(0.0, min(patience.timeout, end - trio.current_time()))
        failure = Again(f"no whole answer within {_seconds(allowed)}")
        with trio.move_on_after(allowed):
            try:
                return await attempt(number)
            except Again as again:
                failure = again
        history = f"gave up after attempt {number} of {patience.attempts}: {failure.reason}"
        if number >= patience.attempts:
            raise gave_up(history)
        wait = patience.wait(failure, number, jitter)
        left = max(0.0, end - trio.current_time())
        if wait >= left:
            raise gave_up(f"{history}; the next may begin in {_seconds(wait)}, but {_seconds(left)} are left")
        await report(f"{failure.reason}; trying again in {_seconds(wait)} ({number + 1} of {patience.attempts})")
        await trio.sleep(wait)


def _seconds(value: float) -> str:
    """Return seconds as a person says them: `0.25 s`, `4 s`, `120 s`."""
    return f"{value:.2g} s" if value < 1 else f"{value:.0f} s"
