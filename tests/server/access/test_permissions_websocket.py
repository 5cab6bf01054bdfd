"""Each scope with every message and channel of a WebSocket."""

from pathlib import Path
from typing import Any

import pytest
from trio_websocket import ConnectionClosed, WebSocketConnection

from tests.support.permissions import (
    ABOUT_JOB,
    CONFINED,
    EVERYBODY,
    OTHERS,
    PROGRESS,
    READERS,
    REPORTERS,
    guarded,
    receive,
    send,
    status_of,
    verdict,
    websocket,
)
from tests.support.tokens import CALLERS, shown


async def test_producers_of_different_tokens_are_independent(tmp_path: Path) -> None:
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


# The scope that each message needs; a message that is missing here fails the test.
MESSAGES: dict[str, tuple[dict[str, Any], set[str], str]] = {
    "register": ({"acks": True}, EVERYBODY, ""),
    "ping": ({}, EVERYBODY, ""),
    "subscribe": ({"channels": ["jobs"]}, READERS, "FORBIDDEN"),
    "unsubscribe": ({"channels": ["jobs"]}, EVERYBODY, ""),
    "auth": ({"token": "wrong"}, set(), "4501"),
    "follow": ({}, READERS - CONFINED, "FORBIDDEN"),
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


@pytest.mark.slow
async def test_each_message_is_allowed_for_exactly_the_expected_scopes(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (client, tokens):
        async with websocket(client, **shown(tokens, "admin")) as socket:
            unknown = await send(socket, "nonsense")
        assert set(unknown["error"].partition("allowed: ")[2].split(", ")) == set(MESSAGES)
        wrong = []
        for kind, (fields, allowed, refusal) in MESSAGES.items():
            for caller in CALLERS:
                async with websocket(client, **shown(tokens, caller)) as socket:
                    await send(socket, "register", acks=True)
                    outcome = verdict(await send(socket, kind, **fields))
                expected = "4501" if caller == "nobody" else refusal
                if caller in allowed:
                    # An event that the job's state does not allow has passed the permission check, too.
                    expected = outcome if outcome in {"fine", "ILLEGAL_EVENT"} else "fine"
                if outcome != expected:
                    wrong.append((kind, caller, outcome))
        assert wrong == []


@pytest.mark.parametrize("channel", ["jobs", "photos", "system", "job:shot-1", "job:other-1"])
@pytest.mark.parametrize("caller", sorted(READERS))
async def test_each_channel_is_readable_with_exactly_the_expected_scopes(
    tmp_path: Path, caller: str, channel: str
) -> None:
    prefix = caller.partition(":")[2]
    async with guarded(tmp_path) as (client, tokens), websocket(client, **shown(tokens, caller)) as socket:
        confirmed = await send(socket, "subscribe", channels=[channel])
        top = confirmed["position"]
        admin = shown(tokens, "admin")
        for job_id in ("shot-1", "other-1"):
            await client.post("/progress/report", json={**PROGRESS, "job_id": job_id}, headers=admin)
            await client.post("/progress/photo", json={"job_id": job_id, "photo_data": {}}, headers=admin)
        await client.post("/ws/broadcast", json={"message": {"type": "note"}}, headers=admin)
        live = await until_pong(socket)
        missed = await send(socket, "subscribe", channels=[channel], since=top)
        assert missed["recovered"] is True
        replayed = await until_pong(socket)
        state = await send(socket, "subscribe", channels=[channel], snapshot=True)
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
    """Return the types and jobs of all messages before the answer to a ping."""
    await socket.send_message('{"type": "ping"}')
    seen = []
    while (message := await receive(socket))["type"] != "pong":
        seen.append((message["type"], message.get("job_id")))
    return seen


async def test_the_first_message_may_carry_the_token_and_a_ticket_works_once(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (client, tokens):
        async with websocket(client) as socket:
            assert (await send(socket, "auth", token=tokens["read"]))["type"] == "auth_confirmed"
            assert (await send(socket, "subscribe"))["type"] == "subscription_confirmed"
        made = (await client.post("/ws/ticket", headers=shown(tokens, "read:shot-"))).json()
        async with websocket(client) as socket:
            assert (await send(socket, "auth", token=made["ticket"]))["type"] == "auth_confirmed"
            assert verdict(await send(socket, "job_started", job_id="shot-3")) == "FORBIDDEN"
        async with websocket(client) as socket:
            assert verdict(await send(socket, "auth", token=made["ticket"])) == "4501"
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
