"""Invariants of a job's state and of its messages, for any events in any order at any times."""

from math import inf, nan

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from phaseline.errors import IllegalEvent, InvalidField, OrderPending, TakesNoOrders, WorkerGone
from phaseline.eta import EmaEngine
from phaseline.model.events import (
    EVENTS,
    ErrorOccurred,
    Event,
    JobCancelled,
    JobCompleted,
    JobDismissed,
    JobFailed,
    JobLost,
    JobProgress,
    JobQueued,
    JobResumed,
    JobStalled,
    JobStarted,
    OrderGiven,
    OrderRefused,
    OrderTaken,
    PhaseCompleted,
    StallReason,
)
from phaseline.model.job import Job
from phaseline.model.phase import PhaseDuration
from phaseline.model.snapshot import Moment, Snapshot
from phaseline.model.states import PhaseState, State
from phaseline.model.statistics import Statistics
from phaseline.model.transitions import accepted, is_worse
from phaseline.model.workflows import PHOTO, PICTURES
from phaseline.wire import JobStatus, encode_message, encode_run, job_status
from tests.support.core_events import SECOND, WALL, everything_in, example_of
from tests.support.examples import examples

PHASES = [*PICTURES.phases, *PHOTO.phases, *PHOTO.extras, "completed", "failed", "fetch", "store", ""]
HOUR = 3600 * SECOND

phases = st.sampled_from(PHASES)
mostly_none = st.none() | st.floats(0, 100)


