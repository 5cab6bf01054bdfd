"""Duplicate, late and reordered reports, compared with a model of a few lines."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from phaseline.errors import PhaselineError
from phaseline.model.events import Event, JobCancelled, JobCompleted, JobProgress, JobStarted, PhaseCompleted
from phaseline.model.states import State
from phaseline_server.jobs.tracker import Tracker
from tests.support.examples import examples
from tests.support.tracking import HandClock, messages_of, open_tracker

JOBS = ("a", "b")
KINDS = ("start", "progress", "stage", "complete", "cancel")

# A report: job, kind, producer's number (any, so late and repeated ones occur), its age; and whether the reporter
# waits until it is stored, or continues at once, so that one group holds many.
reports = st.tuples(
    st.sampled_from(JOBS),
    st.sampled_from(KINDS),
    st.sampled_from(("one", "two", None)),
    st.integers(0, 12),
    st.sampled_from((0.0, 0.0, 5.0, 1000.0)),
    st.booleans(),
)
Report = tuple[str, str, str | None, int, float, bool]


def event_of(job_id: str, kind: str, producer: str | None, number: int, age: float) -> Event:
    known: dict[str, object] = {"job_id": job_id, "producer": producer, "producer_seq": number, "age_seconds": age}
    match kind:
        case "start":
            return JobStarted(**known)  # type: ignore[arg-type]
        case "progress":
            return JobProgress(phase="importing", progress=float(number), **known)  # type: ignore[arg-type]
        case "stage":
            return PhaseCompleted(phase="importing", **known)  # type: ignore[arg-type]
        case "complete":
            return JobCompleted(**known)  # type: ignore[arg-type]
        case _:
            return JobCancelled(**known)  # type: ignore[arg-type]


@dataclass
class Model:
    """The expected state: of each job, each producer's latest number, and the messages in order."""

    states: dict[str, State] = field(default_factory=dict)
    producers: dict[tuple[str, str], int] = field(default_factory=dict)
    published: list[tuple[str, str]] = field(default_factory=list)

    def take(self, job_id: str, kind: str, producer: str | None, number: int) -> bool | None:
        """Return whether it is recorded; None if it was before."""
        if producer is not None:
            used = {job: latest for (name, job), latest in self.producers.items() if name == producer}
            if number <= used.get(job_id, -1):
                return None
            if number <= max(used.values(), default=-1):
                return False
        active = self.states.get(job_id) is State.ACTIVE
        if active is (kind == "start"):
            return False
        self.states[job_id] = {"complete": State.COMPLETED, "cancel": State.CANCELLED}.get(kind, State.ACTIVE)
        if producer is not None:
            self.producers[producer, job_id] = number
        self.published.append((job_id, kind))
        return True


NAMES = {
    "job_started": "start",
    "job_progress": "progress",
    "stage_completed": "stage",
    "job_completed": "complete",
    "job_failed": "cancel",
}


async def play(tracker: Tracker, clock: HandClock, model: Model, given_reports: list[Report]) -> None:
    """Pass all reports to the tracker and the model, and compare each answer."""
    pending = []
    for job_id, kind, producer, number, age, waits in given_reports:
        clock.advance(1)
        expected = model.take(job_id, kind, producer, number)
        try:
            taken = tracker.take(event_of(job_id, kind, producer, number, age))
        except PhaselineError:
            assert expected is False
            continue
        assert expected is not False
        if expected is True:
            assert taken.position.seq == len(model.published)
        else:
            assert taken.position.seq <= len(model.published)
        pending.append(taken)
        if waits:
            await taken.wait()
    for taken in pending:
        await taken.wait()


def check(tracker: Tracker, model: Model) -> None:
    messages = messages_of(tracker)
    assert [(message["job_id"], NAMES[message["type"]]) for message in messages] == model.published
    assert [message["seq"] for message in messages] == list(range(1, len(model.published) + 1))
    assert {job.job_id: job.state for job in tracker.jobs()} == model.states
    for job in tracker.jobs():
        # For any reported age, no time runs backwards.
        times = [phase.elapsed_ns for phase in tracker.snapshot(job.job_id).phases]
        assert all(0 <= time <= job.elapsed_ns(tracker.clock()) for time in times)
        assert job.latest.mono_ns <= tracker.clock().mono_ns
        assert job.seq == max(message["seq"] for message in messages if message["job_id"] == job.job_id)


@settings(max_examples=examples(150))
@given(st.lists(reports, max_size=40))
def test_duplicate_late_and_reordered_reports_are_recorded_once_or_rejected(
    given_reports: list[Report],
) -> None:
    async def run(data_dir: Path) -> None:
        clock, model = HandClock(), Model()
        clock.advance(5000)
        async with open_tracker(data_dir, clock) as tracker:
            await play(tracker, clock, model, given_reports)
            check(tracker, model)

    with tempfile.TemporaryDirectory() as folder:
        trio.run(run, Path(folder))
