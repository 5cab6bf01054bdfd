"""The course of a job's estimate, stored as a few points."""

import itertools
from pathlib import Path

import pytest
from httpx import AsyncClient

from phaseline.model.snapshot import Estimate, Moment
from phaseline_server.jobs import courses
from phaseline_server.jobs.course_storage import CourseStorage
from phaseline_server.jobs.courses import MOST_POINTS, Courses
from phaseline_server.jobs.listener import NOBODY
from phaseline_server.log.memory import MemoryStore
from tests.support.eta_engines import started
from tests.support.servers import serving


def test_a_long_run_keeps_few_points_from_its_start_to_its_end() -> None:
    course = courses.Course(0)
    for second in range(100_000):
        course.add(float(second), 1.0, 0.5, 2.0)
    times = list(course.values[::4])
    assert MOST_POINTS // 2 <= len(times) <= MOST_POINTS
    assert times[0] == 0
    assert times[-1] > 95_000
    steps = {after - before for before, after in itertools.pairwise(times)}
    assert len(steps) == 1


def test_a_job_without_estimates_has_no_points() -> None:
    assert Courses(NOBODY).of("none") == []


async def moved(client: AsyncClient, job_id: str = "a") -> list[dict[str, float]]:
    for progress in (10, 20, 30):
        body = {"job_id": job_id, "stage": "render", "progress": progress}
        (await client.post("/progress/report", json=body)).raise_for_status()
        await client.get(f"/progress/job/{job_id}")
    points: list[dict[str, float]] = (await client.get(f"/progress/job/{job_id}/estimates")).json()["estimates"]
    return points


async def test_the_estimates_of_a_run_survive_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courses, "_FIRST_STEP_S", 0.0)
    before = {}
    async with serving(tmp_path) as client:
        for job_id in ("a", "b"):
            body = {"job_id": job_id, "workflow": "w", "phases": ["render"], "age_seconds": 60}
            await client.post("/progress/start", json=body)
            before[job_id] = await moved(client, job_id)
        await client.post("/progress/complete", json={"job_id": "a"})
    async with serving(tmp_path) as client:
        ended = (await client.get("/progress/job/a/estimates")).json()["estimates"]
        assert ended[: len(before["a"])] == before["a"]
        going_on = await moved(client, "b")
        assert going_on[: len(before["b"])] == before["b"]
        assert len(going_on) > len(before["b"])
        await client.post("/progress/complete", json={"job_id": "b"})
        await client.post("/progress/start", json={"job_id": "b", "workflow": "w", "phases": ["render"]})
        assert before["b"][0] not in await moved(client, "b")


async def test_stored_courses_are_bounded_and_those_that_cannot_be_read_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(courses, "_MOST_JOBS", 2)
    store, kept = MemoryStore(), Courses(NOBODY)
    storage = CourseStorage(store, kept)
    for number in range(3):
        kept.estimated(started(job_id=f"job {number}"), Moment(number, number), Estimate(50.0, number))
        await storage.save()
    assert set((await store.learned()).states) == {("course", '["job 1"]'), ("course", '["job 2"]')}
    await store.save_learned([("course", '["cut"]', b"\x94\x01\x01\xc4\x01x\x01"), ("course", "[", b"")])
    learned, again = await store.learned(), Courses(NOBODY)
    CourseStorage(store, again).restore(learned)
    assert learned.states == {}
    for job_id, points in (("job 0", 0), ("job 1", 1), ("job 2", 1), ("cut", 0)):
        assert len(again.of(job_id)) == points, job_id
        assert again.of(job_id) == kept.of(job_id)


async def test_the_estimates_of_a_run_are_listed_and_those_of_the_run_before_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courses, "_FIRST_STEP_S", 0.0)
    async with serving(tmp_path) as client:
        for age in (600, 0):
            body = {"job_id": "a", "workflow": "w", "phases": ["render"], "age_seconds": age}
            await client.post("/progress/start", json=body)
            points = await moved(client)
            assert len(points) >= 2
            assert all(age <= point["elapsed_seconds"] < age + 60 for point in points)
            assert all(each["eta_low_seconds"] <= each["eta_seconds"] <= each["eta_high_seconds"] for each in points)
            await client.post("/progress/complete", json={"job_id": "a"})
        assert (await client.get("/progress/job/b/estimates")).status_code == 404
