"""Random frames in any order are applied and drawn without errors."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from phaseline.model.states import State
from phaseline_tui.model.decoding import decode
from phaseline_tui.model.frames import Frame
from phaseline_tui.model.state import ViewState

Json = dict[str, Any]


def state_of(*frames: Frame, received: float = 1000.0) -> ViewState:
    state = ViewState()
    state.apply(frames, received)
    return state


NUMBERS = st.one_of(
    st.none(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, 1, 50, 99.99, 100]),
)
TEXTS = st.one_of(st.sampled_from(["importing", "exporting", "completed", "", "x\x1b[2J"]), st.text(max_size=8))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
STATES = st.sampled_from([*[str(state) for state in State], "new in 2031"])
NAMED: dict[str, st.SearchStrategy[Any]] = {
    "seq": st.integers(-3, 60),
    "epoch": st.sampled_from(["e1", "e2", ""]),
    "timestamp": st.one_of(
        TEXTS, st.sampled_from(["2026-11-09T18:30:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
    ),
    "workflow": TEXTS,
    "series": TEXTS,
    "state": STATES,
    "percent": NUMBERS,
    "eta_seconds": NUMBERS,
    "eta_low_seconds": NUMBERS,
    "eta_high_seconds": NUMBERS,
    "eta_basis": st.sampled_from(["history", "similar", "progress", "none", "stars"]),
    "eta_runs": st.integers(-5, 10**6),
    "stage_index": st.integers(-5, 10**6),
    "stage_count": st.integers(-5, 10**6),
    "elapsed_seconds": NUMBERS,
    "stage": TEXTS,
    "progress": NUMBERS,
    "message": TEXTS,
    "details": JSON,
    "result": JSON,
    "photo_info": JSON,
    "photo_data": JSON,
    "skipped": st.booleans(),
    "stage_seconds": NUMBERS,
    "average_seconds": NUMBERS,
    "error_message": TEXTS,
    "stages": st.lists(TEXTS, max_size=4, unique=True),
    "averages": st.dictionaries(TEXTS, NUMBERS, max_size=3),
    "duration": NUMBERS,
    "current_stage": TEXTS,
    "cache_hit": st.booleans(),
    "started_at": TEXTS,
}
STAGES = st.lists(
    st.fixed_dictionaries(
        {"name": TEXTS},
        optional={
            "state": st.sampled_from(["pending", "current", "done", "skipped", "failed", "odd"]),
            "elapsed_seconds": NUMBERS,
            "average_seconds": NUMBERS,
            "progress": NUMBERS,
            "started_at": st.sampled_from(["2026-11-09T18:30:00Z", "2026-11-09T18:31:00+02:00", "yesterday", None]),
        },
    ),
    max_size=4,
)
KINDS = [
    "job_started",
    "job_progress",
    "stage_completed",
    "photo_info",
    "error_occurred",
    "job_completed",
    "job_failed",
]


def some_of(
    always: dict[str, st.SearchStrategy[Any]], fields: dict[str, st.SearchStrategy[Any]]
) -> st.SearchStrategy[Json]:
    """Return messages with the fields `always` and a few of `fields`; drawing each field's presence would be slow."""
    pairs = st.one_of([st.tuples(st.just(name), value) for name, value in fields.items()])
    return st.builds(
        lambda first, more: first | dict(more), st.fixed_dictionaries(always), st.lists(pairs, max_size=12)
    )


MESSAGES = some_of(
    {"type": st.sampled_from(KINDS), "job_id": st.sampled_from(["a", "b", "dalle:s:0x1"])},
    NAMED | dict.fromkeys(("host", "errors"), JSON),
)
JOBS = some_of(
    {"job_id": st.sampled_from(["a", "b", "c"])},
    {name: each for name, each in NAMED.items() if name != "epoch"} | {"stages": STAGES},
)
SNAPSHOTS = st.fixed_dictionaries({"type": st.just("snapshot"), "jobs": st.lists(JOBS, max_size=3)})


def decoded(messages: Sequence[Json]) -> list[Frame]:
    frames = [decode(msgspec.json.encode(each))[0] for each in messages]
    return [each for each in frames if each is not None]


@given(st.lists(st.one_of(MESSAGES, MESSAGES, SNAPSHOTS), max_size=25), st.floats(0, 1e6))
def test_messages_in_any_order_are_harmless_and_percent_stays_within_bounds(messages: list[Json], later: float) -> None:
    state = ViewState()
    for each in decoded(messages):
        state.apply([each], 1000.0)
        for job in state.jobs.values():
            now = 1000.0 + later
            assert 0.0 <= job.percent_at(now) <= 100.0
            past, percent, end = job.shares_at(now)
            assert 0.0 <= past <= percent <= end <= 100.0
            assert job.elapsed_at(now) >= 0.0
            assert math.isfinite(job.elapsed_at(now))
            assert job.current is None or job.current in job.phases
    assert len(state.visible) + state.folded == len(state.jobs)
    state.unfold(unfolded=True)  # Jobs that ended in the year 1 were folded.
    assert set(state.visible) == set(state.jobs)
    assert state.counts.total() == len(state.jobs)


@given(st.lists(MESSAGES, max_size=30))
def test_one_batch_gives_the_same_state_as_many_small_ones(messages: list[Json]) -> None:
    frames = decoded(messages)
    at_once, one_by_one = state_of(*frames), ViewState()
    for each in frames:
        one_by_one.apply([each], 1000.0)
    assert at_once.jobs == one_by_one.jobs
    assert at_once.visible == one_by_one.visible
    assert at_once.counts == one_by_one.counts


@given(st.lists(MESSAGES, max_size=30), st.sampled_from(["a", "!a", "importing", "done", "x y"]))
def test_the_filter_gives_the_same_list_whenever_it_is_set(messages: list[Json], text: str) -> None:
    frames = decoded(messages)
    before, after = ViewState(), state_of(*frames)
    before.set_filter(text)
    before.apply(frames, 1000.0)
    after.set_filter(text)
    assert before.visible == after.visible
