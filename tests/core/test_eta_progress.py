"""A worker's progress: its pace is trusted from the first minute, and only from the point where it was measured."""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import msgspec
import pytest

from phaseline.eta.model import ModelEngine
from phaseline.eta.model.pace import pace
from phaseline.model.events import JobCompleted, JobProgress, JobStarted
from phaseline.model.job import Job
from phaseline.model.phase import Phase
from phaseline.model.snapshot import Estimate
from tests.support.core_events import SECOND, moment


@dataclass
class Look:
    """An estimate at a point of a run."""

    share: float
    left: float
    estimate: Estimate
    percent: float

    @property
    def remaining(self) -> float:
        assert self.estimate.remaining_ns is not None
        return self.estimate.remaining_ns / SECOND


def ran(
    engine: ModelEngine,
    lengths: Sequence[float],
    *,
    first: float = 0.0,
    reports: bool = True,
    phases: tuple[str, ...] | None = None,
    workflow: str = "video",
    series: str = "encode",
    named: str = "part {}",
) -> list[Look]:
    """Run a job whose phases take `lengths` seconds, look at it twice a second, and learn from it.

    Args:
        engine: What estimates it.
        lengths: Of its phases.
        first: The percentage at which each phase begins.
        reports: Whether it reports progress, linearly, twice a second.
        phases: What it declares; by default, all.
        workflow: Its workflow.
        series: Its series.
        named: The names of its phases.
    """
    names = tuple(named.format(i) for i in range(len(lengths)))
    job, began, looks, total = Job(f"{series} {sum(lengths)}"), 0.0, list[Look](), sum(lengths)
    declared = names if phases is None else phases
    job.apply(JobStarted(job_id=job.job_id, workflow=workflow, series=series, phases=declared), moment(0))
    engine.estimate(job, moment(0))
    for name, length in zip(names, lengths, strict=True):
        for half in range(round(2 * length)):
            at = began + half / 2
            progress = first + (100 - first) * half / 2 / length if reports else None
            job.apply(JobProgress(job_id=job.job_id, phase=name, progress=progress), moment(at))
            estimate = engine.estimate(job, moment(at))
            looks.append(Look(at / total, total - at, estimate, job.shown_percent(estimate.percent)))
        began += length
    job.apply(JobCompleted(job_id=job.job_id), moment(total))
    engine.learn(job)
    return looks


def from_share(looks: Iterable[Look], share: float) -> list[Look]:
    return [look for look in looks if look.share >= share]


@pytest.mark.parametrize("reports", [True, False])
def test_linear_progress_is_trusted_over_earlier_runs(reports: bool) -> None:
    engine = ModelEngine()
    for _ in range(20):
        ran(engine, [7.0], reports=reports)
    looks = ran(engine, [240.0])
    for look in from_share(looks, 0.05):
        assert look.remaining == pytest.approx(look.left, rel=0.05, abs=1)
        assert look.percent == pytest.approx(100 * look.share, abs=2)


@pytest.mark.parametrize("phases", [None, ()])
def test_a_first_run_with_linear_progress_is_extrapolated(phases: tuple[str, ...] | None) -> None:
    engine = ModelEngine()
    for _ in range(20):
        ran(engine, [3.0, 4.0], workflow="mail", series="inbox")
    looks = ran(engine, [120.0], phases=phases, named="part")
    assert looks[0].estimate.remaining_ns is None
    for look in from_share(looks, 0.02):
        assert look.remaining == pytest.approx(look.left, rel=0.05, abs=0.5)
        assert look.estimate.basis == "progress"
        assert look.estimate.low_ns is not None
        assert look.estimate.high_ns is not None
        assert look.estimate.low_ns / SECOND <= look.left <= look.estimate.high_ns / SECOND


