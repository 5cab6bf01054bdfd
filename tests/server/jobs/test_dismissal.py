"""Dismissed jobs: in no list, snapshot or count of failures until their next report, but in the history."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from phaseline.errors import IllegalEvent, UnknownJob
from phaseline.model.events import JobDismissed, JobFailed, JobLost, JobProgress, JobStalled, JobStarted
from phaseline.model.states import State
from phaseline_server.errors import NumberReused
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.jobs.watchdog import Patience, Watchdog
from phaseline_server.learning.habits import Habits
from phaseline_server.log.queries import JobQuery
from tests.support.servers import serving
from tests.support.tokens import make_tokens, shown
from tests.support.tracking import HandClock, MakeTracker, messages_of, open_tracker

PATIENCE = Patience(retention_s=60, stall_after_s=30, lease_s=300, gone_after_s=15, lost_after_s=60)


async def stalled(tracker: Tracker, job_id: str = "a") -> None:
    await tracker.report(JobStarted(job_id=job_id))
    await tracker.report(JobProgress(job_id=job_id, phase="importing", progress=40))
    await tracker.report(JobStalled(job_id=job_id))


async def shown_in(tracker: Tracker) -> list[str]:
    return [json.loads(status)["job_id"] for status in (await tracker.state()).statuses]


async def failed_today(tracker: Tracker) -> int:
    today = json.loads((await tracker.state()).frame(recovered=None))["today"]
    return int(today["failed"])


async def test_a_dismissed_job_is_hidden_from_lists_until_its_next_report(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    await stalled(tracker)
    await tracker.dismiss(JobDismissed(job_id="a"))
    assert (await shown_in(tracker), tracker.counts()) == ([], {})
    snapshot = await tracker.find("a")
    assert (snapshot.state, snapshot.dismissed, snapshot.silent_ns) == (State.STALLED, True, 0)
    message = messages_of(tracker)[-1]
    assert (message["type"], message["state"], message["completed_at"]) == ("job_dismissed", "stalled", None)
    await tracker.report(JobProgress(job_id="a", phase="importing", progress=50))
    assert (await shown_in(tracker), tracker.counts()) == (["a"], {State.ACTIVE: 1})
    assert not (await tracker.find("a")).dismissed


async def test_only_a_job_that_is_not_at_work_is_dismissed_and_once(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    await tracker.report(JobStarted(job_id="a"))
    with pytest.raises(IllegalEvent, match="while it is active; allowed: a job that has ended, stalled or is lost"):
        await tracker.dismiss(JobDismissed(job_id="a"))
    await tracker.report(JobFailed(job_id="a"))
    await tracker.dismiss(JobDismissed(job_id="a"))
    with pytest.raises(IllegalEvent, match="is dismissed already"):
        await tracker.dismiss(JobDismissed(job_id="a"))
    with pytest.raises(UnknownJob):
        await tracker.dismiss(JobDismissed(job_id="never"))
    assert [message["type"] for message in messages_of(tracker)] == ["job_started", "job_failed", "job_dismissed"]


async def test_a_dismissal_that_is_sent_twice_is_recorded_once(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    await stalled(tracker)
    event = JobDismissed(job_id="a", producer="view", producer_seq=1)
    assert await tracker.dismiss(event) == await tracker.dismiss(event)
    await stalled(tracker, "b")
    with pytest.raises(NumberReused):
        await tracker.dismiss(JobDismissed(job_id="b", producer="view", producer_seq=1))


async def test_a_dismissed_failed_run_ends_once_and_is_not_counted_as_a_failure_of_today(
    make_tracker: MakeTracker,
) -> None:
    tracker = await make_tracker()
    for job_id in "ab":
        await tracker.report(JobStarted(job_id=job_id))
        await tracker.report(JobFailed(job_id=job_id))
    assert (await failed_today(tracker), tracker.ended["failed"]) == (2, 2)
    await tracker.dismiss(JobDismissed(job_id="a"))
    assert (await failed_today(tracker), tracker.ended["failed"]) == (1, 2)
    [done] = [message for message in messages_of(tracker) if message["type"] == "job_dismissed"]
    assert done["completed_at"] is not None
    await tracker.report(JobStarted(job_id="a"))
    assert (await failed_today(tracker), await shown_in(tracker)) == (1, ["a", "b"])


async def test_a_job_outside_memory_is_dismissed_on_disk_and_stays_dismissed(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    await tracker.report(JobStarted(job_id="a"))
    await tracker.report(JobFailed(job_id="a"))
    tracker.forget("a")
    await tracker.dismiss(JobDismissed(job_id="a"))
    assert (tracker.jobs(), await shown_in(tracker)) == ((), [])
    assert (await tracker.find("a")).dismissed
    assert (await tracker.history(JobQuery())).documents == []
    [document] = (await tracker.history(JobQuery(dismissed=True))).documents
    assert json.loads(document)["dismissed"] is True
    with pytest.raises(IllegalEvent):
        await tracker.dismiss(JobDismissed(job_id="a"))
    await tracker.report(JobStarted(job_id="a"))
    assert await shown_in(tracker) == ["a"]


async def test_dismissed_jobs_stay_dismissed_after_a_restart(tmp_path: Path) -> None:
    clock = HandClock()
    async with open_tracker(tmp_path, clock) as tracker:
        await stalled(tracker)
        await tracker.dismiss(JobDismissed(job_id="a"))
    async with serving(tmp_path) as client:
        assert (await client.get("/progress/active")).json()["active_jobs"] == {}
        assert (await client.get("/progress/job/a")).json()["job_status"]["dismissed"] is True
        report = {"job_id": "a", "stage": "importing", "progress": 60}
        assert (await client.post("/progress/report", json=report)).status_code == 200
        assert list((await client.get("/progress/active")).json()["active_jobs"]) == ["a"]


async def test_the_watchdog_ignores_dismissed_jobs(make_tracker: MakeTracker) -> None:
    clock = HandClock()
    tracker = await make_tracker(clock)
    watchdog = Watchdog(tracker, Habits(), PATIENCE)
    await stalled(tracker)
    await stalled(tracker, "b")
    await tracker.dismiss(JobDismissed(job_id="a"))
    for _ in range(200):
        clock.advance(2)
        await watchdog.look()
    await tracker.report(JobStarted(job_id="c"))  # which is stored after all findings
    assert (await tracker.find("b")).state is State.LOST
    assert (await tracker.find("a")).state is State.STALLED


async def test_a_full_memory_drops_dismissed_jobs_first(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker(max_jobs=1)
    await stalled(tracker)
    await tracker.dismiss(JobDismissed(job_id="a"))
    await tracker.report(JobStarted(job_id="b"))
    assert await shown_in(tracker) == ["b"]


async def test_a_lost_job_is_dismissed(make_tracker: MakeTracker) -> None:
    tracker = await make_tracker()
    await stalled(tracker)
    await tracker.report(JobLost(job_id="a"))
    await tracker.dismiss(JobDismissed(job_id="a"))
    assert ((await tracker.find("a")).state, tracker.counts()) == (State.LOST, {})


async def dismiss(client: httpx.AsyncClient, job_id: str, **more: Any) -> httpx.Response:
    return await client.post("/progress/dismiss", json={"job_id": job_id}, **more)


async def test_jobs_are_dismissed_by_http(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await client.post("/progress/start", json={"job_id": "a"})
        answer = await dismiss(client, "a")
        assert (answer.status_code, answer.json()["code"]) == (409, "ILLEGAL_EVENT")
        await client.post("/progress/complete", json={"job_id": "a", "success": False})
        answer = await client.post("/progress/dismiss", json={"job_id": "a", "reason": "a test"})
        assert (answer.status_code, answer.json()["seq"], answer.json()["ignored"]) == (200, 3, ["reason"])
        assert (await dismiss(client, "a")).status_code == 409
        assert (await dismiss(client, "none")).status_code == 404
        assert (await client.get("/progress/jobs")).json()["jobs"] == []
        [job] = (await client.get("/progress/jobs?dismissed=1&state=failed")).json()["jobs"]
        assert (job["job_id"], job["dismissed"], job["seq"]) == ("a", True, 3)
        totals = (await client.get("/progress/totals?since=1h")).json()
        assert totals["failed"] == 1
        assert (await client.get("/health")).json()["activeJobs"] == 0
        assert ">a<" not in (await client.get("/")).text


async def test_a_batch_of_reports_rejects_a_dismissal(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        answer = await client.post("/progress/batch", json=[{"type": "job_dismissed", "job_id": "a"}])
        assert (answer.status_code, answer.json()["code"]) == (422, "UNKNOWN_TYPE")


async def test_a_token_dismisses_the_jobs_of_its_prefix(tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path)
    async with serving(tmp_path) as client:
        for job_id in ("shot-1", "other-1"):
            body = {"job_id": job_id}
            await client.post("/progress/start", json=body, headers=shown(tokens, "admin"))
            await client.post("/progress/complete", json=body, headers=shown(tokens, "admin"))
        assert (await dismiss(client, "other-1", headers=shown(tokens, "report:shot-"))).status_code == 403
        assert (await dismiss(client, "shot-1", headers=shown(tokens, "read"))).status_code == 403
        assert (await dismiss(client, "shot-1", headers=shown(tokens, "report:shot-"))).status_code == 200
