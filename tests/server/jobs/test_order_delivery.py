"""Orders: on disk first, delivered to a connected worker once, and over each later connection until it answers."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio_websocket import WebSocketConnection, open_websocket_url

from phaseline.model.events import JobQueued, JobStarted, OrderGiven, OrderTaken
from phaseline.model.states import State
from phaseline_server.jobs.watchdog import Patience, Watchdog
from phaseline_server.learning.habits import Habits
from tests.support.reporting import ws_url
from tests.support.servers import ServerProcess, client_of, server_process, serving
from tests.support.tracking import HandClock, MakeTracker, open_tracker

START = {"type": "job_started", "job_id": "a", "orders": ["cancel", "pause"]}


@asynccontextmanager
async def worker(server: ServerProcess, *messages: dict[str, Any]) -> AsyncIterator[WebSocketConnection]:
    """Connect as the worker `w`, and send messages."""
    async with open_websocket_url(ws_url(server.url)) as websocket:
        for message in ({"type": "register", "producer": "w", "acks": True}, *messages):
            await websocket.send_message(json.dumps(message))
        yield websocket


async def received(websocket: WebSocketConnection, kind: str) -> dict[str, Any]:
    """Return the next message of this type."""
    with trio.fail_after(30):
        while True:
            message: dict[str, Any] = json.loads(await websocket.get_message())
            if message["type"] == kind:
                return message


async def given(client: httpx.AsyncClient, order: str, reason: str = "", job_id: str = "a") -> dict[str, Any]:
    answer = await client.post(f"/progress/job/{job_id}/orders", json={"order": order, "reason": reason})
    assert answer.status_code == 200, answer.text
    read: dict[str, Any] = answer.json()
    return read


async def status_of(client: httpx.AsyncClient, job_id: str = "a") -> dict[str, Any]:
    status: dict[str, Any] = (await client.get(f"/progress/job/{job_id}")).json()["job_status"]
    return status


@pytest.mark.slow
async def test_a_connected_worker_receives_an_order_once_and_its_answer_is_an_event(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server, client_of(server.url) as client, worker(server, START) as websocket:
        await received(websocket, "ack")
        answer = await given(client, "cancel", "wrong file")
        order = await received(websocket, "order")
        assert {key: order[key] for key in ("job_id", "order_id", "order", "reason")} == {
            "job_id": "a",
            "order_id": answer["order_id"],
            "order": "cancel",
            "reason": "wrong file",
        }
        [pending] = (await status_of(client))["pending_orders"]
        assert (pending["order_id"], (await status_of(client))["orders"]) == (
            answer["order_id"],
            ["cancel", "pause", "resume"],
        )
        taken = {"type": "order_taken", "job_id": "a", "order_id": order["order_id"], "order": "cancel"}
        for message in (taken, {"type": "job_cancelled", "job_id": "a", "reason": "wrong file"}, {"type": "ping"}):
            await websocket.send_message(json.dumps(message))
        with trio.fail_after(30):
            kinds = []
            while "pong" not in kinds:
                kinds.append(json.loads(await websocket.get_message())["type"])
        assert "order" not in kinds
        events = (await client.get("/progress/events")).json()["messages"]
        assert [event["type"] for event in events] == ["job_started", "order_given", "order_taken", "job_failed"]
        assert [event.get("order_id") for event in events[1:3]] == [order["order_id"]] * 2
        assert events[3]["result"] == {"error": "wrong file"}


async def test_an_unanswered_order_survives_the_server_and_reaches_the_worker_again(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server, client_of(server.url) as client:
        async with worker(server, START) as websocket:
            await received(websocket, "ack")
        order_id = (await given(client, "pause"))["order_id"]  # its worker is disconnected for a moment
        async with worker(server) as websocket:
            assert (await received(websocket, "order"))["order_id"] == order_id
        server.process.kill()
        await server.process.wait()
    async with server_process(tmp_path) as server, worker(server) as websocket, client_of(server.url) as client:
        assert (await received(websocket, "order"))["order_id"] == order_id
        taken = {"type": "order_taken", "job_id": "a", "order_id": order_id, "order": "pause"}
        await websocket.send_message(json.dumps(taken))
        await received(websocket, "ack")
        status = await status_of(client)
        assert (status["paused"], status["pending_orders"], status["eta_seconds"]) == (True, [], None)
        async with worker(server, {"type": "ping"}) as again:
            await received(again, "pong")  # and no order before it


async def test_a_worker_without_a_connection_receives_orders_in_answers_to_its_reports(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        assert "orders" not in (await client.post("/progress/start", json=START)).json()
        order_id = (await given(client, "cancel"))["order_id"]
        report = {"job_id": "a", "stage": "work", "progress": 5}
        for _ in range(2):  # until it answers
            [order] = (await client.post("/progress/report", json=report)).json()["orders"]
            assert (order["order_id"], order["order"]) == (order_id, "cancel")
        batch = [{"type": "job_progress", **report}, {"type": "job_progress", **report}]
        results = (await client.post("/progress/batch", json=batch)).json()["results"]
        assert ["orders" in result for result in results] == [False, True]
        session = (await client.post("/ws/handshake", json={})).json()["client_id"]
        body = {"client_id": session, "message": {"type": "job_progress", **report}}
        assert (await client.post("/ws/send", json=body)).json()["response"]["orders"][0]["order_id"] == order_id
        refusal = {"type": "order_refused", "job_id": "a", "order_id": order_id, "order": "cancel", "reason": "saving"}
        [result] = (await client.post("/progress/batch", json=[refusal])).json()["results"]
        assert (result["success"], "orders" in result) == (True, False)


@pytest.mark.parametrize(
    ("messages", "status", "code"),
    [
        ([], 404, "UNKNOWN_JOB"),
        ([{"type": "job_started", "job_id": "a"}], 409, "TAKES_NO_ORDERS"),
        ([START, {"type": "job_completed", "job_id": "a"}], 409, "ILLEGAL_EVENT"),
    ],
)
async def test_an_order_for_a_job_without_a_worker_is_rejected(
    tmp_path: Path, messages: list[dict[str, Any]], status: int, code: str
) -> None:
    async with serving(tmp_path) as client:
        await client.post("/progress/batch", json=messages)
        answer = await client.post("/progress/job/a/orders", json={"order": "cancel"})
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_clients_give_orders_by_their_route_only(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await client.post("/progress/start", json=START)
        order = {"type": "order_given", "job_id": "a", "order_id": "x", "order": "cancel"}
        answer = await client.post("/progress/batch", json=[order])
        assert (answer.status_code, answer.json()["code"]) == (422, "UNKNOWN_TYPE")


async def test_a_queued_job_is_neither_stalled_nor_dropped_and_survives_a_restart(tmp_path: Path) -> None:
    clock = HandClock()
    async with open_tracker(tmp_path, clock, max_jobs=2) as tracker:
        patience = Patience(retention_s=60, stall_after_s=30, lease_s=300, gone_after_s=15, lost_after_s=60)
        watchdog = Watchdog(tracker, Habits(), patience)
        await tracker.report(JobQueued(job_id="q", queue="gpu", position=1, orders=("cancel",)))
        await tracker.report(JobStarted(job_id="p", orders=("pause",)))
        for _ in range(200):
            clock.advance(2)
            await watchdog.look()
        assert (await tracker.find("q")).state is State.QUEUED
        await tracker.report(OrderGiven(job_id="q", order_id="o", order="cancel"))
    async with serving(tmp_path) as client:
        status = await status_of(client, "q")
        assert (status["state"], status["queue"], status["position"]) == ("queued", "gpu", 1)
        assert [order["order_id"] for order in status["pending_orders"]] == ["o"]
        jobs = (await client.get("/progress/jobs?state=queued")).json()["jobs"]
        assert [job["job_id"] for job in jobs] == ["q"]
        assert (await client.get("/progress/active")).json()["active_jobs"] == {}
        assert 'phaseline_jobs{state="queued"} 1' in (await client.get("/metrics")).text
        await client.post("/progress/start", json={"job_id": "q"})
        assert (await status_of(client, "q"))["state"] == "active"


async def test_a_paused_job_is_not_stalled_by_its_silence(make_tracker: MakeTracker) -> None:
    clock = HandClock()
    tracker = await make_tracker(clock)
    patience = Patience(retention_s=60, stall_after_s=30, lease_s=300, gone_after_s=15, lost_after_s=60)
    watchdog = Watchdog(tracker, Habits(), patience)
    await tracker.report(JobStarted(job_id="a", orders=("pause",)))
    await tracker.report(OrderGiven(job_id="a", order_id="o", order="pause"))
    await tracker.report(OrderTaken(job_id="a", order_id="o", order="pause"))
    for _ in range(200):
        clock.advance(2)
        await watchdog.look()
    assert (await tracker.find("a")).state is State.ACTIVE


async def reaches(client: httpx.AsyncClient, state: str) -> None:
    """Wait until the job `q` is in a state."""
    with trio.fail_after(30):
        while (await status_of(client, "q"))["state"] != state:  # noqa: ASYNC110 - of another process
            await trio.sleep(0.1)


@pytest.mark.slow
async def test_a_queued_job_whose_worker_is_gone_is_lost_and_returns_with_it(tmp_path: Path) -> None:
    queued = {"type": "job_queued", "job_id": "q", "queue": "gpu", "host": "box"}
    flags = ("--gone-after", "1", "--lost-after", "2")
    async with server_process(tmp_path, *flags) as server, client_of(server.url) as client:
        async with worker(server, queued) as websocket:
            await received(websocket, "ack")
            await websocket.aclose(1001)
        await reaches(client, "lost")
        async with worker(server):
            await reaches(client, "queued")
