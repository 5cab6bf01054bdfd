"""A mirror serves the last data of its source, also while the source is down, and after its own restart."""

from pathlib import Path
from typing import Any

import pytest
import trio

from tests.server.runtime.test_following import differences, leader_and_follower
from tests.server.runtime.test_shared_log import folder, report_until_accepted
from tests.support.crashing import Crashing, crashing
from tests.support.mirrors import mirror_of, shows, some_jobs
from tests.support.ports import free_port
from tests.support.postgres import Postgres
from tests.support.resuming import by_websocket

PATHS = ["/progress/jobs", "/progress/active", "/progress/job/a", "/progress/job/b", "/progress/totals"]


async def test_a_mirror_answers_as_its_source_does(tmp_path: Path) -> None:
    async with crashing(folder(tmp_path, "source")) as source:
        await some_jobs(source)
        async with mirror_of(source.server.url, folder(tmp_path, "mirror")) as mirror:
            await shows(mirror, source)
            await source.report("report", "a", stage="two", progress=10)
            await source.report("complete", "a", success=False, result={"error": "no"})
            await source.post("/ws/broadcast", channel="notes", message={"type": "note", "text": "x"})
            await source.report("dismiss", "a")
            await source.report("start", "c")
            await shows(mirror, source)
            assert await mirror.events() == await source.events()
            for path in [*PATHS, "/progress/job/c", "/progress/hosts", "/metrics/phases"]:
                found = list(differences(await mirror.get(path), await source.get(path)))
                assert not found, (path, found)
            health = await mirror.get("/health")
            assert (health["role"], health["leader"], health["lagSeconds"]) == ("mirror", source.server.url, 0)
            assert (await mirror.client.get("/health", params={"check": "readiness"})).status_code == 200


@pytest.mark.slow
async def test_a_mirror_keeps_serving_while_its_source_is_down_and_resumes_without_a_gap(tmp_path: Path) -> None:
    address, data, copy = f"127.0.0.1:{free_port()}", folder(tmp_path, "source"), folder(tmp_path, "mirror")
    bind = ("--bind", address)
    async with crashing(data, *bind) as source:
        for number in range(3):
            await source.report("start", f"past-{number}", phases=["one", "two"])
            await source.report("report", f"past-{number}", stage="one")
            await source.report("report", f"past-{number}", stage="two")
            await source.report("complete", f"past-{number}")
        await some_jobs(source)
        async with mirror_of(address, copy) as mirror:
            await shows(mirror, source)
            before = await mirror.job("a")
            assert before["eta_seconds"] > 0
            seen = (await mirror.get("/ws/status"))["position"]
            await source.kill()
            away = await until_away(mirror)
            assert (away["name"], away["state"], away["percent"]) == ("first", "active", before["percent"])
            still = await mirror.job("a")
            assert still["elapsed_seconds"] == away["elapsed_seconds"]  # it is unknown whether it continues
            assert still["eta_seconds"] is still["finish_at"] is None
            async with crashing(data, *bind) as again:
                await again.report("report", "a", stage="two", progress=10)
                await shows(mirror, again)
                assert await mirror.events() == await again.events()
                url = mirror.server.url
                async with by_websocket(url, seen["epoch"], seen["seq"]) as resumed:
                    assert resumed.recovered is True
                assert (await mirror.job("a"))["state"] == "active"
                await again.kill()
        # The mirror is restarted without its source.
        async with mirror_of(address, copy) as mirror:
            health = await mirror.get("/health")
            assert health["role"] == "mirror"
            assert health["lagSeconds"] > 0
            job = await mirror.job("a")
            assert (job["name"], job["state"], job["current_stage"], job["eta_seconds"]) == (
                "first",
                "active",
                "two",
                None,
            )
            assert (await mirror.job("b"))["state"] == "completed"
            assert (await mirror.get("/ws/status"))["position"]["epoch"] == seen["epoch"]
            later = await mirror.get("/health")
            assert later["lagSeconds"] > health["lagSeconds"]


async def until_away(mirror: Crashing) -> dict[str, Any]:
    """Return job `a` once the mirror knows that its source is down."""
    while (await mirror.get("/health"))["lagSeconds"] < 5.5:
        await trio.lowlevel.checkpoint()
    return await mirror.job("a")


async def test_a_source_with_another_log_is_copied_again(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    bind = ("--bind", address)
    async with crashing(folder(tmp_path, "one"), *bind) as source:
        await some_jobs(source)
        async with mirror_of(address, folder(tmp_path, "mirror")) as mirror:
            await shows(mirror, source)
            old = (await mirror.get("/ws/status"))["position"]
            await source.kill()
            assert (await mirror.job("a"))["name"] == "first"
            async with crashing(folder(tmp_path, "other"), *bind) as other:
                await other.report("start", "z", name="another")
                await shows(mirror, other)
                assert (await mirror.job("z"))["name"] == "another"
                assert (await mirror.client.get("/progress/job/a")).status_code == 404
                answer = await mirror.get("/progress/events", since=f"{old['epoch']}/{old['seq']}")
                assert answer["recovered"] is False


async def test_a_mirror_that_lacks_more_than_its_source_stores_is_copied_again(tmp_path: Path) -> None:
    copy = folder(tmp_path, "mirror")
    async with crashing(folder(tmp_path, "source"), "--keep-events", "300") as source:
        await source.report("start", "a")
        async with mirror_of(source.server.url, copy) as mirror:
            await shows(mirror, source)
            old = (await mirror.get("/ws/status"))["position"]
            mirror.server.process.terminate()
            assert await mirror.server.process.wait() == 0
        for _ in range(4):
            reports = [{"type": "job_progress", "job_id": "a", "stage": "x", "progress": n % 100} for n in range(250)]
            await source.batch(*reports)
        assert (await source.get("/progress/events", since=f"{old['epoch']}/{old['seq']}"))["recovered"] is False
        async with mirror_of(source.server.url, copy) as mirror:
            await shows(mirror, source)
            assert (await mirror.job("a"))["current_stage"] == "x"
            answer = await mirror.get("/progress/events", since=f"{old['epoch']}/{old['seq']}")
            assert (answer["recovered"], answer["position"]["epoch"]) == (False, old["epoch"])
            await source.report("report", "a", stage="y")
            await shows(mirror, source)


@pytest.mark.slow
@pytest.mark.needs("postgres")
async def test_a_mirror_of_a_follower_shows_what_the_leader_stores_also_after_a_failover(
    postgres: Postgres, tmp_path: Path
) -> None:
    async with (
        leader_and_follower(postgres, tmp_path) as (leader, follower),
        mirror_of(follower.server.url, folder(tmp_path, "mirror")) as mirror,
    ):
        await report_until_accepted(leader, 1)
        await leader.report("start", "b", name="second")
        await shows(mirror, leader)
        assert await mirror.events() == await leader.events()
        await leader.kill()
        await report_until_accepted(follower, 2)  # it leads, and has closed the mirror's connection
        await shows(mirror, follower)
        assert await mirror.events() == await follower.events()
        assert (await mirror.get("/health"))["leader"] == follower.server.url
