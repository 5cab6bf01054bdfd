"""`/progress/jobs` and `/progress/totals`: all that is kept, from disk and from memory."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.servers import serving
from tests.support.tokens import make_tokens, shown

DAY_S = 24 * 3600


def run(job_id: str, *, ended: bool | None = True, age: float = 0, took: float = 10, **facts: Any) -> list[Any]:
    """Return the reports of a job that ended `age` seconds ago; None for one that has not ended."""
    reports = [{"type": "job_started", "job_id": job_id, "age_seconds": age + took, **facts}]
    if ended is not None:
        kind = "job_completed" if ended else "job_failed"
        reports.append({"type": kind, "job_id": job_id, "success": ended, "age_seconds": age})
    return reports


JOBS = [
    *run("old", age=2 * DAY_S, workflow="film", phases=["a"], series="x", took=20),
    *run("older", age=3 * DAY_S, workflow="film", phases=["a"], series="x", took=40),
    *run("bad", age=60, ended=False, workflow="film", phases=["a"], series="x", host="box-1"),
    *run("good", age=30, workflow="film", phases=["a"], series="x", took=12, host="box-2"),
    *run("hit", age=20, workflow="film", phases=["a"], series="x", took=1, cache_hit=True),
    *run("photo", age=10, photo_info={"file_name": "Ünïcode_ÄÖ_042.CR3"}),
    *run("active 1", ended=None, workflow="film", phases=["a"]),
    *run("active 2", ended=None, host="box-1"),
]


@asynccontextmanager
async def with_jobs(data_dir: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Serve with `JOBS`, of which the ended ones have left memory."""
    async with serving(data_dir) as client:
        answer = (await client.post("/progress/batch", json=JOBS)).json()
        assert answer["success"], answer
    # A job that ended before the retention is not in memory after a restart.
    async with serving(data_dir, retention=1, done_ttl=1, **settings) as client:
        yield client


async def ask(client: httpx.AsyncClient, path: str, **query: str) -> dict[str, Any]:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def listed(client: httpx.AsyncClient, **query: str) -> list[str]:
    return [job["job_id"] for job in (await ask(client, "/progress/jobs", **query))["jobs"]]


async def test_all_stored_jobs_are_listed_even_if_they_are_not_in_memory(tmp_path: Path) -> None:
    async with with_jobs(tmp_path) as client:
        page = await ask(client, "/progress/jobs")
        assert [job["job_id"] for job in page["jobs"]] == [
            "active 2",
            "active 1",
            "photo",
            "hit",
            "good",
            "bad",
            "old",
            "older",
        ]
        assert (page["count"], page["cursor"], page["since"], page["until"]) == (8, None, None, None)
        alone = (await ask(client, "/progress/job/good"))["job_status"]
        assert next(job for job in page["jobs"] if job["job_id"] == "good") == alone
        assert next(job for job in page["jobs"] if job["job_id"] == "old")["elapsed_seconds"] == 20.0


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"state": "active"}, ["active 2", "active 1"]),
        ({"state": "done"}, ["photo", "hit", "good", "old", "older"]),
        ({"state": "failed,active"}, ["active 2", "active 1", "bad"]),
        ({"state": "lost"}, []),
        ({"workflow": "film", "state": "completed"}, ["hit", "good", "old", "older"]),
        ({"series": "x", "host": "box-2"}, ["good"]),
        ({"host": "box-1"}, ["active 2", "bad"]),
        ({"q": "ÜNÏCODE 042"}, ["photo"]),
        ({"q": "u\u0308nïcode"}, ["photo"]),  # as file names on a Mac are written
        ({"q": "film BOX"}, ["good", "bad"]),
        ({"q": "fi\0lm B\u202eOX", "workflow": "\0film"}, ["good", "bad"]),  # cleaned as in reports
        ({"series": "x\0", "host": "box\0-2"}, ["good"]),
        ({"q": "film nothing"}, []),
        ({"since": "1h"}, ["active 2", "active 1", "photo", "hit", "good", "bad"]),
        ({"until": "1h"}, ["old", "older"]),
        ({"since": "60h", "until": "36h"}, ["old"]),
        ({"since": "1970-01-01T01:00:00+01:00", "state": "done", "limit": "1"}, ["photo"]),
        ({"since": "9999-12-31T23:59:59Z"}, []),
        ({"until": "0001-01-01T00:00:00Z"}, []),
        ({"workflow": "", "q": "", "since": "", "state": "", "cursor": "", "host": "box-2"}, ["good"]),
    ],
)
async def test_jobs_are_filtered(tmp_path: Path, query: dict[str, str], expected: list[str]) -> None:
    async with with_jobs(tmp_path) as client:
        assert await listed(client, **query) == expected


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"state": "active,odd"}, "state is 'active,odd'; allowed: queued, active, "),
        ({"since": "last week"}, "since is 'last week'; allowed: an RFC 3339 time with its offset, today, yesterday"),
        ({"until": "2026-11-28T22:31:49"}, "until is '2026-11-28T22:31:49'; allowed: an RFC 3339 time"),
        ({"cursor": "12"}, "cursor is '12'; allowed: the cursor of the page before"),
        ({"cursor": "9999999999999999999.1"}, "cursor is "),
        ({"q": "x" * 201}, "q is '201 characters'; allowed: at most 200"),
        ({"limit": "1001"}, "limit is '1001'; allowed: an integer from 1 to 1000"),
        ({"dismissed": "yes"}, "dismissed is 'yes'; allowed: 0 or 1"),
    ],
)
async def test_an_invalid_query_is_rejected(tmp_path: Path, query: dict[str, str], words: str) -> None:
    async with serving(tmp_path) as client:
        answer = await client.get("/progress/jobs", params=query)
        assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_FIELD")
        assert words in answer.json()["error"]