@pytest.mark.parametrize("named", ["epoch {}", "Pass #{}"])
def test_a_numbered_phase_of_a_first_run_is_one_of_an_unknown_number(named: str) -> None:
    engine = ModelEngine()
    looks = ran(engine, [40.0, 40.0, 40.0], phases=(), named=named)
    assert {(look.estimate.basis, look.estimate.remaining_ns, look.percent) for look in looks} == {("none", None, 0)}
    for look in ran(engine, [40.0, 40.0, 40.0], phases=(), named=named):
        assert look.estimate.basis == "history"
        assert look.remaining == pytest.approx(look.left, rel=0.4, abs=2)


def test_a_number_within_a_word_does_not_count_phases() -> None:
    assert ran(ModelEngine(), [40.0], phases=(), named="h26{}")[-1].estimate.basis == "progress"


def test_the_phases_of_a_first_run_have_the_same_weight() -> None:
    looks = ran(ModelEngine(), [40.0, 40.0, 40.0])
    errors = [abs(look.remaining - look.left) / 120 for look in from_share(looks, 0.02)]
    assert sum(errors) / len(errors) < 0.05
    assert max(errors) < 0.2
    assert max(after.percent - before.percent for before, after in pairwise(looks)) < 10


@pytest.mark.parametrize(("lengths", "most"), [([2.0, 6.0], 36), ([10.0, 200.0], 40), ([10.0, 200.0, 30.0], 27)])
def test_percent_of_a_first_run_allows_for_longer_phases(lengths: list[float], most: float) -> None:
    looks = ran(ModelEngine(), lengths)
    at_the_end_of_the_first = [look for look in looks if look.share <= lengths[0] / sum(lengths)][-1]
    assert at_the_end_of_the_first.percent <= most


@pytest.mark.parametrize("first", [25.0, 50.0, 95.0])
def test_a_phase_that_is_resumed_is_measured_from_its_first_report(first: float) -> None:
    looks = ran(ModelEngine(), [120.0], first=first)
    assert looks[0].estimate.remaining_ns is None
    assert looks[2].percent < 10
    for look in from_share(looks, 0.1):
        assert look.remaining == pytest.approx(look.left, rel=0.1, abs=1)


@pytest.mark.slow
def test_a_resumed_run_is_shorter_than_whole_runs() -> None:
    engine = deepcopy(after_runs(10))
    for look in from_share(ran(engine, [60.0], first=50), 0.1):
        assert look.remaining == pytest.approx(look.left, rel=0.1, abs=1)


@cache
def after_runs(runs: int) -> ModelEngine:
    """Return an engine that has seen so many runs of 120 s; copy it."""
    engine = ModelEngine()
    for _ in range(runs):
        ran(engine, [120.0])
    return engine


@pytest.mark.slow
@pytest.mark.parametrize("runs", [0, 10])
@pytest.mark.parametrize("late", [0.1, 0.5, 1.0, 3.0])
def test_a_late_first_report_of_a_resumed_phase_does_not_raise_percent_for_good(late: float, runs: int) -> None:
    engine, job, percents = deepcopy(after_runs(runs)), Job("resumed"), []
    job.apply(JobStarted(job_id="resumed", workflow="video", series="encode", phases=("part 0",)), moment(0))
    job.apply(JobProgress(job_id="resumed", phase="part 0"), moment(0))
    for second in range(60):
        progress = 50 + 50 * second / 60
        job.apply(JobProgress(job_id="resumed", phase="part 0", progress=progress), moment(late + second))
        for part in range(4):
            estimate = engine.estimate(job, moment(late + second + part / 4))
            percents.append(job.shown_percent(estimate.percent))
    assert percents[3] < 20
    assert [percents[4 * second] for second in (10, 30, 50)] == pytest.approx([100 / 6, 50, 500 / 6], abs=8)


def test_a_single_report_loses_weight_during_silence() -> None:
    only = [(2000.0, 0.5)]
    soon, late = (pace(only[0], only, phase_ms) for phase_ms in (2000.0, 60_000.0))
    assert soon is not None
    assert late is not None
    assert soon.sure
    assert not late.sure
    assert pace((0.0, 0.5), [(0.0, 0.5)], 100.0) is None


