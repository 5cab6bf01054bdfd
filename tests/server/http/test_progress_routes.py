"""`/progress/…`: the photo protocol's REST addresses."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from phaseline.model.job import Job
from phaseline.model.snapshot import Moment, Snapshot
from phaseline_server.jobs.messages import JobMessages
from tests.support.servers import serving


async def post(client: httpx.AsyncClient, kind: str, **body: Any) -> httpx.Response:
    return await client.post(f"/progress/{kind}", json=body)


async def test_a_job_can_be_reported_by_rest_from_start_to_end(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        started = await post(client, "start", job_id="job_12345", photo_id=456, photo_info={"file_name": "IMG_001.CR3"})
        assert started.json()["success"] is True
        body = {"job_id": "job_12345", "stage": "exif_analysis", "progress": 25.0, "message": "Analyzing EXIF data..."}
        assert (await post(client, "report", **body, details={"camera": "Canon EOS R5"})).status_code == 200
        status = (await client.get("/progress/job/job_12345")).json()["job_status"]
        assert list(status)[:7] == [
            "job_id",
            "photo_id",
            "photo_info",
            "current_stage",
            "progress",
            "elapsed_seconds",
            "stages_completed",
        ]
        assert (status["current_stage"], status["progress"], status["photo_id"]) == ("exif_analysis", 25.0, 456)
        active = (await client.get("/progress/active")).json()
        assert (active["count"], list(active["active_jobs"])) == (1, ["job_12345"])
        await post(client, "stage", job_id="job_12345", stage="exif_analysis", result={"iso": 800})
        await post(client, "photo", job_id="job_12345", photo_data={"ai_score": 4.2})
        error = {"error_type": "validation_error", "error_message": "Invalid configuration", "stage": "applying_preset"}
        assert (await post(client, "error", job_id="job_12345", **error)).status_code == 200
        ended = await post(client, "complete", job_id="job_12345", success=True, duration=15.5, result={"x": 1})
        assert ended.status_code == 200
        assert (await client.get("/progress/active")).json()["active_jobs"] == {}
        status = (await client.get("/progress/job/job_12345")).json()["job_status"]
        assert (status["state"], status["percent"], status["duration"]) == ("completed", 100.0, 15.5)
        [done] = status["stages_completed"]
        assert (done["stage"], done["result"]) == ("exif_analysis", {"iso": 800})
        assert done["completed_at"].endswith("Z")
        assert status["errors"][0]["error_message"] == "Invalid configuration"


async def test_every_route_dates_a_report_by_its_age(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await post(client, "start", job_id="late", age_seconds=100)
        await post(client, "complete", job_id="late", age_seconds=60)
        status = (await client.get("/progress/job/late")).json()["job_status"]
        assert 39 <= status["duration"] <= 41


@pytest.mark.parametrize("job_id", ["a/b", "../up", "shot\u202e1", "\ufeffshot 2", "50%", "a?b#c", "ü"])
async def test_a_job_is_found_under_the_id_that_was_sent(tmp_path: Path, job_id: str) -> None:
    async with serving(tmp_path) as client:
        started = (await post(client, "start", job_id=job_id)).json()
        answer = await client.get(f"/progress/job/{quote(job_id, safe='')}")
        assert answer.json()["job_status"]["job_id"] == started["job_id"]


@pytest.mark.parametrize(
    ("kind", "body", "status", "code", "words"),
    [
        ("report", {"job_id": "none", "stage": "importing"}, 404, "UNKNOWN_JOB", "job 'none' is not known"),
        ("report", {"job_id": "a", "stage": "importing", "progress": 101}, 422, "INVALID_FIELD", "progress is 101"),
        ("report", {"job_id": "a", "stage": "importing", "progress": "5"}, 422, "INVALID_FIELD", "progress is '5'"),
        ("report", {"job_id": "a", "stage": "nowhere"}, 422, "INVALID_FIELD", "stage is 'nowhere'; allowed: importing"),
        ("report", {"job_id": "a"}, 422, "INVALID_FIELD", "stage"),
        ("start", {"job_id": "a"}, 409, "ILLEGAL_EVENT", "can't accept job_started while it is active"),
        ("report", {"job_id": "over", "stage": "importing"}, 409, "ILLEGAL_EVENT", "after its end (completed)"),
        ("complete", {"job_id": "over", "success": False}, 409, "ILLEGAL_EVENT", "can't accept job_failed"),
        ("complete", {"job_id": "a", "duration": -1}, 422, "INVALID_FIELD", "duration is -1"),
        ("nothing", {"job_id": "a"}, 404, "NOT_FOUND", "no resource has the path"),
    ],
)
async def test_a_rejected_report_gets_the_reason(
    tmp_path: Path, kind: str, body: dict[str, Any], status: int, code: str, words: str
) -> None:
    async with serving(tmp_path) as client:
        for job_id in ("a", "over"):
            await post(client, "start", job_id=job_id, workflow="photo")
        await post(client, "complete", job_id="over")
        answer = await post(client, kind, **body)
        assert (answer.status_code, answer.json()["code"], answer.json()["success"]) == (status, code, False)
        assert words in answer.json()["error"]


async def test_lightrooms_own_stages_are_extra_phases_and_end_markers_end_no_job(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await post(client, "start", job_id="a")
        for stage in ("preparation", "importing", "finalizing", "completed"):
            assert (await post(client, "report", job_id="a", stage=stage, progress=50)).status_code == 200
        status = (await client.get("/progress/job/a")).json()["job_status"]
        assert status["state"] == "active"
        assert next(stage["name"] for stage in status["stages"]) == "preparation"


async def test_the_answer_to_a_batch_has_the_result_of_each_report(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        batch = [
            {"type": "job_started", "job_id": "a"},
            {"type": "job_progress", "job_id": "b", "stage": "importing"},
            {"type": "job_completed", "job_id": "a"},
        ]
        answer = (await client.post("/progress/batch", json=batch)).json()
        assert (answer["success"], answer["accepted"], answer["refused"]) == (False, 2, 1)
        assert [result.get("code") for result in answer["results"]] == [None, "UNKNOWN_JOB", None]
        bad = await client.post("/progress/batch", json=[{"type": "job_started", "job_id": "c"}, {"type": "what"}])
        assert bad.status_code == 422
        assert (await client.get("/progress/job/c")).status_code == 404


async def test_jobs_are_listed_by_state_and_page_by_page(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for number in range(5):
            await post(client, "start", job_id=f"job{number}")
        await post(client, "complete", job_id="job0")
        await post(client, "complete", job_id="job1", success=False)

        async def listed(query: str) -> list[str]:
            return [job["job_id"] for job in (await client.get(f"/progress/jobs?{query}")).json()["jobs"]]

        assert await listed("state=done") == ["job0"]
        assert await listed("state=failed") == ["job1"]
        assert await listed("state=active") == ["job4", "job3", "job2"]
        first = (await client.get("/progress/jobs?limit=2")).json()
        second = (await client.get(f"/progress/jobs?limit=2&cursor={first['cursor']}")).json()
        third = (await client.get(f"/progress/jobs?limit=2&cursor={second['cursor']}")).json()
        pages = [[job["job_id"] for job in page["jobs"]] for page in (first, second, third)]
        assert pages == [["job4", "job3"], ["job2", "job1"], ["job0"]]
        assert third["cursor"] is None
        assert (await client.get("/progress/jobs?state=odd")).status_code == 422
        assert (await client.get("/progress/jobs?limit=0")).status_code == 422


async def test_a_cancelled_job_is_not_listed_as_failed(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await client.post("/progress/batch", json=[{"type": "job_started", "job_id": each} for each in ("a", "b")])
        await client.post("/progress/batch", json=[{"type": "job_cancelled", "job_id": "a"}])
        await post(client, "complete", job_id="b", success=False)
        for state, expected in (("failed", "b"), ("cancelled", "a")):
            [job] = (await client.get(f"/progress/jobs?state={state}")).json()["jobs"]
            assert (job["job_id"], job["state"]) == (expected, state)


async def test_lists_omit_large_facts_and_name_them(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        facts = {"file_name": "a.jpg", "embedding": "x" * 100_000, "iso": 800}
        await client.post("/progress/start", json={"job_id": "a", "photo_info": facts})
        [listed] = (await client.get("/progress/jobs")).json()["jobs"]
        active = (await client.get("/progress/active")).json()["active_jobs"]["a"]
        assert listed["photo_info"] == active["photo_info"] == {"file_name": "a.jpg", "iso": 800}
        assert listed["shortened"] == active["shortened"] == ["photo_info"]
        alone = (await client.get("/progress/job/a")).json()["job_status"]
        assert (alone["photo_info"], alone["shortened"]) == (facts, [])


async def test_a_page_of_jobs_makes_only_the_snapshots_that_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as client:
        await client.post("/progress/batch", json=[{"type": "job_started", "job_id": f"{n}"} for n in range(100)])
        made: list[str] = []
        real = JobMessages.snapshot

        def snapshot(messages: JobMessages, job: Job, moment: Moment) -> Snapshot:
            made.append(job.job_id)
            return real(messages, job, moment)

        monkeypatch.setattr(JobMessages, "snapshot", snapshot)
        page = (await client.get("/progress/jobs?limit=2&cursor=.50")).json()
        assert [job["job_id"] for job in page["jobs"]] == made == ["48", "47"]
        assert page["cursor"] == ".48"
