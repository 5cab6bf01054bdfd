"""The machines that do the work: their active jobs and their load."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from trio_websocket import open_websocket_url

from phaseline.model.snapshot import Moment
from phaseline.wire import HostStatus
from phaseline_server.jobs.hosts import MOST_HOSTS, Loads
from tests.support.servers import serving
from tests.support.tokens import make_tokens, shown

LOAD: dict[str, Any] = {
    "host": "atlas",
    "load": 3.5,
    "processors": 8,
    "memory_used": 12 * 2**30,
    "memory_total": 32 * 2**30,
    "gpus": [{"name": "RTX 4090", "use": 91.0, "memory_used": 2**34, "memory_total": 24 * 2**30}],
}


async def start(client: httpx.AsyncClient, job_id: str, host: str, **headers: str) -> None:
    answer = await client.post("/progress/start", json={"job_id": job_id, "host": host}, headers=headers)
    assert answer.status_code == 200


async def hosts(client: httpx.AsyncClient, query: str = "", **headers: str) -> dict[str, dict[str, Any]]:
    answer = await client.get(f"/progress/hosts?{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return {each["host"]: each for each in answer.json()["hosts"]}


async def test_each_host_has_its_jobs_its_longest_silence_and_its_load(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for number in range(3):
            await start(client, f"shot-{number}", "atlas")
        await start(client, "other", "box2")
        await start(client, "nowhere", "")
        for report in ({"progress": 0}, {"progress": 50, "age_seconds": 0}):
            await client.post("/progress/report", json={"job_id": "shot-0", "stage": "render"} | report)
        await client.post("/progress/complete", json={"job_id": "shot-2"})
        assert (await client.post("/progress/host", json=LOAD)).json() == {"success": True, "host": "atlas"}
        found = await hosts(client)
        status = (await client.get("/progress/job/shot-0")).json()["job_status"]
    assert found.keys() == {"atlas", "box2"}
    atlas = found["atlas"]
    assert atlas["active"] == 2
    assert [job["job_id"] for job in atlas["jobs"]] == ["shot-1", "shot-0"], "the most silent one first"
    assert atlas["silent_seconds"] == atlas["jobs"][0]["silent_seconds"] >= atlas["jobs"][1]["silent_seconds"]
    assert atlas["jobs"][1]["percent"] == pytest.approx(status["percent"], abs=1)
    load = atlas["load"]
    assert 0 <= load.pop("age_seconds") < 60
    assert load | {"host": "atlas"} == LOAD
    assert found["box2"]["load"] is None, "unknown is not 0"


@pytest.mark.slow
async def test_hosts_are_listed_page_by_page(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        batch = [{"type": "job_started", "job_id": f"job-{n}", "host": f"box{n % 5}"} for n in range(1000)]
        await client.post("/progress/batch", json=batch)
        first = (await client.get("/progress/hosts?limit=2&jobs=0")).json()
        assert [each["host"] for each in first["hosts"]] == ["box0", "box1"]
        assert [each["active"] for each in first["hosts"]] == [200, 200]
        assert first["hosts"][0]["jobs"] == []
        rest = (await client.get(f"/progress/hosts?cursor={first['cursor']}")).json()
        assert [each["host"] for each in rest["hosts"]] == ["box2", "box3", "box4"]
        assert {len(each["jobs"]) for each in rest["hosts"]} == {100}
        assert rest["cursor"] is None
        cut = (await client.get("/progress/hosts")).json()
        assert [len(each["jobs"]) for each in cut["hosts"]] == [100, 100, 100], "a page has few estimates"
        rest = (await client.get(f"/progress/hosts?cursor={cut['cursor']}")).json()
        assert [each["host"] for each in rest["hosts"]] == ["box3", "box4"]
        for query in ("limit=0", "jobs=101", "cursor=" + "x" * 101):
            assert (await client.get(f"/progress/hosts?{query}")).status_code == 422


async def test_a_job_is_listed_at_its_present_host_while_it_is_active(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:

        async def places() -> dict[str, list[str]]:
            return {host: [job["job_id"] for job in each["jobs"]] for host, each in (await hosts(client)).items()}

        await start(client, "render", "atlas")
        await start(client, "export", "atlas")
        await client.post("/progress/complete", json={"job_id": "render"})
        assert await places() == {"atlas": ["export"]}
        await start(client, "render", "box2")
        assert await places() == {"atlas": ["export"], "box2": ["render"]}
        await client.post("/progress/complete", json={"job_id": "export", "success": False})
        await client.post("/progress/dismiss", json={"job_id": "export"})
        assert await places() == {"box2": ["render"]}
    async with serving(tmp_path) as client:
        assert (await hosts(client)).keys() == {"box2"}, "after a restart, too"


async def test_a_host_without_jobs_is_listed_while_its_load_is_recent(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await client.post("/progress/host", json={"host": "idle"})
        assert (await hosts(client))["idle"]["active"] == 0
    loads, now = Loads(), Moment(0, 0)
    loads.take(HostStatus(host="idle"), now)
    assert loads.recent(Moment(0, 599 * 10**9)) == ["idle"]
    assert loads.recent(Moment(0, 601 * 10**9)) == []


def test_a_thousand_hosts_are_kept_and_the_least_used_is_evicted_first() -> None:
    loads = Loads()
    for number in range(MOST_HOSTS):
        loads.take(HostStatus(host=f"box{number}", load=1.0), Moment(0, number))
    loads.take(HostStatus(host="box0"), Moment(0, MOST_HOSTS))
    loads.take(HostStatus(host="new"), Moment(0, MOST_HOSTS))
    assert loads.load("box1", Moment(0, MOST_HOSTS)) is None
    assert loads.load("box0", Moment(0, MOST_HOSTS)) is not None
    assert len(loads.recent(Moment(0, MOST_HOSTS))) == MOST_HOSTS


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"host": ""}, 422),
        ({"host": "a\nb"}, 422),
        ({"load": -1}, 422),
        ({"memory_used": -1}, 422),
        ({"processors": 0}, 422),
        ({"gpus": [{}] * 17}, 422),
        ({"gpus": [{"use": 101}]}, 422),
        ({"host": "😀" * 100, "gpus": [{"name": "😀" * 60, "memory_total": 2**62, "memory_used": 2**62}] * 16}, 413),
    ],
)
async def test_an_invalid_load_is_rejected(tmp_path: Path, change: dict[str, Any], status: int) -> None:
    async with serving(tmp_path) as client:
        assert (await client.post("/progress/host", json=LOAD | change)).status_code == status
        unknown = (await client.post("/progress/host", json=LOAD | {"temperature": 60})).json()
        assert unknown["ignored"] == ["temperature"]
        assert (await hosts(client)).keys() == {"atlas"}


async def test_a_load_is_only_published_to_subscribers_of_hosts(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        url = f"ws://127.0.0.1:{client.base_url.port}/ws"
        async with open_websocket_url(url) as old, open_websocket_url(url) as new:
            for socket, channels in ((old, ["jobs", "photos", "system"]), (new, ["hosts"])):
                await socket.get_message()
                await socket.send_message(json.dumps({"type": "subscribe", "channels": channels}))
                await socket.get_message()
            await old.send_message(json.dumps({"type": "host_status", **LOAD}))
            message = json.loads(await new.get_message())
            assert message.pop("timestamp").endswith("Z")
            assert message == {"type": "host_status", **LOAD}
            await old.send_message(json.dumps({"type": "host_status", **LOAD}))
            await old.send_message(json.dumps({"type": "host_status", "producer_seq": 0}))
            error = json.loads(await old.get_message())
            assert (error["type"], error["code"], error["producer_seq"]) == ("error", "INVALID_FIELD", 0)
            await old.send_message('{"type": "ping"}')
            assert json.loads(await old.get_message())["type"] == "pong", "nothing else came"
        assert (await client.get("/progress/events")).json()["messages"] == [], "it is no history"


async def test_a_prefix_shows_and_reports_the_hosts_of_its_own_jobs_only(tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path)
    async with serving(tmp_path) as client:
        admin, reads, reports = (shown(tokens, name) for name in ("admin", "read:shot-", "report:shot-"))
        await start(client, "shot-1", "atlas", **admin)
        await start(client, "other-1", "atlas", **admin)
        await start(client, "other-2", "box2", **admin)
        for host, status in (("atlas", 200), ("box2", 403), ("box3", 403)):
            answer = await client.post("/progress/host", json=LOAD | {"host": host}, headers=reports)
            assert answer.status_code == status
        assert (await client.post("/progress/host", json=LOAD | {"host": "box3"}, headers=admin)).status_code == 200
        own, every = await hosts(client, **reads), await hosts(client, **admin)
    assert every.keys() == {"atlas", "box2", "box3"}
    assert own.keys() == {"atlas"}
    assert [job["job_id"] for job in own["atlas"]["jobs"]] == ["shot-1"]
    assert own["atlas"]["load"] is not None
