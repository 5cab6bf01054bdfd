"""Past jobs: the query that a filter means, merged pages, totals, and today's counts."""

import datetime as dt
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from phaseline.filtering import Filter
from phaseline_tui.model.history import History, Page, read_page, rows_of, whole_job
from phaseline_tui.model.history_query import RANGES, Query, query_of, with_range
from phaseline_tui.model.history_totals import TotalLine, read_totals, sum_of, trend
from phaseline_tui.model.jobs import JobKey, JobView, State
from phaseline_tui.model.state import ViewState
from tests.support.tui_history import past_jobs, totals_answer
from tests.support.tui_jobs import NOW, FixedClock, frame, photo_job, today

CLOCK = FixedClock()


def query(text: str, hosts: tuple[str, ...] = ()) -> Query:
    return query_of(text, hosts, CLOCK.local, CLOCK.wall())


def asked(text: str, hosts: tuple[str, ...] = ()) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query(text, hosts).jobs).items()}


def test_without_a_filter_jobs_that_ended_since_yesterday_are_asked_for() -> None:
    past = {"state": "completed,failed,cancelled,lost", "dismissed": "1", "since": "yesterday"}
    assert asked("") == past
    assert asked("today") == past | {"since": "today"}
    assert asked("yesterday") == past | {"until": "today"}
    assert asked("since:7d until:12h") == past | {"since": "7d", "until": "12h"}
    assert asked("since:09:30")["since"] == "2026-11-09T09:30:00+00:00"
    assert asked("since:2026-11-02")["since"] == "2026-11-02T00:00:00+00:00"
    assert query("since:all").totals.startswith("since=1970-01-01")


def test_the_server_filters_by_words_states_and_a_known_host() -> None:
    assert asked('render "IMG 0042"')["q"] == "render IMG 0042"
    assert asked("failed")["state"] == "failed"
    assert asked("state:fail")["state"] == "failed"
    assert asked("!done")["state"] == "failed,cancelled,lost"
    assert asked("state:all")["state"] == "queued,active,stalled,completed,failed,cancelled,lost"
    assert asked("host:box2", ("box1", "box2"))["host"] == "box2"
    assert "host" not in asked("host:box", ("box1", "box2"))
    assert asked("workflow:ren")["q"] == "ren"
    assert query("server:box2").servers == ("box2",)


def test_filters_that_the_server_lacks_are_applied_in_the_view_and_named() -> None:
    found = query("render !denoise /IMG_00[45]/ phase:export name:final")
    assert found.applied_here == ("!denoise", "/IMG_00[45]/", "phase:export", "name:final")
    assert parse_qs(found.jobs)["q"] == ["render final"]
    assert found.rest.keeps(JobView("1", name="IMG_004 final")) is False
    exact = query('"two words" workflow:film')
    assert not exact.applied_here
    assert exact.rest.keeps(JobView("1", name="two words", workflow="film"))
    assert not exact.rest.keeps(JobView("1", name="words two", workflow="film"))


@pytest.mark.parametrize("text", ["since:", "since:2", "state:", "!", "host:", "/", "until:never", "state:x", '"'])
def test_a_filter_that_is_still_being_typed_is_valid(text: str) -> None:
    assert asked(text)["state"] == "completed,failed,cancelled,lost"


def test_an_invalid_time_is_named_with_the_allowed_forms() -> None:
    assert query("since:never").problem == (
        "since:never has no time; allowed are today, yesterday, 7d, 12h, 30m, 09:30 or 2026-11-20"
    )


def test_a_key_steps_through_the_ranges_and_keeps_the_words() -> None:
    text, seen = "render !done", []
    for _ in RANGES:
        text = with_range(text)
        seen.append(text)
    assert seen == [
        "render !done today",
        "render !done yesterday",
        "render !done since:7d",
        "render !done since:all",
        "render !done",
    ]


def jobs(*ends: float, origin: str = "a") -> list[JobView]:
    return [
        JobView(f"{origin}{end:g}", origin, name=f"n{end:g}", state=State.COMPLETED, completed_at=end) for end in ends
    ]


def names(history: History) -> list[str]:
    return [job.job_id for job in history.rows]


def test_pages_of_several_servers_are_merged_by_their_ends() -> None:
    history = History(["a", "b"], Filter())
    assert history.wanted() == [("a", ""), ("b", "")]
    history.add("a", jobs(9, 7, 5), Page(cursor="x"))
    assert (names(history), history.wanted()) == ([], [("b", "")])  # b may have newer ones
    history.add("b", jobs(8, 6, origin="b"), Page(cursor=None))
    assert names(history) == ["a9", "b8", "a7", "b6", "a5"]
    assert history.wanted() == [("a", "x")]
    history.add("a", jobs(2), Page(cursor=None))
    assert (names(history)[-1], history.complete) == ("a2", True)


def test_a_server_that_fails_does_not_delay_the_others() -> None:
    history = History(["a", "b"], Filter())
    history.add("a", jobs(9, 7), Page(cursor=None))
    history.fail("b", "no permission")
    assert (names(history), history.problems, history.complete) == (["a9", "a7"], [("b", "no permission")], True)


def test_the_list_reads_further_pages_if_one_has_no_match() -> None:
    history = History(["a"], Filter("!n9"))
    history.add("a", jobs(9), Page(cursor="x"))
    assert (names(history), history.wanted(), history.searched) == ([], [("a", "x")], 1)


def test_a_cursor_that_does_not_move_ends_the_list() -> None:
    history = History(["a"], Filter())
    history.add("a", jobs(9), Page(cursor="x"))
    history.add("a", [], Page(cursor="x"))
    assert history.complete


