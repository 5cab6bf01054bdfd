"""Retries with exponential back-off, a time-out for each attempt and a deadline for all of them."""

import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec
import trio

from phaseline.errors import PhaselineError

__all__ = ["Again", "Retries", "persist"]

T = TypeVar("T")

# Maximum wait in seconds, even if `Retry-After` is longer: a provider that asks for an hour may recover in a minute.
MAX_WAIT: Final = 60.0
# Maximum back-off in seconds.
MAX_BACKOFF: Final = 30.0


class Again(Exception):
    """An attempt failed with a temporary error.

    Attributes:
        reason: The error, as a clause: `status 503: overloaded`.
        wait: Seconds to wait, if the server sent them.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of retries.

    Attributes:
        timeout: Time-out of one attempt, from connecting to the last byte, in seconds.
        retries: Attempts after the first.
        deadline: Time-out of all attempts and waits, in seconds; None for the sum of the attempts' time-outs.
        backoff: Maximum of the first wait, in seconds; it doubles with each further wait.
    """

    timeout: float
    retries: int = 2
    deadline: float | None = None
    backoff: float = 1.0

    @property
    def attempts(self) -> int:
        """The maximum number of attempts."""
        return self.retries + 1

    @property
    def whole(self) -> float:
        """The deadline, in seconds from the start."""
        return self.timeout * self.attempts if self.deadline is None else self.deadline

    def wait(self, failure: Again, failed: int, jitter: random.Random) -> float:
        """Return the seconds to wait after the `failed`-th attempt, counted from 1.

        This is the server's `Retry-After`, up to 60 s. Otherwise it is "full jitter": uniform between 0 and
        `backoff * 2 ** (failed - 1)`, at most 30 s. So clients that failed together do not retry together
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
    """Call `attempt` until it succeeds, and return its result.

    All times are Trio's, so a test's clock also controls time-outs, waits and the deadline.

    Args:
        attempt: Called with its number, from 1. It raises `Again` for a temporary error; other errors propagate.
        patience: The limits of retries.
        jitter: The source of randomness for the waits.
        report: Called with a line of text before each wait: `rate limited; retrying in 4 s (2 of 5)`.
        gave_up: Returns the error to raise, from its text.

    Raises:
        PhaselineError: The error of `gave_up`, when no attempt or no time is left.
    """
    end = trio.current_time() + patience.whole
    number = 0
    while True:
        number += 1
        allowed = max(0.0, min(patience.timeout, end - trio.current_time()))
        failure = Again(f"no complete response within {_seconds(allowed)}")
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
            raise gave_up(f"{history}; the next attempt would start in {_seconds(wait)}, but {_seconds(left)} are left")
        await report(f"{failure.reason}; retrying in {_seconds(wait)} ({number + 1} of {patience.attempts})")
        await trio.sleep(wait)


def _seconds(value: float) -> str:
    """Return seconds as text: `0.25 s`, `4 s`, `120 s`."""
    return f"{value:.2g} s" if value < 1 else f"{value:.0f} s"
