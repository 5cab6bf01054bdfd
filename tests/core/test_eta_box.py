"""Forecasts of when a box is free, for queued batches on simulated machines, and learning from batches."""

import random
from bisect import bisect
from collections.abc import Sequence
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phaseline.eta.backtest import Past, load
from phaseline.eta.box import Batch, Ratios, box_free
from phaseline.eta.box_replay import replay_boxes, score_boxes
from phaseline.eta.replay import Model
from phaseline.eta.slots import Active, Box, box_of
from phaseline.model.snapshot import Estimate

SECOND = 1000.0
NS = 1_000_000_000


class Ran(NamedTuple):
    """A job on a machine: when it began and ended, and when each tenth of its work was done."""

    began: float
    ended: float
    tenths: list[float]


def machine(cores: float, works: Sequence[float], slots: int) -> list[Ran]:
    """Simulate the jobs of a queue on a machine of `cores`, of which a job uses one at most."""
    at, done, running, following = 0.0, 0.0, list[tuple[float, int]](), 0
    clock = [(0.0, 0.0)]  # the work that each active job could have done, and the time
    begun: list[float] = []
    while running or following < len(works):
        while following < len(works) and len(running) < slots:
            begun.append(done)
            heappush(running, (done + works[following], following))
            following += 1
        end, _ = heappop(running)
        at += (end - done) * max(1.0, (len(running) + 1) / cores)
        done = end
        clock.append((done, at))

    def time_of(work: float) -> float:
        after = max(1, bisect(clock, (work, -inf)))
        (work0, at0), (work1, at1) = clock[after - 1 : after + 1] if after < len(clock) else clock[-2:]
        return at1 if work1 <= work0 else at0 + (at1 - at0) * (work - work0) / (work1 - work0)

    return [
        Ran(time_of(first), time_of(first + work), [time_of(first + work * i / 10) for i in range(1, 10)])
        for first, work in zip(begun, works, strict=True)
    ]


def batches(cores: float, count: int = 40, seed: int = 3, spread: float = 0.3) -> list[Past]:
    """Return batches of two to nine jobs of three kinds in one to four slots, one batch after the other."""
    rng, lines, at = random.Random(seed), [], 1e12
    for batch in range(count):
        slots, kinds = rng.randint(1, 4), [rng.choice((5, 12, 30)) for _ in range(rng.randint(2, 9))]
        runs = machine(cores, [kind * SECOND * rng.lognormvariate(0, spread) for kind in kinds], slots)
        for kind, ran in zip(kinds, runs, strict=True):
            marks = [(ms - ran.began, i / 10) for i, ms in enumerate(ran.tenths, 1)]
            line = {
                "series": f"kind {kind}",
                "phases": [{"name": "work", "durationMs": ran.ended - ran.began, "marks": marks}],
                "ok": True,
                "startedNs": (at + ran.began) * 1e6,
                "queue": {"batch": batch, "workers": slots, "waitedMs": ran.began},
            }
            lines.append(msgspec.json.encode(line))
        at += max(ran.ended for ran in runs) + 5 * SECOND
    return load(lines)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cores", "exponents"), [(1, (0.75, 1.0)), (2, (0.25, 0.5, 0.75)), (64, (0.0,))], ids=["shared", "two", "own"]
)
def test_a_box_is_forecast_on_machines_with_few_and_many_cores(cores: int, exponents: tuple[float, ...]) -> None:
    ratios = Ratios()
    forecasts = replay_boxes(batches(cores), Model(), ratios)
    found = score_boxes(each for each in forecasts if each.place >= 5)
    assert found is not None
    assert found.nae1 <= 0.15
    assert 0.75 <= found.coverage <= 0.9
    assert found.off2 <= 0.1
    assert ratios.exponent in exponents


def taught(exponent: int, batches: int = 60) -> Ratios:
    """Return the state learned from batches that always took as long as with the exponent of this index."""
    ratios = Ratios()
    for number in range(batches):
        box = Box(3, (Active(9 * SECOND, SECOND), Active(0, 8 * SECOND)), (4 * SECOND,) * (number % 4))
        look = ratios.look(0, box)
        ratios.learn([look], look.listed_ms[exponent])
    return ratios


