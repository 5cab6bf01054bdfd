"""Each route allows exactly the expected scopes."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from phaseline_server.http.table import ROUTES
from tests.support.door_clients import read_until
from tests.support.permissions import (
    ABOUT_JOB,
    CONFINED,
    EVERYBODY,
    KNOWN,
    OTHERS,
    PROGRESS,
    READERS,
    REPORTERS,
    guarded,
    status_of,
)
from tests.support.servers import serving
from tests.support.tokens import CALLERS, shown

ADMINS = READERS & REPORTERS
# Each route: the request, and the callers with access. A route that is missing here fails the test.
EXPECTED: dict[tuple[str, str], tuple[str, Any, set[str]]] = {
    ("GET", "/"): ("/", None, EVERYBODY),
    ("GET", "/job/{job_id}"): ("/job/shot-1", None, EVERYBODY),
    ("GET", "/history"): ("/history", None, EVERYBODY),
    ("GET", "/boxes"): ("/boxes", None, EVERYBODY),
    ("GET", "/page/{name}"): ("/page/main.js", None, EVERYBODY),
    ("GET", "/openapi.json"): ("/openapi.json", None, EVERYBODY),
    ("GET", "/health"): ("/health", None, EVERYBODY),
    ("GET", "/progress/servers"): ("/progress/servers", None, EVERYBODY),
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
    # GET requests that change something.
    ("GET", "generate"): ("/dalle/none/0x1?generate=1", None, ADMINS),
    ("GET", "retry"): ("/dalle/none/0x1?retry=1", None, ADMINS),
    ("GET", "remove"): ("/dalle/none/0x1?remove=1", None, ADMINS),
}


@pytest.mark.slow
async def test_each_route_allows_exactly_the_expected_scopes(tmp_path: Path) -> None:
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