def test_the_list_holds_a_limited_number_of_jobs() -> None:
    history = History(["a"], Filter(), most=3)
    history.add("a", jobs(9, 8, 7, 6), Page(cursor="x"))
    assert (names(history), history.full, history.wanted()) == (["a9", "a8", "a7"], True, [])


def test_a_new_first_page_replaces_the_beginning() -> None:
    history = History(["a"], Filter())
    history.add("a", jobs(9, 8, 7), Page(cursor="x"))
    history.add("a", jobs(6, 5), Page(cursor="y"))
    assert history.renew("a", jobs(11, 10, 9), Page(cursor="z"))
    assert names(history) == ["a11", "a10", "a9", "a8", "a7", "a6", "a5"]
    assert history.wanted() == [("a", "y")]
    assert not history.renew("a", jobs(30, 29), Page(cursor="q")), "jobs between are missing"
    assert names(history)[0] == "a11"


def test_a_row_keeps_little_and_a_whole_job_everything() -> None:
    raws = [msgspec.Raw(msgspec.json.encode(job)) for job in past_jobs(40)]
    rows = rows_of(raws, 1000.0, "here")
    failed = next(job for job in rows if job.state is State.FAILED)
    assert failed.failure.startswith("Invalid exposure value")
    assert (failed.current and failed.current.name, len(failed.phases), failed.errors) == ("applying_preset", 1, [])
    assert sum(len(msgspec.json.encode(job)) for job in rows) / len(rows) < 1500
    body = msgspec.json.encode({"success": True, "job_status": past_jobs(5)[4]})
    whole = whole_job(body, 1000.0, JobKey("here", "job_4"))
    assert (len(whole.phases), len(whole.errors)) == (8, 2)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"jobs": 7, "workflows": 7}', b"\xff"])
def test_an_invalid_answer_raises_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_page(body)
    with pytest.raises(ValueError, match=r"."):
        read_totals(body, Filter())
    with pytest.raises(ValueError, match=r"."):
        whole_job(body, 0.0, JobKey("", "x"))


def test_totals_are_sorted_cleaned_and_limited_to_the_workflows_of_the_filter() -> None:
    answer = totals_answer()
    answer["workflows"].append({"workflow": "\x1b[2J", "series": None, "runs": -3, "median_seconds": -1.0})
    totals = read_totals(msgspec.json.encode(answer), Filter())
    assert [line.runs for line in totals.lines][:3] == [812, 406, 96]
    assert (totals.lines[-1].workflow, totals.lines[-1].runs, totals.lines[-1].median_seconds) == ("[2J", 0, None)
    photos = read_totals(msgspec.json.encode(answer), query("workflow:pho series:wed").lines)
    assert [line.series for line in photos.lines] == ["wedding"]
    assert sum_of([totals]).runs == sum(line.runs for line in totals.lines)


@pytest.mark.parametrize(
    ("median", "before", "runs_before", "words"),
    [
        (12.0, 10.0, 9, "▲ 20% slower"),
        (8.0, 10.0, 9, "▼ 20% faster"),
        (10.1, 10.0, 9, "as before"),
        (12.0, None, 0, "none before"),
        (12.0, 10.0, 2, "few runs"),
        (None, 10.0, 9, ""),
    ],
)
def test_the_trend_is_shown_as_text(median: float | None, before: float | None, runs_before: int, words: str) -> None:
    line = TotalLine("w", completed=5, median_seconds=median, median_before_seconds=before, runs_before=runs_before)
    assert trend(line).words == words


# ---------------------------------------------------------------------------------------- today


def completed(job_id: str, at: dt.datetime, seq: int) -> Any:
    common = {"job_id": job_id, "epoch": "e1", "seq": seq, "state": "completed", "success": True}
    return frame({"type": "job_completed", **common, "timestamp": at.isoformat()})


def state_with(day: dict[str, Any] | None) -> ViewState:
    state = ViewState()
    ended = photo_job("done", "a.CR3", 8, state="completed", ended_ago=60.0)
    first = frame({"type": "snapshot", "epoch": "e1", "seq": 7, "today": day, "jobs": [ended]})
    state.apply([first], 1000.0, "a")
    state.advance(1000.0, NOW.timestamp())
    return state


def test_today_starts_from_the_servers_counts_and_adds_the_ends_after_it() -> None:
    day = today([]) | {"completed": 982, "failed": 3, "cancelled": 1}
    state = state_with(day)
    assert state.totals(0.0).done_today == 982
    state.apply([completed("new", NOW, 8), completed("done", NOW, 6)], 1000.0, "a")
    totals = state.totals(0.0)
    assert (totals.done_today, totals.failed_today, totals.cancelled_today, totals.seen) == (983, 3, 1, False)


def test_today_is_reset_at_the_end_of_the_servers_day() -> None:
    day = today([]) | {"completed": 982}
    state = state_with(day)
    tomorrow = dt.datetime.fromisoformat(day["until"])
    state.apply([completed("new", tomorrow + dt.timedelta(seconds=1), 8)], 1000.0, "a")
    assert state.totals(0.0).done_today == 1
    state.advance(2000.0, tomorrow.timestamp() + 90_000)
    assert state.totals(0.0).done_today == 0


def test_counts_of_an_older_server_are_those_of_the_received_messages() -> None:
    state = state_with(None)
    totals = state.totals(NOW.timestamp() - 3600)
    assert (totals.done_today, totals.seen) == (1, True)
    assert state.totals(NOW.timestamp()).done_today == 0