async def test_pages_list_each_unchanged_job_once_while_other_jobs_start_and_end(tmp_path: Path) -> None:
    async with with_jobs(tmp_path) as client:
        seen: list[str] = []
        query = {"limit": "2"}
        for number in range(10):
            page = await ask(client, "/progress/jobs", **query)
            seen += [job["job_id"] for job in page["jobs"]]
            if page["cursor"] is None:
                break
            query["cursor"] = page["cursor"]
            await client.post("/progress/batch", json=[*run(f"new {number}"), *run(f"begun {number}", ended=None)])
        unchanged = ["active 2", "active 1", "photo", "hit", "good", "bad", "old", "older"]
        assert [job_id for job_id in seen if not job_id.startswith(("new", "begun"))] == unchanged


async def test_a_page_is_bounded_in_bytes_and_its_cursor_continues_it(tmp_path: Path) -> None:
    results = {"log": "x" * 200_000}
    async with serving(tmp_path) as client:
        for number in range(12):
            reports = run(f"{number}")
            reports.insert(
                1, {"type": "stage_completed", "job_id": f"{number}", "stage": "importing", "result": results}
            )
            await client.post("/progress/batch", json=reports)
        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            answer = await client.get("/progress/jobs", params={"cursor": cursor})
            assert len(answer.content) < 2**20 + 300_000
            seen += [job["job_id"] for job in answer.json()["jobs"]]
            cursor = answer.json()["cursor"]
        assert seen == [f"{number}" for number in reversed(range(12))]


async def test_an_active_job_is_shown_as_it_is_now(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await client.post("/progress/start", json={"job_id": "a"})
        await client.post("/progress/report", json={"job_id": "a", "stage": "importing", "progress": 40})
        [job] = (await ask(client, "/progress/jobs"))["jobs"]
        assert (job["state"], job["progress"], job["elapsed_seconds"] > 0) == ("active", 40.0, True)


async def test_a_token_with_a_prefix_gets_its_jobs_and_totals_only(tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path)
    async with serving(tmp_path) as client:
        batch = [*run("shot-1"), *run("other-1"), *run("shot-2", ended=False)]
        await client.post("/progress/batch", json=batch, headers=shown(tokens, "admin"))
        headers = shown(tokens, "read:shot-")
        jobs = (await client.get("/progress/jobs", headers=headers)).json()["jobs"]
        assert [job["job_id"] for job in jobs] == ["shot-2", "shot-1"]
        totals = (await client.get("/progress/totals?since=1h", headers=headers)).json()
        assert (totals["completed"], totals["failed"]) == (1, 1)


async def test_totals_compare_runs_with_those_of_the_week_before(tmp_path: Path) -> None:
    async with with_jobs(tmp_path) as client:
        totals = await ask(client, "/progress/totals", since="1h")
        assert totals["until"] is None
        assert [totals[state] for state in ("completed", "failed", "cancelled", "lost")] == [3, 1, 0, 0]
        film, photo = totals["workflows"]
        assert film == {
            "workflow": "film",
            "series": "x",
            "runs": 3,
            "completed": 2,
            "failed": 1,
            "cancelled": 0,
            "lost": 0,
            "median_seconds": 12.0,
            "p95_seconds": 12.0,
            "median_before_seconds": 30.0,
            "runs_before": 2,
        }
        assert (photo["median_seconds"], photo["median_before_seconds"], photo["runs_before"]) == (10.0, None, 0)
        assert (await ask(client, "/progress/totals", since="1h", host="box-1"))["failed"] == 1
        assert (await ask(client, "/progress/totals", since="1h", q="cr3"))["workflows"] == [photo]
        assert (await ask(client, "/progress/totals", since="9999-01-01T00:00:00Z"))["workflows"] == []


async def test_each_run_of_a_restarted_id_is_counted(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for age in (50, 40, 30):
            await client.post("/progress/batch", json=run("nightly", age=age, ended=age != 40))
        totals = await ask(client, "/progress/totals", since="1h")
        assert (totals["completed"], totals["failed"], totals["workflows"][0]["runs"]) == (2, 1, 3)
        assert await listed(client) == ["nightly"]


async def test_totals_are_of_today_by_default(tmp_path: Path) -> None:
    async with with_jobs(tmp_path) as client:
        today = await ask(client, "/progress/totals")
        assert today == await ask(client, "/progress/totals", since="today")
        assert today["since"] == (await ask(client, "/progress/jobs", since="today"))["since"]
        week = await ask(client, "/progress/totals", since="7d")
        assert week["completed"] == 5
        assert json.dumps(week["workflows"]).count('"series"') == 2
