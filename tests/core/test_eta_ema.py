"""The picture API's engine: percent and remaining time from the averages of earlier runs."""

from collections.abc import Mapping

from hypothesis import example, given
from hypothesis import strategies as st

from phaseline.eta import EmaEngine
from phaseline.model.events import JobCompleted, JobFailed, JobProgress, JobStarted, PhaseCompleted
from phaseline.model.job import Job
from phaseline.model.snapshot import Estimate, Moment
from phaseline.model.statistics import Average, Statistics
from tests.support.core_events import SECOND, moment


class Run:
    """A job and an engine that knows `averages`, in seconds."""

    def __init__(self, averages: Mapping[str, float], *phases: str, workflow: str | None = None) -> None:
        self.job = Job("j")
        self.job.apply(JobStarted(job_id="j", workflow=workflow, phases=phases), moment(0))
        name = self.job.workflow.name
        known = {(name, phase): Average(7, round(seconds * SECOND)) for phase, seconds in averages.items()}
        self.engine = EmaEngine(Statistics(known))

    def enter(self, phase: str, at: float, progress: float | None = None) -> None:
        self.job.apply(JobProgress(job_id="j", phase=phase, progress=progress), moment(at))

    def complete(self, phase: str, at: float, *, skipped: bool = False) -> None:
        self.job.apply(PhaseCompleted(job_id="j", phase=phase, skipped=skipped), moment(at))

    def estimate(self, at: float) -> Estimate:
        return self.engine.estimate(self.job, moment(at))

    def shown(self, at: float) -> tuple[float, float | None]:
        """Return percent, to the thousandth, and remaining seconds."""
        estimate = self.estimate(at)
        return round(estimate.percent, 3), None if estimate.remaining_ns is None else estimate.remaining_ns / SECOND


KNOWN = {"a": 2, "b": 3, "c": 5}


def test_percent_and_remaining_time_have_hand_computed_values() -> None:
    run = Run(KNOWN, "a", "b", "c")
    assert run.shown(0) == (0, 10)
    run.enter("a", 0)
    assert run.shown(1) == (10, 9)
    run.enter("b", 1)  # `a` was quick, but its average is still used
    assert run.shown(1) == (20, 8)
    assert run.shown(3) == (40, 6)
    run.complete("b", 4)
    assert run.shown(4) == run.shown(40) == (50, 5)
    run.enter("c", 40)
    assert run.shown(44) == (90, 1)
    assert run.estimate(44).basis == "history"
    assert run.estimate(44).runs == 7
    assert (run.estimate(44).low_ns, run.estimate(44).high_ns) == (None, None)


def test_the_elapsed_time_of_a_phase_is_capped_at_its_average() -> None:
    run = Run(KNOWN, "a", "b", "c")
    run.enter("b", 0)
    run.enter("a", 0)
    assert run.shown(2) == run.shown(200) == (50, 5)


def test_an_overrun_of_the_last_phase_is_unknown_and_never_0() -> None:
    run = Run(KNOWN, "a", "b", "c")
    run.enter("c", 0)
    assert run.estimate(4.9).remaining_ns == SECOND / 10
    assert run.estimate(5).remaining_ns is None
    assert run.estimate(500).remaining_ns is None
    assert run.estimate(500).basis == "none"
    assert run.estimate(500).phase_remaining_ns is None
    assert run.estimate(500).percent == 100  # the job itself reports 99.9


def test_the_remaining_time_is_unknown_after_the_last_phase() -> None:
    run = Run(KNOWN, "a", "b", "c")
    run.enter("c", 0)
    run.complete("c", 5)
    assert run.shown(6) == (100, None)


def test_a_skipped_phase_is_removed_from_the_total() -> None:
    run = Run(KNOWN, "a", "b", "c")
    run.enter("a", 0)
    run.complete("a", 2)
    run.complete("b", 2, skipped=True)
    assert run.shown(2) == (28.571, 5)
    jumped = Run(KNOWN, "a", "b", "c")
    jumped.enter("c", 0)
    assert jumped.shown(1) == (20, 4)


def test_without_history_the_remaining_time_is_unknown_and_phases_weigh_the_same() -> None:
    run = Run({}, "a", "b", "c", "d")
    assert run.shown(0) == (0, None)
    run.enter("b", 0)
    assert run.shown(99) == (0, None)
    run.enter("b", 0, progress=50)
    assert run.shown(99) == (16.667, None)  # a was skipped
    run.enter("c", 1)
    assert run.shown(99) == (33.333, None)
    estimate = run.estimate(99)
    assert estimate == Estimate(estimate.percent)


def test_a_phase_that_no_run_ever_reached_makes_the_rest_unknown() -> None:
    run = Run({"a": 2, "b": 4}, "a", "b", "c")
    assert run.shown(0) == (0, None)
    run.enter("b", 0)
    assert run.shown(2) == (28.571, None)
    run.enter("c", 5, progress=50)
    assert run.shown(5) == (78.571, None)


