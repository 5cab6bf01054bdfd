"""Every scope by every route, every message of a WebSocket, and every channel."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from phaseline_server.access import keeper
from phaseline_server.access.grant import Scope
from phaseline_server.access.tokens import TokenFile
from phaseline_server.http.table import ROUTES
from tests.support.door_clients import read_until
from tests.support.servers import serving
from tests.support.tokens import CALLERS, make_tokens, shown

EVERYBODY = set(CALLERS)
KNOWN = EVERYBODY - {"nobody"}
READERS = {caller for caller in KNOWN if not caller.startswith("report")}
REPORTERS = {caller for caller in KNOWN if not caller.startswith("read")}
ADMINS = READERS & REPORTERS
OTHERS = {caller for caller in KNOWN if caller.endswith(":other-")}
CONFINED = {caller for caller in KNOWN if ":" in caller}
ABOUT_JOB = {"job_id": "shot-1"}
PROGRESS = ABOUT_JOB | {"stage": "importing", "progress": 1}

# Each route: what is asked of it, and who is let in. One that is missing here fails the test.
EXPECTED: dict[tuple[str, str], tuple[str, Any, set[str]]] = {
    ("GET", "/"): ("/", None, EVERYBODY),
    ("GET", "/job/{job_id}"): ("/job/shot-1", None, EVERYBODY),
    ("GET", "/history"): ("/history", None, EVERYBODY),
    ("GET", "/boxes"): ("/boxes", None, EVERYBODY),
    ("GET", "/page/{name}"): ("/page/main.js", None, EVERYBODY),
    ("GET", "/openapi.json"): ("/openapi.json", None, EVERYBODY),
    ("GET", "/health"): ("/health", None, EVERYBODY),
    ("GET", "/metrics"): ("/metrics", None, READERS - CONFINED),
    ("GET", "/metrics/phases"): ("/metrics/phases", None, READERS - CONFINED),
    ("GET", "/metrics/eta"): ("/metrics/eta", None, READERS - CONFINED),
    ("GET", "/preview"): ("/preview", None, EVERYBODY),
    ("GET", "/preview/{picture}"): ("/preview/simple/0x1", None, EVERYBODY),
    ("GET", "/gallery"): ("/gallery", None, READERS - CONFINED),
    ("GET", "/series"): ("/series", None, READERS - CONFINED),
    ("GET", "/files/{path}"): ("/files/none", None, READERS - CONFINED),
    ("GET", "/dalle/{series}/{address}"): ("/dalle/simple/0x1", None, READERS),
    ("POST", "/dalle/{series}/{address}"): ("/dalle/simple/none", None, ADMINS),
    ("DELETE", "/dalle/{series}/{address}"): ("/dalle/simple/none", None, ADMINS),
    ("POST", "/progress/queue"): ("/progress/queue", ABOUT_JOB, REPORTERS - OTHERS),
    ("POST", "/progress/start"): ("/progress/start", ABOUT_JOB, REPORTERS - OTHERS),
    ("POST", "/progress/report"): ("/progress/report", PROGRESS, REPORTERS - OTHERS),
    ("POST", "/progress/stage"): ("/progress/stage", ABOUT_JOB | {"stage": "importing"}, REPORTERS - OTHERS),
    ("POST", "/progress/photo"): ("/progress/photo", ABOUT_JOB | {"photo_data": {}}, REPORTERS - OTHERS),
    ("POST", "/progress/error"): (
        "/progress/error",
        ABOUT_JOB | {"error_type": "x", "error_message": "x"},
        REPORTERS - OTHERS,
    ),
    ("POST", "/progress/complete"): ("/progress/complete", ABOUT_JOB, REPORTERS - OTHERS),
    ("POST", "/progress/dismiss"): ("/progress/dismiss", ABOUT_JOB, REPORTERS - OTHERS),
    ("POST", "/progress/batch"): ("/progress/batch", [], REPORTERS),
    ("GET", "/progress/job/{job_id}"): ("/progress/job/shot-1", None, READERS),
    ("GET", "/progress/job/{job_id}/output"): ("/progress/job/shot-1/output", None, READERS),
    ("POST", "/progress/job/{job_id}/output"): ("/progress/job/shot-1/output", "text", REPORTERS - OTHERS),
    ("GET", "/progress/job/{job_id}/estimates"): ("/progress/job/shot-1/estimates", None, READERS),
    # A token that reports all jobs is that of many workers, so it stops none of them.
    ("POST", "/progress/job/{job_id}/orders"): (
        "/progress/job/shot-1/orders",
        {"order": "cancel"},
        REPORTERS - OTHERS - {"report"},
    ),
    ("POST", "/progress/job/{job_id}/link"): ("/progress/job/shot-1/link", None, REPORTERS - OTHERS - {"report"}),
    ("GET", "/progress/job/{job_id}/link"): ("/progress/job/shot-1/link", None, REPORTERS - OTHERS - {"report"}),
    ("DELETE", "/progress/job/{job_id}/link"): ("/progress/job/shot-1/link", None, REPORTERS - OTHERS - {"report"}),
    ("GET", "/progress/active"): ("/progress/active", None, READERS),
    ("GET", "/progress/jobs"): ("/progress/jobs", None, READERS),
    ("GET", "/progress/totals"): ("/progress/totals", None, READERS),
    ("GET", "/progress/hosts"): ("/progress/hosts", None, READERS),
    ("GET", "/progress/boxes"): ("/progress/boxes", None, READERS - CONFINED),
    ("POST", "/progress/host"): ("/progress/host", {"host": "box"}, REPORTERS - CONFINED),
    ("GET", "/progress/events"): ("/progress/events", None, READERS),
    ("GET", "/events"): ("/events", None, READERS),
    ("GET", "/ws"): ("/ws", None, EVERYBODY),
    ("POST", "/ws/ticket"): ("/ws/ticket", None, KNOWN),
    ("POST", "/ws/handshake"): ("/ws/handshake", {}, KNOWN),
    ("POST", "/ws/send"): ("/ws/send", {"client_id": "none", "message": {"type": "ping"}}, KNOWN),
    ("POST", "/ws/disconnect"): ("/ws/disconnect", {"client_id": "none"}, KNOWN),
    ("GET", "/ws/poll"): ("/ws/poll?client_id=none", None, READERS),
    ("GET", "/ws/clients"): ("/ws/clients", None, ADMINS - CONFINED),
    ("GET", "/ws/status"): ("/ws/status", None, READERS - CONFINED),
    ("POST", "/ws/broadcast"): ("/ws/broadcast", {"message": {"type": "note"}}, ADMINS - CONFINED),
    # Questions that change something.
    ("GET", "generate"): ("/dalle/none/0x1?generate=1", None, ADMINS),
    ("GET", "retry"): ("/dalle/none/0x1?retry=1", None, ADMINS),
    ("GET", "remove"): ("/dalle/none/0x1?remove=1", None, ADMINS),
}


@asynccontextmanager
async def guarded(data_dir: Path, **settings: Any) -> AsyncIterator[tuple[httpx.AsyncClient, dict[str, str]]]:
    """Serve with tokens, after two jobs were reported."""
    tokens = make_tokens(data_dir)
    async with serving(data_dir, **settings) as client:
        for job_id in ("shot-1", "other-1"):
            body = {"job_id": job_id}
            answer = await client.post("/progress/start", json=body, headers=shown(tokens, "admin"))
            assert answer.status_code == 200
        yield client, tokens


async def status_of(client: httpx.AsyncClient, method: str, target: str, body: Any, headers: dict[str, str]) -> int:
    async with client.stream(method, target, json=body, headers=headers) as answer:
        return answer.status_code


async def test_every_scope_on_every_route(tmp_path: Path) -> None:
    routes = {(route.method, route.path) for route in ROUTES if route.method != "WEBSOCKET"}
    assert {key for key in EXPECTED if key[1].startswith("/")} == routes
    async with guarded(tmp_path) as (client, tokens):
        wrong = []
        for (method, path), (target, body, allowed) in EXPECTED.items():
            for caller in CALLERS:
                status = await status_of(client, method, target, body, shown(tokens, caller))
                expected = {401} if caller == "nobody" else {403}
                if (status not in {401, 403}) != (caller in allowed) or (caller not in allowed) != (status in expected):
                    wrong.append((method, path, caller, status))
        assert wrong == []


@pytest.mark.parametrize(
    "header", ["Bearer wrong", "Bearer", "Basic eDp5", "Bearer " + "x" * 5000, "bearer phl_x", "x"]
)
async def test_an_invalid_token_gets_401(tmp_path: Path, header: str) -> None:
    async with guarded(tmp_path) as (client, _):
        answer = await client.get("/progress/jobs", headers={"Authorization": header})
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_without_tokens_every_client_has_full_access(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        start = await client.post("/progress/start", json=ABOUT_JOB, headers={"Authorization": "Basic eDp5"})
        assert start.status_code == 200
        assert (await client.get("/ws/clients")).status_code == 200


@pytest.mark.parametrize("caller", sorted(READERS))
async def test_lists_and_snapshots_are_limited_to_the_prefix(tmp_path: Path, caller: str) -> None:
    expected = {job for job in ("shot-1", "other-1") if job.startswith(caller.partition(":")[2])}
    async with guarded(tmp_path) as (client, tokens):
        headers = shown(tokens, caller)
        jobs = (await client.get("/progress/jobs", headers=headers)).json()["jobs"]
        assert {job["job_id"] for job in jobs} == expected
        assert set((await client.get("/progress/active", headers=headers)).json()["active_jobs"]) == expected
        for job_id in ("shot-1", "other-1"):
            answer = await client.get(f"/progress/job/{job_id}", headers=headers)
            assert answer.status_code == (200 if job_id in expected else 404)
        assert {job["job_id"] for job in (await first_event(client, headers))["jobs"]} == expected
        page = (await client.get("/", headers=headers)).text
        assert {job for job in ("shot-1", "other-1") if job in page} == expected


async def first_event(client: httpx.AsyncClient, headers: dict[str, str]) -> dict[str, Any]:
    """Return what the first of the Server-Sent Events carries."""
    port = client.base_url.port
    assert port is not None
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(f"GET /events HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
        received = await read_until(stream, b"\n\n\r\n")
    event: dict[str, Any] = json.loads(received.partition(b"data: ")[2].partition(b"\n")[0])
    return event


async def test_the_page_without_a_token_shows_no_job(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (client, _):
        assert "shot-1" not in (await client.get("/")).text


@pytest.mark.parametrize("job_id", ["dalle:simple:0x1", "mine"])
async def test_only_an_admin_may_report_a_picture_run(tmp_path: Path, job_id: str) -> None:
    body = {"job_id": job_id, "workflow": "dalle"}
    async with guarded(tmp_path) as (client, tokens):
        refused = await client.post("/progress/start", json=body, headers=shown(tokens, "report"))
        assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
        allowed = await client.post("/progress/start", json=body, headers=shown(tokens, "admin"))
        assert allowed.status_code == 200


async def test_each_report_of_a_batch_is_checked(tmp_path: Path) -> None:
    batch = [{"type": "job_progress", **PROGRESS}, {"type": "job_progress", **PROGRESS, "job_id": "other-1"}]
    async with guarded(tmp_path) as (client, tokens):
        answer = (await client.post("/progress/batch", json=batch, headers=shown(tokens, "report:shot-"))).json()
        assert [result.get("code") for result in answer["results"]] == [None, "FORBIDDEN"]


# ------------------------------------------------------------------------------------------- WebSockets


async def test_one_tokens_reports_can_not_swallow_those_of_another(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (client, tokens):
        evil, good = shown(tokens, "report:other-"), shown(tokens, "report:shot-")
        report = {"job_id": "other-9", "producer": "worker7", "producer_seq": 2**63 - 1}
        assert (await client.post("/progress/start", json=report, headers=evil)).status_code == 200
        report = {"job_id": "shot-9", "producer": "worker7", "producer_seq": 1}
        assert (await client.post("/progress/start", json=report, headers=good)).status_code == 200
        batch = [report | {"type": "job_progress", "stage": "importing", "producer_seq": 2}]
        assert (await client.post("/progress/batch", json=batch, headers=good)).json()["success"]
        reused = await client.post("/progress/start", json=report | {"job_id": "shot-8"}, headers=good)
        assert (reused.status_code, reused.json()["code"]) == (409, "NUMBER_REUSED")
        job = (await client.get("/progress/job/shot-9", headers=shown(tokens, "admin"))).json()["job_status"]
        assert job["current_stage"] == "importing"


@asynccontextmanager
async def websocket(client: httpx.AsyncClient, path: str = "/ws", **headers: str) -> AsyncIterator[WebSocketConnection]:
    url = str(client.base_url).replace("http", "ws", 1) + path
    extra = [(name.encode(), value.encode()) for name, value in headers.items()]
    with trio.fail_after(30):
        async with open_websocket_url(url, extra_headers=extra) as socket:
            assert (await receive(socket))["type"] == "connection_established"
            try:
                yield socket
            finally:
                # trio-websocket leaves it open when the server has closed first.
                await trio.aclose_forcefully(socket._stream)


async def receive(socket: WebSocketConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await socket.get_message())
    return message


async def say(socket: WebSocketConnection, kind: str, **fields: Any) -> dict[str, Any]:
    """Send a message, and return what comes next: an answer, or how the connection was closed."""
    try:
        await socket.send_message(json.dumps({"type": kind, **fields}))
        if kind == "host_status":  # it is not answered
            await socket.send_message(json.dumps({"type": "ping"}))
        return await receive(socket)
    except ConnectionClosed as closed:
        return {"type": "closed", "code": closed.reason.code if closed.reason else 1006}


def verdict(answer: dict[str, Any]) -> str:
    return str(answer["code"]) if answer["type"] in {"error", "closed"} else "fine"


# What each message needs; what is missing here fails the test.
MESSAGES: dict[str, tuple[dict[str, Any], set[str], str]] = {
    "register": ({"acks": True}, EVERYBODY, ""),
    "ping": ({}, EVERYBODY, ""),
    "subscribe": ({"channels": ["jobs"]}, READERS, "FORBIDDEN"),
    "unsubscribe": ({"channels": ["jobs"]}, EVERYBODY, ""),
    "auth": ({"token": "wrong"}, set(), "4501"),
    "host_status": ({"host": "box"}, REPORTERS - CONFINED, "FORBIDDEN"),
    "job_queued": ({"job_id": "shot-3"}, REPORTERS - OTHERS, "FORBIDDEN"),
    "job_started": ({"job_id": "shot-2"}, REPORTERS - OTHERS, "FORBIDDEN"),
    "job_progress": ({**PROGRESS}, REPORTERS - OTHERS, "FORBIDDEN"),
    "stage_completed": ({**ABOUT_JOB, "stage": "importing"}, REPORTERS - OTHERS, "FORBIDDEN"),
    "photo_info": ({**ABOUT_JOB, "photo_data": {}}, REPORTERS - OTHERS, "FORBIDDEN"),
    "error_occurred": ({**ABOUT_JOB, "error_type": "x", "error_message": "y"}, REPORTERS - OTHERS, "FORBIDDEN"),
    "processing_metrics": ({**ABOUT_JOB}, REPORTERS - OTHERS, "FORBIDDEN"),
    "job_completed": ({**ABOUT_JOB}, REPORTERS - OTHERS, "FORBIDDEN"),
    "job_failed": ({**ABOUT_JOB}, REPORTERS - OTHERS, "FORBIDDEN"),
    "order_taken": ({**ABOUT_JOB, "order_id": "x", "order": "cancel"}, REPORTERS - OTHERS, "FORBIDDEN"),
    "order_refused": ({**ABOUT_JOB, "order_id": "x", "order": "cancel"}, REPORTERS - OTHERS, "FORBIDDEN"),
    "job_cancelled": ({**ABOUT_JOB}, REPORTERS - OTHERS, "FORBIDDEN"),
}


async def test_every_scope_with_every_message(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (client, tokens):
        async with websocket(client, **shown(tokens, "admin")) as socket:
            unknown = await say(socket, "nonsense")
        assert set(unknown["error"].partition("allowed: ")[2].split(", ")) == set(MESSAGES)
        wrong = []
        for kind, (fields, allowed, refusal) in MESSAGES.items():
            for caller in CALLERS:
                async with websocket(client, **shown(tokens, caller)) as socket:
                    await say(socket, "register", acks=True)
                    said = verdict(await say(socket, kind, **fields))
                expected = "4501" if caller == "nobody" else refusal
                if caller in allowed:
                    # An event that the job's state does not take was let in all the same.
                    expected = said if said in {"fine", "ILLEGAL_EVENT"} else "fine"
                if said != expected:
                    wrong.append((kind, caller, said))
        assert wrong == []


@pytest.mark.parametrize("channel", ["jobs", "photos", "system", "job:shot-1", "job:other-1"])
@pytest.mark.parametrize("caller", sorted(READERS))
async def test_every_scope_on_every_channel(tmp_path: Path, caller: str, channel: str) -> None:
    prefix = caller.partition(":")[2]
    async with guarded(tmp_path) as (client, tokens), websocket(client, **shown(tokens, caller)) as socket:
        confirmed = await say(socket, "subscribe", channels=[channel])
        top = confirmed["position"]
        admin = shown(tokens, "admin")
        for job_id in ("shot-1", "other-1"):
            await client.post("/progress/report", json={**PROGRESS, "job_id": job_id}, headers=admin)
            await client.post("/progress/photo", json={"job_id": job_id, "photo_data": {}}, headers=admin)
        await client.post("/ws/broadcast", json={"message": {"type": "note"}}, headers=admin)
        live = await until_pong(socket)
        missed = await say(socket, "subscribe", channels=[channel], since=top)
        assert missed["recovered"] is True
        replayed = await until_pong(socket)
        state = await say(socket, "subscribe", channels=[channel], snapshot=True)
        state = state if state["type"] == "snapshot" else await receive(socket)
    ours = [job for job in ("shot-1", "other-1") if job.startswith(prefix)]
    expected = {
        "jobs": [("job_progress", job) for job in ours],
        "photos": [("photo_info", job) for job in ours],
        "system": [] if prefix else [("note", None)],
        "job:shot-1": [("job_progress", "shot-1"), ("photo_info", "shot-1")] if "shot-1" in ours else [],
        "job:other-1": [("job_progress", "other-1"), ("photo_info", "other-1")] if "other-1" in ours else [],
    }
    assert live == expected[channel]
    assert replayed == expected[channel]
    assert [job["job_id"] for job in state["jobs"]] == ours


async def until_pong(socket: WebSocketConnection) -> list[tuple[str, str | None]]:
    """Return the types and jobs of all that came before the answer to a ping."""
    await socket.send_message('{"type": "ping"}')
    seen = []
    while (message := await receive(socket))["type"] != "pong":
        seen.append((message["type"], message.get("job_id")))
    return seen


async def test_the_first_message_may_carry_the_token_and_a_ticket_works_once(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (client, tokens):
        async with websocket(client) as socket:
            assert (await say(socket, "auth", token=tokens["read"]))["type"] == "auth_confirmed"
            assert (await say(socket, "subscribe"))["type"] == "subscription_confirmed"
        made = (await client.post("/ws/ticket", headers=shown(tokens, "read:shot-"))).json()
        async with websocket(client) as socket:
            assert (await say(socket, "auth", token=made["ticket"]))["type"] == "auth_confirmed"
            assert verdict(await say(socket, "job_started", job_id="shot-3")) == "FORBIDDEN"
        async with websocket(client) as socket:
            assert verdict(await say(socket, "auth", token=made["ticket"])) == "4501"
        made = (await client.post("/ws/ticket", headers=shown(tokens, "read"))).json()
        assert await status_of(client, "GET", f"/events?ticket={made['ticket']}", None, {}) == 200
        assert await status_of(client, "GET", f"/events?ticket={made['ticket']}", None, {}) == 401
        made = (await client.post("/ws/ticket", headers=shown(tokens, "read"))).json()
        assert await status_of(client, "GET", f"/progress/jobs?ticket={made['ticket']}", None, {}) == 401


async def test_a_websocket_without_a_token_times_out_and_is_counted(tmp_path: Path) -> None:
    async with guarded(tmp_path, auth_timeout=0.2) as (client, tokens):
        async with websocket(client) as socket:
            with pytest.raises(ConnectionClosed) as closed:
                await receive(socket)
            assert closed.value.reason is not None
            assert closed.value.reason.code == 4501
        figures = await client.get("/metrics", headers=shown(tokens, "admin"))
        assert 'phaseline_refused_total{code="UNAUTHORIZED"} 1.0' in figures.text


async def test_a_running_server_applies_created_and_revoked_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_ROUND_S", 0.05)
    async with serving(tmp_path) as client:
        file = TokenFile(tmp_path)
        async with websocket(client) as before:
            await say(before, "subscribe")
            text, token = file.create(Scope.READ)
            assert (await client.get("/progress/jobs")).status_code == 401
            with pytest.raises(ConnectionClosed):  # who came while the server was open
                await receive(before)
        headers = {"Authorization": f"Bearer {text}"}
        assert (await client.get("/progress/jobs", headers=headers)).status_code == 200
        async with websocket(client, **headers) as socket:
            await say(socket, "subscribe")
            file.revoke(token.id)
            assert (await client.get("/progress/jobs", headers=headers)).status_code == 401
            with pytest.raises(ConnectionClosed) as closed:
                await receive(socket)
            assert closed.value.reason is not None
            assert closed.value.reason.code == 4501
        (tmp_path / "tokens.json").unlink()
        assert (await client.get("/progress/jobs")).status_code == 401


async def test_an_expired_token_is_rejected(tmp_path: Path) -> None:
    text, _ = TokenFile(tmp_path).create(Scope.READ, ttl_s=-1)
    async with serving(tmp_path) as client:
        answer = await client.get("/progress/jobs", headers={"Authorization": f"Bearer {text}"})
        assert (answer.status_code, "expired" in answer.json()["error"]) == (401, True)


async def test_reports_are_rate_limited_per_token(tmp_path: Path, mock_clock: MockClock) -> None:
    # On a clock that stands still, so that no machine is so slow that a token has one more report meanwhile.
    async with guarded(tmp_path, max_reports=3) as (client, tokens):

        async def report() -> httpx.Response:
            return await client.post("/progress/report", json=PROGRESS, headers=shown(tokens, "report"))

        for _ in range(2):
            answers = [await report() for _ in range(5)]
            assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
            assert (answers[-1].json()["code"], answers[-1].headers["Retry-After"]) == ("RATE_LIMITED", "1")
            mock_clock.jump(1)
        async with websocket(client, **shown(tokens, "report:shot-")) as socket:
            await say(socket, "register", acks=True)
            said = [verdict(await say(socket, "job_progress", **PROGRESS)) for _ in range(4)]
        assert said == ["fine"] * 3 + ["4429"]
