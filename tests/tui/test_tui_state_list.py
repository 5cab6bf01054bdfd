"""Order, filter and limit of the jobs in the view's state."""

import pytest

from phaseline_tui.model.state import ViewState
from tests.support.tui_jobs import dalle_job, ids, photo_job, snapshot
from tests.support.tui_state import STARTED, message, state_of


def test_active_jobs_come_first_then_failures_then_others_newest_first() -> None:
    state = state_of(
        snapshot(
            [
                photo_job("old", "a", 8, state="completed", ended_ago=500.0),
                photo_job("new", "b", 8, state="completed", ended_ago=5.0),
                photo_job("stopped", "c", 3, state="cancelled", ended_ago=50.0),
                photo_job("failed", "d", 3, state="failed", ended_ago=5000.0),
                photo_job("lost", "e", 3, state="lost", ended_ago=60.0),
                photo_job("young", "f", 1, progress=5.0),
                photo_job("older", "g", 5),
                photo_job("stalled", "h", 7, state="stalled"),
            ]
        )
    )
    assert ids(state.visible) == ["stalled", "older", "young", "lost", "failed", "new", "stopped", "old"]
    assert state.counts == {"active": 2, "stalled": 1, "done": 2, "failed": 2, "cancelled": 1}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", {"dalle:simple:0x1", "dalle:five:0x2", "job_1"}),
        ("SIMPLE", {"dalle:simple:0x1"}),
        ("img", {"job_1"}),
        ("job_1", {"job_1"}),
        ("dalle", {"dalle:simple:0x1", "dalle:five:0x2"}),
        ("image_wait", {"dalle:simple:0x1"}),
        ("done", {"dalle:five:0x2"}),
        ("completed", {"dalle:five:0x2"}),
        ("dalle !done", {"dalle:simple:0x1"}),
        ("!dalle", {"job_1"}),
        ("!", {"dalle:simple:0x1", "dalle:five:0x2", "job_1"}),
        ("nothing of it", set()),
    ],
)
def test_the_filter_searches_names_series_workflows_states_and_phases(text: str, kept: set[str]) -> None:
    state = state_of(
        snapshot(
            [
                dalle_job("simple", "0x1", 5),
                dalle_job("five", "0x2", 8, state="completed", ended_ago=1.0),
                photo_job("job_1", "IMG_7.CR3", 2),
            ]
        )
    )
    state.set_filter(text)
    assert set(ids(state.visible)) == kept


def test_the_filter_is_applied_again_when_a_job_enters_another_phase() -> None:
    state = state_of(STARTED, message("job_progress", seq=2, stage="importing"))
    state.set_filter("exporting")
    assert state.visible == []
    changes = state.apply([message("job_progress", seq=3, stage="exporting", stage_index=3)], 1001.0)
    assert (ids(state.visible), changes.order) == (["job_1"], True)


def test_beyond_the_maximum_the_jobs_that_ended_first_are_dropped() -> None:
    state = ViewState(most_jobs=10)
    ended = [photo_job(f"e{n}", "x", 8, state="completed", ended_ago=float(n)) for n in range(1, 20)]
    active = [photo_job(f"a{n}", "x", 3) for n in range(5)]
    state.apply([snapshot(ended + active)], 1000.0)
    assert set(ids(state.jobs)) == {f"a{n}" for n in range(5)} | {f"e{n}" for n in range(1, 6)}