def test_slots_take_the_queue_in_order() -> None:
    ratios = taught(0)
    free = box_free(Box(2, (Active(0, 3 * SECOND), Active(0, 1 * SECOND)), (4 * SECOND, 4 * SECOND)), ratios)
    assert ratios.exponent == 0
    assert free is not None
    assert free.point_ms == pytest.approx(7 * SECOND, rel=0.01)
    assert free.low_ms <= free.point_ms <= free.high_ms


def test_a_job_is_quicker_when_the_other_one_has_ended() -> None:
    free = box_free(Box(2, (Active(1e9, 10 * SECOND), Active(1e9, 20 * SECOND))), taught(4))
    assert free is not None
    assert free.point_ms == pytest.approx(15 * SECOND, rel=0.01)


def test_the_band_narrows_as_forecasts_prove_right() -> None:
    box = Box(2, (Active(0, 3 * SECOND),), (4 * SECOND,) * 4)
    first, later = box_free(box, Ratios()), box_free(box, taught(0))
    assert first is not None
    assert later is not None
    assert later.high_ms - later.low_ms < 0.2 * (first.high_ms - first.low_ms)


def test_without_jobs_or_with_an_unknown_one_nothing_is_forecast() -> None:
    known, unknown = Estimate(percent=10, remaining_ns=5 * NS), Estimate(percent=0)
    assert box_free(box_of(2, [], []), Ratios()) is None
    assert box_of(2, [(NS, known), (NS, unknown)], [known]) is None
    assert box_of(2, [(NS, known)], [unknown]) is None
    assert box_of(1, [(NS, known), (NS, known)], [known]) == Box(2, (Active(SECOND, 5 * SECOND),) * 2, (5 * SECOND,))


def test_a_new_job_begins_another_batch() -> None:
    ratios, batch = Ratios(), Batch()
    box = Box(1, (Active(0, 3 * SECOND),))
    batch.add(ratios.look(0, box), ["a"])
    batch.add(ratios.look(1 * SECOND, box), ["a", "b"])
    batch.add(ratios.look(2 * SECOND, box), ["b"])
    assert [look.at_ms for look in batch.end(4 * SECOND)] == [1 * SECOND, 2 * SECOND]
    assert batch.end(5 * SECOND) == []


def test_a_long_batch_keeps_a_bounded_number_of_looks() -> None:
    ratios, batch = Ratios(), Batch()
    look = ratios.look(0, Box(1, (Active(0, 3 * SECOND),)))
    for at in range(1000):
        batch.add(look._replace(at_ms=float(at)), ["a"])
    looks = batch.end(2000)
    assert len(looks) <= 200
    assert looks[0].at_ms == 0
    ratios.learn(looks, 2000)
    assert ratios.score is not None
    assert ratios.score.batches == 1


def test_ratios_are_the_same_after_a_restart() -> None:
    ratios = taught(1, 5)
    again, box = Ratios.decode(ratios.encode()), Box(2, (Active(SECOND, SECOND),), (SECOND, SECOND))
    assert again.look(0, box) == ratios.look(0, box)
    assert again.score == ratios.score


@given(st.binary(max_size=200) | st.builds(lambda cut: taught(1, 2).encode()[:cut], st.integers(0, 60)))
def test_a_damaged_state_is_rejected(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Ratios.decode(data)


lengths = st.floats(1, 1e6)


@given(st.integers(1, 6), st.lists(lengths, max_size=6), st.lists(lengths, max_size=30), lengths)
def test_one_more_job_is_never_done_earlier(slots: int, active: list[float], queued: list[float], more: float) -> None:
    jobs = tuple(Active(SECOND, remaining) for remaining in active[:slots])
    before = Ratios().look(0, Box(slots, jobs, tuple(queued)))
    after = Ratios().look(0, Box(slots, jobs, (*queued, more)))
    assert all(b >= a * (1 - 1e-9) for a, b in zip(before.listed_ms, after.listed_ms, strict=True))


def test_a_long_queue_is_listed_within_one_job_of_the_truth() -> None:
    rng = random.Random(1)
    queued = tuple(rng.uniform(1, 9) * SECOND for _ in range(5000))
    listed = Ratios().look(0, Box(3, (), queued)).listed_ms[0]
    assert abs(listed - max(ran.ended for ran in machine(inf, queued, 3))) <= 9 * SECOND