@pytest.mark.parametrize(
    ("reports", "known"),
    [
        ([(0.3, 1.0), (0.6, 2.0)], True),
        ([(0.1, 0.0), (0.6, 2.0)], True),
        ([(0.3, 1.0), (0.6, 1.0)], False),
        ([(1.3, 2.0)], False),
        ([(1.5, 2.0)], True),
        ([(5.0, 0.0)], False),
    ],
)
def test_a_first_run_has_an_estimate_from_two_values_or_one_late_value(
    reports: list[tuple[float, float]], known: bool
) -> None:
    """As docs/eta.md states it."""
    job = Job("first")
    job.apply(JobStarted(job_id="first"), moment(0))
    for seconds, progress in [(0.0, None), *reports]:
        job.apply(JobProgress(job_id="first", phase="render", progress=progress), moment(seconds))
    estimate = ModelEngine().estimate(job, moment(reports[-1][0]))
    assert (estimate.remaining_ns is not None) == known


def test_progress_that_starts_again_is_measured_from_there() -> None:
    phase = Phase("two passes", entered_ns=0)
    for second in range(11):
        phase.report(10.0 * second, moment(second))
    for second in range(5):
        phase.report(5.0 * second, moment(20 + second))
    assert phase.first == (20 * SECOND, 0.0)
    implied = pace((24_000.0, 0.2), [(20_000.0, 0.0), (22_000.0, 0.1)], 24_000.0)
    assert implied is not None
    assert implied.rest(24_000.0) == pytest.approx(16_000)


def test_of_many_reports_only_a_few_marks_are_kept() -> None:
    phase = Phase("long", entered_ns=0)
    for number in range(100_000):
        phase.report(number / 1000, moment(number))
    assert phase.first == (0, 0.0)
    assert len(phase.marks) <= 16


def test_a_startup_time_is_not_part_of_the_pace() -> None:
    implied = pace((30_000.0, 0.5), [(20_000.0, 0.01), (25_000.0, 0.25)], 30_000.0)
    assert implied is not None
    assert implied.rest(30_000.0) == pytest.approx(10_000, rel=0.1)


def test_a_job_unlike_all_others_is_unknown_until_it_reports_progress() -> None:
    engine = ModelEngine()
    for _ in range(20):
        ran(engine, [7.0, 3.0], workflow="video", series="encode")
    for names in ((), ("part 0", "part 1")):
        looks = ran(engine, [20.0, 20.0], workflow="train", series="s", reports=False, phases=names)
        engine.forget(("train", "s"))
        assert {msgspec.json.encode(look.estimate) for look in looks} == {msgspec.json.encode(Estimate(percent=0.0))}


def test_series_without_a_workflow_are_not_similar() -> None:
    engine = ModelEngine()
    for _ in range(20):
        ran(engine, [7.0], workflow="custom", series="encode")
    assert ran(engine, [20.0], workflow="custom", series="other", reports=False)[3].estimate.basis == "none"


def test_a_new_series_of_a_known_workflow_is_like_the_others() -> None:
    engine = ModelEngine()
    for _ in range(5):
        ran(engine, [7.0, 3.0])
    assert ran(engine, [20.0, 9.0], series="new", reports=False)[3].estimate.basis == "similar"


def test_stored_states_include_the_accuracy_of_progress_and_the_band() -> None:
    engine, again = ModelEngine(), ModelEngine()
    for _ in range(8):
        ran(engine, [7.0, 3.0])
    for key in engine.keys():  # noqa: SIM118 - no mapping
        again.decode(key, engine.encode(key))
    again.decode_common(engine.encode_common())
    assert again.encode_common() == engine.encode_common()
    assert again.encode(("video", "encode")) == engine.encode(("video", "encode"))
