"""The transition table, pair by pair."""

import pytest

from phaseline.errors import IllegalEvent
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
    MetricsReported,
    OrderGiven,
    OrderRefused,
    OrderTaken,
    PhaseCompleted,
    PhotoInfo,
)
from phaseline.model.job import Job
from phaseline.model.states import State
from phaseline.model.transitions import TRANSITIONS, check
from tests.support.core_events import everything_in, example_of, moment

WAYS: dict[State, tuple[type[Event], ...]] = {
    State.ABSENT: (),
    State.QUEUED: (JobQueued,),
    State.ACTIVE: (JobStarted, JobProgress),
    State.STALLED: (JobStarted, JobProgress, JobStalled),
    State.LOST: (JobStarted, JobProgress, JobLost),
    State.COMPLETED: (JobStarted, JobProgress, JobCompleted),
    State.FAILED: (JobStarted, JobProgress, JobFailed),
    State.CANCELLED: (JobStarted, JobProgress, JobCancelled),
}
# Orders have their own rules, see test_orders.
ORDERS = {OrderGiven, OrderTaken, OrderRefused}
PAIRS = [(state, kind) for state in State for kind in EVENTS if kind not in ORDERS]
# A stalled job accepts another stall only for a worse reason, see test_job.
LEGAL = [
    (state, kind)
    for state, kind in PAIRS
    if kind in TRANSITIONS[state] and (state, kind) != (State.STALLED, JobStalled)
]
ILLEGAL = [(state, kind) for state, kind in PAIRS if kind not in TRANSITIONS[state]]

REPORTS = {JobProgress, PhaseCompleted, PhotoInfo, ErrorOccurred, MetricsReported}
BEGINNINGS: dict[type[Event], State] = {JobQueued: State.QUEUED, JobStarted: State.ACTIVE}
ENDS = {JobCompleted, JobFailed, JobCancelled}


def named(value: object) -> str:
    return value.__name__ if isinstance(value, type) else str(value)


def job_in(state: State) -> Job:
    job = Job("job_1")
    for second, kind in enumerate(WAYS[state]):
        job.apply(example_of(kind), moment(second))
    assert job.state is state
    return job


def test_the_table_covers_every_state_and_no_unknown_event() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {kind for takes in TRANSITIONS.values() for kind in takes} == set(EVENTS)


@pytest.mark.parametrize(("state", "kind"), LEGAL, ids=named)
def test_an_allowed_event_leads_to_the_state_in_the_table(state: State, kind: type[Event]) -> None:
    job = job_in(state)
    assert check(job, example_of(kind)) is TRANSITIONS[state][kind]
    job.apply(example_of(kind), moment(10))
    assert job.state is TRANSITIONS[state][kind]


@pytest.mark.parametrize(("state", "kind"), ILLEGAL, ids=named)
def test_an_illegal_event_is_rejected_and_changes_nothing(state: State, kind: type[Event]) -> None:
    job = job_in(state)
    before = everything_in(job)
    with pytest.raises(IllegalEvent) as refusal:
        job.apply(example_of(kind), moment(10))
    assert everything_in(job) == before
    event = example_of(kind).type
    assert str(refusal.value).startswith(f"job 'job_1' can't accept {event} ")
    assert str(refusal.value).endswith(
        "start it with job_started"
        if state is State.ABSENT or (state is State.QUEUED and kind is not JobDismissed)
        else "end it first, or use another id"
        if kind in BEGINNINGS
        else "allowed: a job that has ended, stalled or is lost"
        if kind is JobDismissed
        else "start it again with job_started"
    )


# The rules that the table follows, checked independently of it.


@pytest.mark.parametrize("state", [State.ACTIVE, State.STALLED, State.LOST])
def test_a_started_job_accepts_every_report_and_a_silent_job_becomes_active(state: State) -> None:
    assert {kind for kind, after in TRANSITIONS[state].items() if after is State.ACTIVE} >= REPORTS
    assert set(TRANSITIONS[state]) >= ENDS


@pytest.mark.parametrize("state", [State.ABSENT, State.COMPLETED, State.FAILED, State.CANCELLED])
def test_a_job_before_its_start_or_after_its_end_accepts_only_a_beginning(state: State) -> None:
    assert {kind: after for kind, after in TRANSITIONS[state].items() if kind is not JobDismissed} == BEGINNINGS


def test_a_queued_job_accepts_no_report_of_work() -> None:
    assert {JobProgress, PhaseCompleted, ErrorOccurred, JobCompleted, JobStalled}.isdisjoint(TRANSITIONS[State.QUEUED])


def test_a_job_that_was_lost_in_its_queue_goes_back_to_it() -> None:
    job = job_in(State.QUEUED)
    job.apply(JobLost(job_id="job_1", reason="worker gone"), moment(5))
    assert str(job.state) == "lost"
    with pytest.raises(IllegalEvent, match="while it is lost in its queue; start it with job_started"):
        job.apply(example_of(JobProgress), moment(6))
    job.apply(JobResumed(job_id="job_1"), moment(7))
    assert str(job.state) == "queued"
    job.apply(example_of(JobLost), moment(8))
    job.apply(example_of(JobStarted), moment(9))
    assert str(job.state) == "active"


def test_a_job_that_is_not_at_work_is_dismissed_in_its_state() -> None:
    dismissed = {state: takes[JobDismissed] for state, takes in TRANSITIONS.items() if JobDismissed in takes}
    resting = {state for state in State if state.ended or state.stopped}
    assert dismissed == {state: state for state in resting}


@pytest.mark.parametrize("state", [State.ACTIVE, State.STALLED])
def test_an_active_job_is_not_started_again(state: State) -> None:
    assert JobStarted not in TRANSITIONS[state]


def test_only_the_three_ends_end_a_job() -> None:
    assert {state for state in State if state.ended} == {State.COMPLETED, State.FAILED, State.CANCELLED}
    ending = {kind for takes in TRANSITIONS.values() for kind, after in takes.items() if after.ended}
    assert ending == ENDS | {JobDismissed}  # which leaves an ended job as it is
