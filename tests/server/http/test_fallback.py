"""The stream for clients without WebSockets: `ack` prevents loss, and messages are handled as over `/ws`."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from phaseline.errors import TooMany
from phaseline.stream import Position
from phaseline_server.access.grant import OPEN
from phaseline_server.http.clients import Clients
from tests.support.servers import client_of, server_process, serving
from tests.support.tokens import make_tokens, shown


async def shake(client: httpx.AsyncClient, **more: Any) -> str:
    answer = await client.post("/ws/handshake", json={"client_type": "lightroom", "protocol_version": "1.0", **more})
    answer.raise_for_status()
    return str(answer.json()["client_id"])


async def poll(client: httpx.AsyncClient, client_id: str, **query: str) -> dict[str, Any]:
    answer = await client.get("/ws/poll", params={"client_id": client_id, **query})
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


async def report(client: httpx.AsyncClient, kind: str, **body: Any) -> None:
    (await client.post(f"/progress/{kind}", json=body)).raise_for_status()


def kinds(answer: dict[str, Any]) -> list[str]:
    return [message["type"] for message in answer["messages"]]


async def test_a_poll_returns_all_messages_since_the_last_one(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await report(client, "start", job_id="before")
        one = await shake(client)
        await report(client, "start", job_id="a")
        await report(client, "report", job_id="a", stage="importing", progress=5)
        assert kinds(await poll(client, one)) == ["job_started", "job_progress"]
        assert kinds(await poll(client, one)) == []


async def test_a_lost_answer_loses_nothing_when_ack_is_used(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        one = await shake(client)
        start = (await poll(client, one))["ack"]
        await report(client, "start", job_id="a")
        first = await poll(client, one, ack=str(start))
        again = await poll(client, one, ack=str(start))
        assert first["messages"] == again["messages"]
        await report(client, "report", job_id="a", stage="importing")
        assert kinds(await poll(client, one, ack=str(first["ack"]))) == ["job_progress"]


async def test_a_long_poll_ends_with_the_first_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phaseline_server.http.routes.fallback.LONGEST_WAIT_S", 3600.0)  # longer than a client waits
    async with serving(tmp_path) as client:
        one = await shake(client)
        answers: list[dict[str, Any]] = []

        async def wait() -> None:
            answers.append(await poll(client, one, wait="3600"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            while (await client.get("/health")).json()["subscribers"] == 0:
                await trio.lowlevel.checkpoint()
            await report(client, "start", job_id="a")
        assert kinds(answers[0]) == ["job_started"]


async def test_a_long_poll_ends_with_the_server(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server, client_of(server.url) as client:
        one = await shake(client)
        answers: list[dict[str, Any]] = []

        async def wait() -> None:
            answers.append(await poll(client, one, wait="25"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            while (await client.get("/health")).json()["subscribers"] == 0:
                await trio.lowlevel.checkpoint()
            server.process.terminate()
        assert answers[0]["success"] is True
        assert await server.process.wait() == 0


async def test_a_poll_only_returns_messages_of_its_channels(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        photos, one_job = await shake(client, channels=["photos"]), await shake(client, channels=["job:b"])
        for job_id in ("a", "b"):
            await report(client, "start", job_id=job_id)
            await report(client, "photo", job_id=job_id, photo_data={"iso": 100})
        assert kinds(await poll(client, photos)) == ["photo_info", "photo_info"]
        received = await poll(client, one_job)
        assert [(m["type"], m["job_id"]) for m in received["messages"]] == [("job_started", "b"), ("photo_info", "b")]


async def test_a_position_that_is_too_old_is_answered_by_the_state_of_all_jobs(tmp_path: Path) -> None:
    async with serving(tmp_path, history=2, keep_events=2) as client:
        one = await shake(client)
        await report(client, "start", job_id="a")
        for percent in range(5):
            await report(client, "report", job_id="a", stage="importing", progress=percent)
        answer = await poll(client, one)
        assert answer["recovered"] is False
        assert answer["messages"] == []
        assert [job["job_id"] for job in answer["jobs"]] == ["a"]
        await report(client, "complete", job_id="a")
        assert kinds(await poll(client, one, ack=str(answer["ack"]))) == ["job_completed"]


async def test_a_message_sent_by_http_has_the_same_effect_as_over_a_websocket(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        one = await shake(client)

        async def send(**message: Any) -> httpx.Response:
            return await client.post("/ws/send", json={"client_id": one, "message": message})

        started = await send(type="job_started", job_id="a", photo_id=4, producer="p", producer_seq=1)
        ack = {"type": "ack", "seq": 1, "producer_seq": 1}
        assert started.json() == {"success": True, "response": ack, "timestamp": started.json()["timestamp"], **ack}
        assert started.json()["timestamp"].endswith("Z")
        assert (await send(type="job_started", job_id="a", producer="p", producer_seq=1)).json()["seq"] == 1
        refused = await send(type="job_progress", job_id="a", stage="importing", progress=101)
        assert refused.status_code == 422
        assert refused.json()["error"] == "progress is 101; allowed: a number from 0 to 100"
        assert (await send(type="job_progress", job_id="b", stage="importing")).status_code == 404
        assert (await send(type="ping")).json()["type"] == "pong"
        assert (await send(type="unsubscribe", channels=["jobs"])).json()["channels"] == ["photos", "system"]
        assert (await send(type="subscribe", channels=["job:a"])).json()["channels"] == ["job:a", "photos", "system"]
        assert (await send(type="nonsense")).json()["code"] == "UNKNOWN_TYPE"


async def test_the_error_for_an_unknown_client_names_the_handshake(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        one = await shake(client)
        assert (await client.post("/ws/disconnect", json={"client_id": one})).json() == {"success": True}
        for answer in (
            await client.get("/ws/poll", params={"client_id": one}),
            await client.post("/ws/send", json={"client_id": one, "message": {"type": "ping"}}),
            await client.post("/ws/disconnect", json={"client_id": one}),
        ):
            assert answer.status_code == 404
            assert answer.json()["code"] == "UNKNOWN_CLIENT"
            assert "POST /ws/handshake" in answer.json()["error"]


async def test_errors_for_bad_queries_name_the_allowed_values(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        one = await shake(client)
        for query in ({"ack": "-1"}, {"ack": "x"}, {"wait": "soon"}, {"wait": "-1"}, {"wait": "nan"}):
            answer = await client.get("/ws/poll", params={"client_id": one, **query})
            assert answer.status_code == 422, query
            assert next(iter(query)) in answer.json()["error"]


async def test_a_broadcast_reaches_its_channel_alone_and_a_report_in_it_is_a_report(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        system, jobs = await shake(client, channels=["system"]), await shake(client, channels=["jobs"])
        text = {"message": {"type": "notice", "text": "hello"}, "channel": "system"}
        assert (await client.post("/ws/broadcast", json=text)).json()["success"] is True
        [notice] = (await poll(client, system))["messages"]
        assert (notice["type"], notice["text"], notice["seq"]) == ("notice", "hello", 1)
        assert (await poll(client, jobs))["messages"] == []
        await client.post("/ws/broadcast", json={"message": {"type": "job_started", "job_id": "a"}, "channel": "jobs"})
        assert (await client.get("/progress/job/a")).status_code == 200
        assert kinds(await poll(client, jobs)) == ["job_started"]
        bad = await client.post("/ws/broadcast", json={"message": {"type": "a\nb"}, "channel": "jobs"})
        assert bad.status_code == 422


async def test_status_and_clients_list_the_connected_clients(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        one = await shake(client, channels=["jobs"])
        status = (await client.get("/ws/status")).json()
        assert status["connected_clients"] == 1
        assert status["channels"] == {"jobs": 1}
        [known] = (await client.get("/ws/clients")).json()["clients"]
        assert (known["client_id"], known["client_type"], known["transport"]) == (one, "lightroom", "polling")


async def test_the_number_of_polling_clients_is_limited(tmp_path: Path) -> None:
    async with serving(tmp_path, max_connections=1) as client:
        first = await shake(client)
        refused = await client.post("/ws/handshake", json={"client_type": "test"})
        assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (429, "TOO_MANY", "1")
        await client.post("/ws/disconnect", json={"client_id": first})
        await shake(client)


async def test_polling_has_the_same_limits_as_a_websocket(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for channels in ([f"c{n}" for n in range(1001)], ["x" * 211], [""], ["a\nb"]):
            refused = await client.post("/ws/handshake", json={"channels": channels})
            assert (refused.status_code, refused.json()["code"]) == (422, "INVALID_FIELD")
        one = await shake(client, channels=[f"c{n}" for n in range(600)])
        more = {"type": "subscribe", "channels": [f"d{n}" for n in range(500)]}
        refused = await client.post("/ws/send", json={"client_id": one, "message": more})
        assert refused.json()["error"] == "channels is '1100 in total'; allowed: 1000 subscribed at a time"
        [known] = (await client.get("/ws/clients")).json()["clients"]  # the refused handshakes opened no session
        assert len(known["channels"]) == 600


def test_the_names_of_all_channels_are_bounded_and_a_short_list_always_fits() -> None:
    trio.run(_fill_with_names)


async def _fill_with_names() -> None:
    clients, top = Clients(name_bytes=100_000), Position("e", 0)
    wide = frozenset(f"{n:0200}" for n in range(200))
    first, second = (clients.open_session(top, OPEN, "") for _ in range(2))
    clients.subscribe(first, wide)
    with pytest.raises(TooMany, match="allowed: at most 100000"):
        clients.subscribe(second, wide)
    clients.subscribe(second, frozenset({"jobs"}))
    clients.remove(first)
    clients.subscribe(second, wide)


async def test_a_polling_session_belongs_to_its_token(tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path)
    async with serving(tmp_path) as client:
        opened = await client.post("/ws/handshake", json={}, headers=shown(tokens, "read"))
        one = opened.json()["client_id"]
        for caller, status in (("admin", 404), ("read:shot-", 404), ("read", 200)):
            polled = await client.get("/ws/poll", params={"client_id": one}, headers=shown(tokens, caller))
            assert polled.status_code == status


@pytest.mark.slow
async def test_a_token_gets_a_limited_share_of_sessions_and_an_admin_always_gets_one(tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path)
    async with serving(tmp_path, max_connections=20) as client:

        async def opened(caller: str) -> int:
            answers = [await client.post("/ws/handshake", json={}, headers=shown(tokens, caller)) for _ in range(20)]
            return sum(answer.status_code == 200 for answer in answers)

        callers = ("report", "report:shot-", "admin:shot-", "read", "read:shot-", "admin")
        assert [await opened(caller) for caller in callers] == [5, 5, 5, 3, 0, 2]
