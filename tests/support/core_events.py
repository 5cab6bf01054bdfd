"""Made-up events, moments and JSON for the tests of the core."""

import copy
from typing import Any

import msgspec
from hypothesis import strategies as st

from phaseline.model.events import (
    EVENTS,
    MAX_AGE_S,
    Event,
    JobDismissed,
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
    PhotoInfo,
)
from phaseline.model.job import Job
from phaseline.model.snapshot import Moment
from phaseline.text import clean

SECOND = 1_000_000_000
WALL = 1_730_000_000 * SECOND

# What `clean` leaves as it is, but tabs and newlines, which names must not have. Hypothesis draws a text of an alphabet
# without a filter at once, otherwise character by character.
_SOME = "".join(map(chr, range(0xA0, 0x3000))) + "\ufeff"
_EXCLUDED: dict[str, Any] = {
    "exclude_categories": ("Cs", "Cc"),
    "exclude_characters": sorted(set(_SOME) - set(clean(_SOME))),
}
characters = st.characters(**_EXCLUDED)
names = st.text(characters, min_size=1, max_size=30)
texts = st.text(st.characters(**_EXCLUDED, include_characters="\t\n"), max_size=60)
labels = st.text(characters, max_size=30)
numbers = st.floats(allow_nan=False, allow_infinity=False)
percents = st.floats(0, 100)
counts = st.integers(0, 2**63 - 1)
scalars = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | numbers | texts
flat = st.lists(scalars, max_size=3) | st.dictionaries(texts, scalars, max_size=3)
json_objects = st.dictionaries(texts, scalars | flat, max_size=4)
photo_ids = st.none() | st.integers(-(2**63), 2**63 - 1) | labels

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "job_id": names,
    "producer": st.none() | labels,
    "producer_seq": st.none() | counts,
    "age_seconds": st.floats(0, MAX_AGE_S),
    "name": labels,
    "worker": st.dictionaries(st.sampled_from(["command", "user", "pid"]), scalars, max_size=2),
    "done": st.none() | st.integers(0, 10**18) | st.floats(0, 1e18),
    "total": st.none() | st.integers(0, 10**18) | st.floats(0, 1e18),
    "unit": labels,
    "photo_id": photo_ids,
    "photo_info": json_objects,
    "workflow": st.none() | names,
    "phases": st.lists(names, max_size=4, unique=True).map(tuple),
    "series": labels,
    "host": labels,
    "cache_hit": st.booleans(),
    "phase": names,
    "progress": st.none() | percents,
    "text": texts,
    "details": json_objects,
    "result": json_objects,
    "skipped": st.booleans(),
    "data": json_objects,
    "error_type": names,
    "success": st.booleans(),
    "duration": st.none() | st.floats(0, allow_infinity=False),
    "reason": texts,
    "metrics": json_objects,
    "queue": labels,
    "position": st.none() | st.integers(1, 10**9),
    "orders": st.lists(st.sampled_from(["cancel", "pause", "resume"]), max_size=3, unique=True).map(tuple),
    "order": st.sampled_from(["cancel", "pause", "resume"]),
    "order_id": st.text(characters, min_size=1, max_size=40),
}

ORDER = {"order_id": "o1", "order": "cancel"}


def events_of(kind: type[Event]) -> st.SearchStrategy[Event]:
    """Return a strategy for any event of `kind`; a field that it doesn't know of is a KeyError."""
    fields: dict[str, st.SearchStrategy[Any]] = {field: FIELDS[field] for field in kind.__struct_fields__}
    if kind in {JobStalled, JobLost}:
        fields["reason"] = st.sampled_from(["silent", "worker gone"])
    return st.builds(kind, **fields)


any_event: st.SearchStrategy[Event] = st.one_of([events_of(kind) for kind in EVENTS])


def example_of(kind: type[Event], job_id: str = "job_1", **fields: Any) -> Event:
    """Return a plain, legal event of `kind`."""
    filled = {"phase": "importing", "error_type": "oops", "text": "it broke", "data": {"iso": 800}, **ORDER}
    wanted = {field: value for field, value in filled.items() if field in required_fields(kind)}
    return kind(job_id=job_id, **(wanted | fields))


def events_before(kind: type[Event], started: JobStarted) -> list[Event]:
    """Return the events of a job, from `started` on, after which it accepts `example_of(kind)`."""
    stalled, ordered = [started, example_of(JobStalled)], [started, example_of(OrderGiven)]
    before: dict[type[Event], list[Event]] = {
        JobQueued: [],
        JobStarted: [],
        JobResumed: stalled,
        JobDismissed: stalled,
        OrderTaken: ordered,
        OrderRefused: ordered,
    }
    return before.get(kind, [started])


def required_fields(kind: type[msgspec.Struct]) -> set[str]:
    """Return the names of the fields of `kind` without a default."""
    return {field.name for field in msgspec.structs.fields(kind) if field.required}


def moment(seconds: float, wall_jump_s: float = 0.0) -> Moment:
    """Return the moment `seconds` after the tests' beginning, whose wall clock is off by `wall_jump_s`."""
    return Moment(WALL + round((seconds + wall_jump_s) * SECOND), round(seconds * SECOND))


def everything_in(job: Job) -> dict[str, Any]:
    """Return a deep copy of all of a job's state, comparable: without the identity of its version."""
    state: dict[str, Any] = copy.deepcopy({name: value for name, value in vars(job).items() if name != "version"})
    return state | {"timeline": vars(state["timeline"])}


def photo_info(size: int, key: str = "blob") -> PhotoInfo:
    """Return an event with `size` bytes of data."""
    return PhotoInfo(job_id="job_1", data={key: "x" * size})


def started(workflow: str | None = None, phases: tuple[str, ...] = (), **fields: Any) -> Job:
    """Return a job that has started, with the fields of its start."""
    job = Job("job_1")
    job.apply(JobStarted(job_id="job_1", workflow=workflow, phases=phases, **fields), moment(0))
    return job


def enter(job: Job, phase: str, at: float, progress: float | None = None) -> None:
    """Report progress of a phase."""
    job.apply(JobProgress(job_id="job_1", phase=phase, progress=progress), moment(at))


def complete(job: Job, phase: str, at: float, *, skipped: bool = False) -> None:
    """Report that a phase is done or skipped."""
    job.apply(PhaseCompleted(job_id="job_1", phase=phase, skipped=skipped), moment(at))


def states(job: Job) -> dict[str, str]:
    """Return the state of each phase."""
    return {phase.name: str(phase.state) for phase in job.phases}