class Jobs(RuleBasedStateMachine):
    """One job, and its twin that receives the same on a wall clock that never jumps."""

    @initialize()
    def begin(self) -> None:
        self.statistics = Statistics()
        self.engine = EmaEngine(self.statistics)
        self.job, self.twin = Job("dalle:simple:0x1"), Job("dalle:simple:0x1")
        self.mono_ns = self.wall_off_ns = self.late_ns = 0
        self.reported = 0.0
        self.last: Event | None = None

    @property
    def now(self) -> Moment:
        return Moment(WALL + self.mono_ns + self.wall_off_ns, self.mono_ns)

    def report(self, event: Event) -> None:
        before, table = everything_in(self.job), accepted(self.job)
        legal = type(event) in table
        if isinstance(event, JobStalled) and self.job.state is State.STALLED:
            legal = is_worse(self.job, event.reason)
        if isinstance(event, JobDismissed) and self.job.dismissed:
            legal = False
        wall_ns, mono_ns, late_ns = *self.now, self.late_ns
        self.late_ns = 0
        try:
            durations = self.job.apply(event, Moment(wall_ns - late_ns, mono_ns - late_ns))
        except (IllegalEvent, OrderPending, TakesNoOrders, WorkerGone):
            # An order may already be pending or not be accepted, or an answer may have no order.
            assert not legal or isinstance(event, OrderGiven | OrderTaken | OrderRefused)
            assert everything_in(self.job) == before
            return
        except InvalidField:
            assert legal
            assert everything_in(self.job) == before
            return
        assert legal
        assert self.job.state is table[type(event)]
        assert self.twin.apply(event, Moment(WALL + mono_ns - late_ns, mono_ns - late_ns)) == durations
        self.last = event
        if isinstance(event, JobStarted | JobQueued):
            self.reported = 0.0
        self.check_durations(durations)
        self.statistics.learn(durations)

    def check_durations(self, durations: tuple[PhaseDuration, ...]) -> None:
        job = self.job
        assert not durations or (job.state.ended and not job.cache_hit)
        done = {phase.name for phase in job.phases if phase.state is PhaseState.DONE}
        assert {duration.phase for duration in durations} <= done
        assert len({duration.phase for duration in durations}) == len(durations)
        assert all(duration.duration_ns >= 0 for duration in durations)
        assert sum(duration.duration_ns for duration in durations) <= job.elapsed_ns(self.now)

    # ------------------------------------------------------------------ what may happen

    @rule(step=st.integers(0, 100 * SECOND), jump=st.sampled_from([0, 0, 0, HOUR, -HOUR]))
    def time_goes_by(self, step: int, jump: int) -> None:
        self.mono_ns += step
        self.wall_off_ns += jump

    @rule(late_ns=st.integers(0, 300 * SECOND))
    def the_next_report_comes_late(self, late_ns: int) -> None:
        self.late_ns = late_ns

    @rule(
        workflow=st.sampled_from([None, "photo", "dalle", "nightly"]),
        declared=st.sampled_from([(), (), ("fetch", "check", "store"), ("setup", "annotate"), ("a", "a")]),
        cache_hit=st.booleans(),
    )
    def start(self, workflow: str | None, declared: tuple[str, ...], cache_hit: bool) -> None:
        self.report(JobStarted(job_id="j", workflow=workflow, phases=declared, cache_hit=cache_hit))

    @rule(name=phases, progress=mostly_none)
    def progress(self, name: str, progress: float | None) -> None:
        self.report(JobProgress(job_id="j", phase=name, progress=progress))

    @rule(index=st.integers(0, 9), progress=mostly_none)
    def progress_in_one_of_its_own(self, index: int, progress: float | None) -> None:
        if self.job.phases:
            phase = self.job.phases[index % len(self.job.phases)]
            self.report(JobProgress(job_id="j", phase=phase.name, progress=progress))

    @precondition(lambda self: JobProgress in accepted(self.job))
    @rule(progress=st.sampled_from([nan, inf, -inf, -1, 101, 100.0001]), index=st.integers(0, 9))
    def progress_out_of_range(self, progress: float, index: int) -> None:
        before = everything_in(self.job)
        phase = self.job.phases[index % len(self.job.phases)].name if self.job.phases else "fetch"
        with pytest.raises(InvalidField, match=r"^progress is "):
            self.job.apply(JobProgress(job_id="j", phase=phase, progress=progress), self.now)
        assert everything_in(self.job) == before

    @rule(name=phases, skipped=st.booleans())
    def complete_phase(self, name: str, skipped: bool) -> None:
        self.report(PhaseCompleted(job_id="j", phase=name, skipped=skipped))

    @rule(index=st.integers(0, 9), skipped=st.booleans())
    def complete_one_of_its_own(self, index: int, skipped: bool) -> None:
        if self.job.phases:
            phase = self.job.phases[index % len(self.job.phases)]
            self.report(PhaseCompleted(job_id="j", phase=phase.name, skipped=skipped))

    @rule(name=st.none() | phases)
    def fail_a_little(self, name: str | None) -> None:
        self.report(ErrorOccurred(job_id="j", error_type="oops", text="again", phase=name))

    @rule(kind=st.sampled_from([kind for kind in EVENTS if kind not in {JobCompleted, JobFailed, JobCancelled}]))
    def anything_plain(self, kind: type[Event]) -> None:
        self.report(example_of(kind))

    @rule(kind=st.sampled_from([JobStalled, JobLost]), reason=st.sampled_from(["silent", "worker gone"]))
    def fall_silent(self, kind: type[JobStalled | JobLost], reason: StallReason) -> None:
        self.report(kind(job_id="j", reason=reason))

    @rule()
    def come_back(self) -> None:
        self.report(JobResumed(job_id="j"))

    @rule(
        end=st.sampled_from(
            [
                JobCompleted(job_id="j", result={"score": 4}),
                JobCompleted(job_id="j", duration=nan),
                JobFailed(job_id="j", result={"error": "no"}, duration=2.0),
                JobFailed(job_id="j", success=True),
                JobCancelled(job_id="j"),
            ]
        )
    )
    def end(self, end: Event) -> None:
        self.report(end)

    @rule(name=phases, duration=st.integers(0, 100 * SECOND), workflow=st.sampled_from(["photo", "dalle", "nightly"]))
    def another_job_teaches(self, name: str, duration: int, workflow: str) -> None:
        self.statistics.learn([PhaseDuration(workflow, "", name, duration)])

    @rule()
    def all_is_forgotten(self) -> None:
        self.statistics.averages.clear()

    # ------------------------------------------------------------------ what must hold

    def look(self, job: Job, now: Moment) -> Snapshot:
        averages = self.statistics.of_workflow(job.workflow.name, [phase.name for phase in job.phases])
        return job.snapshot(now, self.engine.estimate(job, now), averages)

    @invariant()
    def the_percent_shown_is_sound(self) -> None:
        if self.job.state is State.ABSENT:
            return
        percent = self.look(self.job, self.now).estimate.percent
        assert self.reported <= percent <= 100
        assert (percent == 100) == (self.job.state is State.COMPLETED)
        self.reported = percent
        if self.job.state.stopped:
            assert self.look(self.job, self.now).estimate.remaining_ns is None
        assert 0 <= self.look(self.job, self.now).estimate.phase_percent <= 100

    @invariant()
    def what_remains_is_never_made_up(self) -> None:
        estimate = self.engine.estimate(self.job, self.now)
        assert estimate.remaining_ns is None or estimate.remaining_ns > 0
        assert estimate.phase_remaining_ns is None or estimate.phase_remaining_ns > 0
        if self.job.state.ended:
            assert self.look(self.job, self.now).estimate.remaining_ns == 0

    @invariant()
    def durations_add_up_and_no_jump_of_the_wall_clock_touches_them(self) -> None:
        if self.job.state is State.ABSENT:
            return
        snapshot = self.look(self.job, self.now)
        twin = self.look(self.twin, Moment(WALL + self.mono_ns, self.mono_ns))
        assert 0 <= snapshot.elapsed_ns == twin.elapsed_ns
        assert all(phase.elapsed_ns >= 0 for phase in snapshot.phases)
        assert [phase.elapsed_ns for phase in snapshot.phases] == [phase.elapsed_ns for phase in twin.phases]
        assert sum(phase.elapsed_ns for phase in snapshot.phases) <= snapshot.elapsed_ns
        assert snapshot.estimate == twin.estimate
        assert snapshot.ended_ns == (snapshot.started_ns + snapshot.elapsed_ns if snapshot.state.ended else 0)

    @invariant()
    def the_phases_fit_together(self) -> None:
        job = self.job
        current = [i for i, phase in enumerate(job.phases) if phase.state is PhaseState.CURRENT]
        assert current == ([] if job.current is None else [job.current])
        assert not (current and job.state.ended)
        assert 0 <= job.phase_index <= len(job.phases)
        assert len({phase.name for phase in job.phases}) == len(job.phases)
        for phase in self.look(job, self.now).phases:
            assert (phase.ended_ns == 0) == (phase.started_ns == 0 or phase.state is PhaseState.CURRENT)
            assert phase.state is not PhaseState.PENDING or (phase.started_ns, phase.elapsed_ns) == (0, 0)
            assert phase.progress is None or 0 <= phase.progress <= 100
            assert phase.state is not PhaseState.FAILED or job.state.ended

    @invariant()
    def all_of_it_can_be_encoded(self) -> None:
        if self.last is None:
            return
        snapshot = self.look(self.job, self.now)
        encode_message(self.last, snapshot, 1, "e", self.now.wall_ns)
        status = msgspec.json.encode(job_status(snapshot))
        assert msgspec.json.decode(status, type=JobStatus) == job_status(snapshot)
        if snapshot.workflow == "dalle":
            encode_run(snapshot, {})


TestJobs = Jobs.TestCase
TestJobs.settings = settings(max_examples=examples(60), stateful_step_count=50)
