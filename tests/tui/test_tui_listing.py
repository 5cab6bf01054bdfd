"""The list of jobs: filters, sorting, folding, for messages in any order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phaseline.filtering import Filter
from phaseline_tui.model.backlog import Backlog
from phaseline_tui.model.connection import Batch
from phaseline_tui.model.sorting import COLUMNS, Order, group_of
from phaseline_tui.model.state import ViewState
from tests.support.tui_jobs import NOW, dalle_job, frame, ids, photo_job, snapshot

WALL = NOW.timestamp()


def some_jobs() -> list[dict[str, Any]]:
    return [
        dalle_job("simple", "0x1", 5, host="box1"),
        dalle_job("five", "0x2", 8, state="completed", ended_ago=1.0, host="box2"),
        photo_job("job_1", "IMG_004.CR3", 2, host="box2", message="two words"),
        photo_job("job_2", "IMG_007.CR3", 3, host="box2", state="failed", result={"error": "no light"}),
    ]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("state:failed", {"job_2"}),
        ("!state:failed host:box2", {"dalle:five:0x2", "job_1"}),
        ("host:BOX1", {"dalle:simple:0x1"}),
        ("phase:image", {"dalle:simple:0x1"}),
        ("name:/IMG_00[45]/", {"job_1"}),
        ("!/^img/ workflow:photo", {"job_1", "job_2"}),
        ("!name:/^img/", {"dalle:simple:0x1", "dalle:five:0x2"}),
        ('message:"two words"', {"job_1"}),
        ('message:"two', {"job_1"}),
        ("message:light", {"job_2"}),
        ("dalle:simple", {"dalle:simple:0x1"}),
        ("/img", {"job_1", "job_2"}),
        ("host: !", {"dalle:simple:0x1", "dalle:five:0x2", "job_1", "job_2"}),
    ],
)
def test_a_filter_supports_fields_regexes_and_quotes(text: str, kept: set[str]) -> None:
    state = ViewState()
    state.apply([snapshot(some_jobs())], 1000.0)
    state.set_filter(text)
    assert set(ids(state.visible)) == kept


def test_an_invalid_regex_is_reported_and_ignored() -> None:
    found = Filter("/a(/")
    assert found.problem == "/a(/ is not a valid regex: missing ): a("
    assert not found


@given(st.text(max_size=40))
def test_every_text_is_a_valid_filter(text: str) -> None:
    state = ViewState()
    state.apply([snapshot(some_jobs())], 1000.0)
    state.set_filter(text)
    kept = set(state.visible)
    assert kept <= set(state.jobs)


def test_completed_jobs_are_folded_after_a_while_and_failed_ones_stay() -> None:
    state = ViewState(fold_after=600.0)
    done = photo_job("done", "a", 8, state="completed", ended_ago=100.0)
    state.apply([snapshot([done, photo_job("bad", "b", 3, state="failed", ended_ago=9000.0)])], 1000.0)
    assert not state.advance(1000.0, WALL + 499.0) or state.folded == 0
    assert ids(state.visible) == ["bad", "done"]
    assert state.advance(1001.0, WALL + 501.0)
    assert (ids(state.visible), state.folded) == (["bad"], 1)
    state.set_filter("done")
    assert ids(state.visible) == ["done"]


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 7),
        st.sampled_from(["job_started", "job_progress", "job_completed", "job_failed"]),
        st.floats(0, 100),
        st.integers(0, 59),
    ),
    max_size=40,
)


def messages(changes: list[tuple[int, str, float, int]]) -> list[Any]:
    states = {"job_completed": "completed", "job_failed": "failed"}
    return [
        frame(
            {
                "type": kind, "job_id": f"job_{number}", "seq": seq, "percent": percent,
                "timestamp": f"2026-11-09T18:30:{second:02}Z", "state": states.get(kind, "active"),
            }
        )
        for seq, (number, kind, percent, second) in enumerate(changes, 1)
    ]  # fmt: skip


@given(CHANGES, st.sampled_from(["", *COLUMNS]), st.booleans())
def test_incremental_sorting_equals_full_sorting(
    changes: list[tuple[int, str, float, int]], column: str, reverse: bool
) -> None:
    at_once, one_by_one = ViewState(), ViewState()
    order = Order(column, reverse)
    one_by_one.set_order(order)
    frames = messages(changes)
    at_once.apply(frames, 1000.0)
    for each in frames:
        one_by_one.apply([each], 1000.0)
    at_once.set_order(order)
    one_by_one.advance(0.0, 0.0)
    assert one_by_one.visible == at_once.visible
    groups = [group_of(at_once.jobs[key]) for key in at_once.visible]
    assert groups == sorted(groups)
    keys = [order.key(at_once.jobs[key], 0.0) for key in at_once.visible if group_of(at_once.jobs[key]) == 0]
    assert keys == sorted(keys, reverse=reverse)
    assert at_once.counts == one_by_one.counts


@given(CHANGES, st.integers(0, 40))
def test_resuming_after_a_pause_gives_the_state_without_the_pause(
    changes: list[tuple[int, str, float, int]], held_from: int
) -> None:
    frames = messages(changes)
    live, held, backlog = ViewState(), ViewState(), Backlog()
    live.apply(frames, 1000.0)
    held.apply(frames[:held_from], 1000.0)
    for each in frames[held_from:]:
        backlog.add(Batch((each,), 1000.0))
    for batch in backlog.batches():
        held.apply(batch.frames, batch.received, batch.origin)
    assert backlog.count == len(frames[held_from:])
    assert held.visible == live.visible
    for key, job in live.jobs.items():
        assert (held.jobs[key].state, held.jobs[key].percent, held.jobs[key].seq) == (job.state, job.percent, job.seq)


def test_a_long_pause_stores_only_the_newest_progress_of_each_job() -> None:
    backlog = Backlog()
    for number in range(5000):
        message = {"type": "job_progress", "job_id": f"job_{number % 10}", "stage": "x", "seq": number}
        backlog.add(Batch((frame(message),), 1000.0))
    (batch,) = backlog.batches()
    assert backlog.count == 5000
    assert len(batch.frames) == 10
