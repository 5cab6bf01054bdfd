"""How the estimate of a job moved, in few points."""

import itertools
from pathlib import Path

import pytest
from httpx import AsyncClient

from phaseline_server.jobs import courses
from phaseline_server.jobs.courses import MOST_POINTS, Courses
from phaseline_server.jobs.listener import NOBODY
from tests.support.servers import serving


def test_a_long_run_keeps_few_points_from_its_start_to_its_end() -> None:
    course = courses._Course(0)
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


async def moved(client: AsyncClient) -> list[dict[str, float]]:
    for progress in (10, 20, 30):
        body = {"job_id": "a", "stage": "render", "progress": progress}
        (await client.post("/progress/report", json=body)).raise_for_status()
        await client.get("/progress/job/a")
    points: list[dict[str, float]] = (await client.get("/progress/job/a/estimates")).json()["estimates"]
    return points


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
