"""Retries, on Trio's mock clock: no network, no waiting, exact times."""

import random
from collections.abc import Awaitable, Callable

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from phaseline_server.pictures.errors import ProviderError
from phaseline_server.pictures.retry import Again, Retries, persist

Attempt = Callable[[int], Awaitable[str]]


def failing(*outcomes: Exception | str) -> Attempt:
    """Return an attempt that goes through `outcomes` and repeats the last one."""

    async def attempt(number: int) -> str:
        await trio.lowlevel.checkpoint()
        outcome = outcomes[min(number, len(outcomes)) - 1]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return attempt


async def run(attempt: Attempt, patience: Retries) -> tuple[str | ProviderError, list[str], float]:
    """Return the result, the reported lines, and the duration on the mock clock."""
    lines: list[str] = []

    async def report(line: str) -> None:
        await trio.lowlevel.checkpoint()
        lines.append(line)

    begun = trio.current_time()
    try:
        result: str | ProviderError = await persist(attempt, patience, random.Random(7), report, ProviderError)
    except ProviderError as error:
        result = error
    return result, lines, trio.current_time() - begun


async def test_a_first_success_is_returned_without_a_report(autojump_clock: MockClock) -> None:
    assert await run(failing("picture"), Retries(timeout=10, retries=3)) == ("picture", [], 0.0)


async def test_a_requested_wait_is_respected_and_reported(autojump_clock: MockClock) -> None:
    result, lines, took = await run(failing(Again("rate limited", 4.0), "picture"), Retries(timeout=10, retries=4))
    assert (result, lines) == ("picture", ["rate limited; retrying in 4 s (2 of 5)"])
    assert took == pytest.approx(4.0)


async def test_a_wait_is_at_most_one_minute(autojump_clock: MockClock) -> None:
    _, lines, took = await run(failing(Again("rate limited", 3600.0), "picture"), Retries(timeout=100, retries=1))
    assert lines == ["rate limited; retrying in 60 s (2 of 2)"]
    assert took == pytest.approx(60.0)


async def test_the_error_after_the_last_attempt_names_its_failure(autojump_clock: MockClock) -> None:
    error, lines, _ = await run(failing(Again("status 500", 1.0)), Retries(timeout=10, retries=2))
    assert str(error) == "gave up after attempt 3 of 3: status 500"
    assert len(lines) == 2


async def test_each_attempt_has_its_time_out(autojump_clock: MockClock) -> None:
    async def slow_once(number: int) -> str:
        await trio.sleep(3600 if number == 1 else 0)
        return "picture"

    result, lines, took = await run(slow_once, Retries(timeout=10, retries=1, backoff=0))
    assert result == "picture"
    assert lines == ["no complete response within 10 s; retrying in 0 s (2 of 2)"]
    assert took == pytest.approx(10.0)


async def test_the_deadline_cuts_the_last_attempt_short(autojump_clock: MockClock) -> None:
    async def never(_number: int) -> str:
        await trio.sleep_forever()
        raise AssertionError

    error, lines, took = await run(never, Retries(timeout=10, retries=9, deadline=25, backoff=0))
    assert took == pytest.approx(25.0)
    assert len(lines) == 2
    assert (
        "attempt 3 of 10: no complete response within 5 s; the next attempt would start in 0 s, but 0 s are left"
        in str(error)
    )


async def test_a_wait_beyond_the_deadline_fails_at_once(autojump_clock: MockClock) -> None:
    error, lines, took = await run(failing(Again("rate limited", 55.0)), Retries(timeout=10, retries=9, deadline=40))
    assert str(error).endswith("rate limited; the next attempt would start in 55 s, but 40 s are left")
    assert (lines, took) == ([], 0.0)


async def test_the_default_deadline_is_the_sum_of_the_time_outs(autojump_clock: MockClock) -> None:
    _, _, took = await run(failing(Again("rate limited", 9.0)), Retries(timeout=5, retries=3))
    assert took == pytest.approx(18.0)  # a third wait would end at 27 s, of 20 s in all


async def test_other_errors_are_not_retried(autojump_clock: MockClock) -> None:
    error, lines, _ = await run(failing(ProviderError("refused"), "picture"), Retries(timeout=5, retries=3))
    assert str(error) == "refused"
    assert lines == []


async def test_a_wait_can_be_canceled(autojump_clock: MockClock) -> None:
    with trio.move_on_after(2) as scope:
        await run(failing(Again("rate limited", 30.0)), Retries(timeout=100, retries=3))
    assert scope.cancelled_caught
    assert trio.current_time() == pytest.approx(2.0)


@given(failed=st.integers(1, 10_000), backoff=st.floats(0, 100), seed=st.integers())
def test_the_back_off_is_between_zero_and_a_doubling_maximum(failed: int, backoff: float, seed: int) -> None:
    wait = Retries(timeout=1, retries=1, backoff=backoff).wait(Again("x"), failed, random.Random(seed))
    assert 0 <= wait <= min(30.0, backoff * 2.0 ** min(failed - 1, 100))


def test_the_maximum_back_off_is_30_seconds() -> None:
    class Most(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return max(a, b)

    patience = Retries(timeout=1, retries=9, backoff=1.0)
    waits = [patience.wait(Again("x"), failed, Most()) for failed in range(1, 8)]
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_jitter_is_full_and_comes_from_the_given_randomness() -> None:
    patience = Retries(timeout=1, retries=1, backoff=8.0)
    waits = [patience.wait(Again("x"), 1, random.Random(seed)) for seed in range(200)]
    assert min(waits) < 0.5
    assert max(waits) > 7.5
    assert waits[3] == patience.wait(Again("x"), 1, random.Random(3))