def test_a_phase_that_every_run_skipped_has_no_weight() -> None:
    run = Run({"a": 2, "c": 8}, "a", "b", "c")
    assert run.shown(0) == (0, 10)
    run.enter("a", 0)
    run.enter("b", 2, progress=50)
    assert run.shown(30) == (20, 8)
    assert run.estimate(30).phase_percent == 50
    assert run.estimate(30).phase_remaining_ns is None


def test_another_undeclared_phase_is_always_expected() -> None:
    run = Run({}, workflow="nightly")
    assert run.shown(0) == (0, None)
    run.enter("a", 0)
    assert run.shown(0) == (0, None)
    run.enter("b", 0)
    assert run.shown(0) == (33.333, None)
    run.complete("b", 1)
    assert run.shown(1) == (66.667, None)
    again = Run({"a": 2}, workflow="nightly")
    again.enter("a", 0)
    assert again.shown(1) == (25, None)


def test_the_current_phase_uses_reported_progress_or_its_average() -> None:
    run = Run(KNOWN, "a", "b", "c")
    run.enter("c", 0)
    assert run.estimate(1).phase_percent == 20
    assert run.estimate(1).phase_remaining_ns == 4 * SECOND
    assert run.estimate(9).phase_percent == 100
    run.enter("c", 0, progress=70)
    assert run.estimate(1).phase_percent == 70
    assert run.shown(1)[0] == 20  # the seed's percent ignores that


def test_no_phase_is_current_before_and_between_phases() -> None:
    run = Run(KNOWN, "a", "b", "c")
    assert (run.estimate(1).phase_percent, run.estimate(1).phase_remaining_ns) == (0, None)


def test_averages_of_0_and_of_other_workflows_are_harmless() -> None:
    run = Run({"a": 0, "b": 0}, "a", "b")
    run.enter("a", 0)
    assert run.shown(1) == (0, None)
    other = Run(KNOWN, "a", "b", "c")
    photo = Job("p")
    photo.apply(JobStarted(job_id="p"), moment(0))
    assert other.engine.estimate(photo, moment(1)).remaining_ns is None


def test_an_estimate_changes_nothing_and_is_repeatable() -> None:
    run = Run(KNOWN, "a", "b", "c")
    run.enter("b", 1)
    assert run.estimate(2) == run.estimate(2)


def test_the_next_run_is_estimated_from_the_finished_one() -> None:
    statistics = Statistics()
    engine = EmaEngine(statistics)
    for slow in (1, 2):
        job = Job("j")
        job.apply(JobStarted(job_id="j", phases=("a", "b")), moment(0))
        job.apply(JobProgress(job_id="j", phase="a"), moment(0))
        job.apply(JobProgress(job_id="j", phase="b"), moment(10 * slow))
        statistics.learn(job.apply(JobCompleted(job_id="j"), moment(10 * slow + 5)))
    assert statistics.of_workflow("custom", ["a", "b"]) == {"a": 12 * SECOND, "b": 5 * SECOND}
    job = Job("k")
    job.apply(JobStarted(job_id="k", phases=("a", "b")), moment(0))
    assert engine.estimate(job, moment(0)).remaining_ns == 17 * SECOND


def test_completed_phases_of_a_failed_run_are_learned() -> None:
    statistics = Statistics()
    job = Job("j")
    job.apply(JobStarted(job_id="j", phases=("a", "b")), moment(0))
    job.apply(JobProgress(job_id="j", phase="a"), moment(0))
    job.apply(JobProgress(job_id="j", phase="b"), moment(3))
    statistics.learn(job.apply(JobFailed(job_id="j"), moment(9)))
    assert statistics.of_workflow("custom", ["a", "b"]) == {"a": 3 * SECOND}


steps = st.lists(
    st.tuples(
        st.sampled_from("abcde"),
        st.none() | st.floats(0, 100) | st.just("done") | st.just("skipped"),
        st.integers(0, 20 * SECOND),
    ),
    max_size=8,
)


@example({"a": 1477841370556593, "b": 0, "c": 0}, [("d", None, 0), ("b", None, 0)], True)  # 100.00000000000001
@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 10**15)), steps, st.booleans())
def test_the_remaining_time_is_never_negative_and_percent_is_0_to_100(
    known: dict[str, int], steps: list[tuple[str, float | str | None, int]], declared: bool
) -> None:
    engine = EmaEngine(Statistics({("w", phase): Average(1, avg_ns) for phase, avg_ns in known.items()}))
    job, mono_ns = Job("j"), 0
    job.apply(JobStarted(job_id="j", workflow="w", phases=tuple("abcd") if declared else ()), Moment(0, 0))
    for phase, what, step in steps:
        now = Moment(0, mono_ns)
        if isinstance(what, str):
            job.apply(PhaseCompleted(job_id="j", phase=phase, skipped=what == "skipped"), now)
        else:
            job.apply(JobProgress(job_id="j", phase=phase, progress=what), now)
        mono_ns += step
        estimate = engine.estimate(job, Moment(0, mono_ns))
        assert estimate.remaining_ns is None or 0 < estimate.remaining_ns <= sum(known.values())
        assert 0 <= estimate.percent <= 100
        assert 0 <= estimate.phase_percent <= 100
