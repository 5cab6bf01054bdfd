"""The learned state in each engine of the log: averages, runs, durations, outcomes."""

from phaseline.model.phase import PhaseDuration
from phaseline.model.snapshot import Moment
from phaseline.model.statistics import Average
from phaseline_server.log.batch import Batch
from phaseline_server.log.learned import Outcomes, PhaseFailures, SlowRun
from tests.support.journals import batch
from tests.support.store_cases import Open, prune_all, run_row


async def test_averages_and_counts_are_replaced(open_store: Open) -> None:
    store = await open_store()
    load, render = ("film", "load"), ("film", "render")
    await store.commit(batch(1, 1, averages={load: Average(1, 10), render: Average(1, 20)}, counts=(1, 0)))
    await store.commit(batch(2, 2, averages={render: Average(2, 22)}, counts=(2, 1)))
    await store.commit(batch(3, 3))
    kept = await store.load(0, 0)
    assert kept.averages == {load: Average(1, 10), render: Average(2, 22)}
    assert kept.counts == (2, 1)


async def test_dropped_averages_do_not_return(open_store: Open) -> None:
    store = await open_store()
    load, render = ("film", "load"), ("film", "render")
    await store.commit(batch(1, 1, averages={load: Average(1, 10)}, counts=(1, 0)))
    await store.commit(batch(2, 2, averages={render: Average(1, 20)}, dropped=[load], counts=(2, 0)))
    assert (await store.load(0, 0)).averages == {render: Average(1, 20)}


async def test_a_batch_can_forget_all_averages_before_its_own(open_store: Open) -> None:
    store = await open_store()
    load, render = ("film", "load"), ("film", "render")
    await store.commit(batch(1, 1, averages={load: Average(9, 10), render: Average(9, 20)}, counts=(8, 9)))
    await store.commit(batch(2, 2, averages={render: Average(1, 5)}, counts=(1, 0), forget=True))
    kept = await store.load(0, 0)
    assert (kept.averages, kept.counts) == ({render: Average(1, 5)}, (1, 0))
    await store.commit(Batch(at=Moment(3, 3), messages=(), forget=True))
    kept = await store.load(0, 0)
    assert (kept.averages, kept.counts, store.top) == ({}, (0, 0), 2)


async def test_learned_states_are_replaced_and_removed(open_store: Open) -> None:
    store = await open_store()
    await store.save_learned([("model", "a", b"1"), ("model", "b", b"2"), ("scores", "a", b"3")])
    await store.save_learned([("model", "a", b"4")], gone={("model", "b"), ("model", "never there")})
    await store.save_learned([])
    assert (await store.learned()).states == {("model", "a"): b"4", ("scores", "a"): b"3"}


async def test_runs_to_learn_from_and_durations_are_read_oldest_first(open_store: Open) -> None:
    store = await open_store()
    durations = [PhaseDuration("film", "trailer", "load", 3), PhaseDuration("film", "trailer", "render", 5)]
    await store.commit(batch(1, 2, runs=[run_row(1), run_row(2, state="failed")], durations=durations))
    await store.commit(batch(3, 3, runs=[run_row(3)], durations=durations[:1]))
    learned = await store.learned()
    assert [tuple(run) for run in learned.runs] == [(seq, "film", "trailer", b"{}") for seq in (1, 3)]
    assert learned.durations == [
        ("film", "trailer", phase, ns) for phase, ns in (("load", 3), ("render", 5), ("load", 3))
    ]


async def test_the_newest_runs_and_durations_stay(open_store: Open) -> None:
    store = await open_store(runs=3, durations=4)
    for seq in range(1, 11):
        await store.commit(
            batch(seq, seq, runs=[run_row(seq)], durations=[PhaseDuration("film", "trailer", "load", seq)])
        )
    await prune_all(store, 1)
    learned = await store.learned()
    assert [run.seq for run in learned.runs] == [8, 9, 10]
    assert [duration_ns for *_, duration_ns in learned.durations] == [7, 8, 9, 10]


async def test_outcomes_name_the_phases_that_failed_most_and_the_slowest_runs_of_each_workflow(
    open_store: Open,
) -> None:
    store = await open_store()
    failed = [("load", 1), ("render", 2), ("render", 3), ("write", 4), ("write", 5), ("write", 6)]
    runs = [run_row(seq, state="failed", phase=phase, duration_ns=999) for phase, seq in failed]
    runs += [run_row(7, duration_ns=50), run_row(8, duration_ns=70), run_row(9, duration_ns=60)]
    runs += [run_row(11, duration_ns=3, workflow="photo"), run_row(12, duration_ns=4, workflow="photo")]
    await store.commit(batch(1, 9, runs=[*runs, run_row(10, state="cancelled", duration_ns=999)]))
    assert await store.outcomes(2) == Outcomes(
        [PhaseFailures("film", "write", 3), PhaseFailures("film", "render", 2)],
        [
            SlowRun("job8", "film", "trailer", 70, 80),
            SlowRun("job12", "photo", "trailer", 4, 120),
            SlowRun("job9", "film", "trailer", 60, 90),
            SlowRun("job11", "photo", "trailer", 3, 110),
        ],
    )
