"""The age of a mirror's copy, and the clock of its jobs."""

from phaseline.model.snapshot import Moment
from phaseline_server.mirror.age import Age

SECOND = 10**9


class Clock:
    """Two clocks that advance together."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> Moment:
        return Moment(round(self.s * SECOND) + 10**18, round(self.s * SECOND))


def test_a_copy_is_current_while_the_source_sends_signs_of_life() -> None:
    clock = Clock()
    age = Age(clock, None)
    assert age.away
    for _ in range(10):
        age.note(clock(), complete=True)
        clock.s += 1
        assert (age.lag_s, age.away, age.clock()) == (0, False, clock())


def test_the_lag_of_a_copy_is_measured_from_when_it_was_complete() -> None:
    clock = Clock()
    age = Age(clock, None)
    age.note(clock(), complete=True)
    for _ in range(3):
        clock.s += 1
        age.note(clock(), complete=False)
    assert (age.lag_s, age.away) == (3, False)
    age.note(clock(), complete=True)
    assert age.lag_s == 0


def test_the_clock_of_the_jobs_stops_while_the_source_is_down() -> None:
    clock = Clock()
    age = Age(clock, None)
    age.note(clock(), complete=True)
    before = clock()
    clock.s += 4
    assert (age.away, age.clock()) == (False, clock())
    clock.s += 2
    stopped = age.clock()
    # Later than any reading before, so that no estimate of that time is reused.
    assert (age.away, stopped.mono_ns - before.mono_ns) == (True, 7 * SECOND)
    clock.s += 3600
    assert (age.clock(), age.lag_s, age.silent_s) == (stopped, 3606, 3606)
    age.note(clock(), complete=True)
    assert (age.clock(), age.lag_s, age.away) == (clock(), 0, False)


def test_the_age_continues_after_a_restart() -> None:
    clock = Clock()
    complete_ns = clock().wall_ns - 300 * SECOND
    age = Age(clock, complete_ns)
    assert (age.lag_s, age.away, age.clock().wall_ns) == (300, True, complete_ns)
    clock.s += 5
    assert age.lag_s == 305
    # A clock that was set back makes no negative age.
    assert Age(clock, clock().wall_ns + SECOND).lag_s == 0


def test_the_time_of_a_complete_copy_is_stored_now_and_then() -> None:
    clock = Clock()
    age = Age(clock, None)
    stored = []
    for _ in range(12):
        clock.s += 1
        stored.append(age.note(clock(), complete=True))
    assert sum(stored) == 2
