"""Followers of a shared log answer as the leader does, and store reports through the leader."""

import itertools
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio_websocket import ConnectionClosed, HandshakeError, open_websocket_url

from tests.server.runtime.test_shared_log import folder, report_until_accepted
from tests.support.crashing import Crashing, crashing
from tests.support.listening import Listener, connected
from tests.support.postgres import Postgres
from tests.support.postgres_pair import PostgresPair
from tests.support.resuming import by_sse, by_websocket

pytestmark = pytest.mark.needs("postgres")

OF_THE_MOMENT = ("elapsed", "remaining", "timestamp", "finish", "eta", "percent")


async def follows(box: Crashing, leader: Crashing) -> None:
    """Return once a server follows `leader`, and has all its messages."""
    top = (await leader.get("/ws/status"))["position"]
    while True:
        await trio.lowlevel.checkpoint()
        try:
            answer = await box.client.get("/ws/status")
            if answer.status_code == 200 and answer.json()["position"] == top:
                health = await box.get("/health")
                assert (health["role"], health["leader"]) == ("follower", leader.server.url)
                return
        except httpx.TransportError:  # one that is deposed closes its connections
            continue


async def is_at(box: Crashing, seq: int) -> None:
    """Return once a server has published message `seq`."""
    while (await box.get("/ws/status"))["position"]["seq"] < seq:
        await trio.lowlevel.checkpoint()


@asynccontextmanager
async def leader_and_follower(
    postgres: Postgres | PostgresPair, tmp_path: Path
) -> AsyncIterator[tuple[Crashing, Crashing]]:
    """Run two servers with one log, which has one message; the second server follows the first."""
    url = postgres.new_database()
    async with (
        crashing(folder(tmp_path, "one"), "--log", url) as one,
        crashing(folder(tmp_path, "other"), "--log", url) as other,
    ):
        await report_until_accepted(one, 0)
        await follows(other, one)
        yield one, other


@pytest.mark.slow
async def test_a_follower_answers_as_the_leader_does(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.new_database()
    async with (
        crashing(folder(tmp_path, "one"), "--log", url) as one,
        crashing(folder(tmp_path, "other"), "--log", url) as other,
    ):
        for number in range(5):
            await report_until_accepted(one, number)
        await follows(other, one)
        await one.report("start", "b", name="second")
        await one.report("complete", "b", result={"x": 1})
        await is_at(other, 7)
        assert await other.events() == await one.events()
        paths = ["/progress/jobs", "/progress/active", "/progress/job/b", "/progress/totals", "/progress/hosts"]
        for path in [*paths, "/metrics/phases", "/progress/events", "/gallery", "/progress/boxes"]:
            ours, theirs = await other.get(path), await one.get(path)
            found = list(differences(ours, theirs))
            assert not found, (path, found)
        health = await other.get("/health")
        assert (health["role"], health["term"], health["leader"]) == ("follower", 1, one.server.url)
        assert health["lagSeconds"] < 1
        assert (await other.client.get("/health", params={"check": "readiness"})).status_code == 200


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Yield the places at which documents differ, except where they depend on the moment of the answer."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        for name in ours:
            if not any(part in name for part in OF_THE_MOMENT):
                yield from differences(ours[name], theirs[name], f"{path}/{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(*pair, f"{path}/{number}")
    elif ours != theirs:
        yield f"{path}: {ours} {theirs}"


@pytest.mark.slow
async def test_a_report_to_a_follower_is_on_the_leader_and_visible_on_both(postgres: Postgres, tmp_path: Path) -> None:
    async with leader_and_follower(postgres, tmp_path) as (one, other):
        assert await report_until_accepted(other, 1) == 2
        assert (await other.job("a"))["progress"] == 1  # a client reads what it has reported
        assert await report_until_accepted(other, 1) == 2  # recognized
        unknown = await other.client.post("/progress/report", json={"job_id": "none", "stage": "x", "progress": 1})
        assert (unknown.status_code, unknown.json()["code"]) == (404, "UNKNOWN_JOB")
        # Over a WebSocket, with acks in order; and an order comes back on it.
        async with open_websocket_url(f"{other.server.url.replace('http', 'ws')}/ws") as socket:
            listener = Listener(socket)
            await listener.receive("connection_established")
            await socket.send_message('{"type":"register","acks":true,"producer":"w"}')
            await listener.receive("registration_confirmed")
            for number in range(3):
                await socket.send_message(
                    f'{{"type":"job_progress","job_id":"a","stage":"render","progress":{number + 2},'
                    f'"producer":"w","producer_seq":{number + 10}}}'
                )
            acks = [await listener.receive("ack") for _ in range(3)]
            assert [ack["producer_seq"] for ack in acks] == [10, 11, 12]
            assert [ack["seq"] for ack in acks] == [3, 4, 5]
            await socket.send_message(
                '{"type":"job_started","job_id":"b","orders":["cancel"],"producer":"w","producer_seq":20}'
            )
            assert (await listener.receive("ack"))["seq"] == 6
            given = await other.client.post("/progress/job/b/orders", json={"order": "cancel"})
            assert given.status_code == 200, given.text
            order = await listener.receive("order")
            assert (order["job_id"], order["order_id"]) == ("b", given.json()["order_id"])
        await is_at(other, 7)
        assert await other.events() == await one.events()


async def test_a_client_resumes_at_a_follower_that_is_behind_its_position(postgres: Postgres, tmp_path: Path) -> None:
    async with leader_and_follower(postgres, tmp_path) as (one, other):
        epoch = (await other.get("/ws/status"))["position"]["epoch"]

        async def resume_after(seq: int, resume: Any) -> None:
            async with resume(other.server.url, epoch, seq) as stream:
                assert stream.recovered
                assert [message["seq"] for message in await stream.take(1)] == [seq + 1]

        numbers = itertools.count(1)
        for resume in (by_websocket, by_sse, by_websocket, by_sse):
            seq = await report_until_accepted(one, next(numbers))  # the leader's client is ahead of the follower
            async with trio.open_nursery() as nursery:
                nursery.start_soon(resume_after, seq, resume)
                await report_until_accepted(one, next(numbers))
            seq = await report_until_accepted(one, next(numbers))
            answer = await other.client.get("/progress/events", params={"since": f"{epoch}/{seq}"})
            assert answer.json()["recovered"]


@pytest.mark.slow
async def test_subscribers_of_a_follower_miss_nothing_when_the_leader_is_killed(
    postgres: Postgres, tmp_path: Path
) -> None:
    async with leader_and_follower(postgres, tmp_path) as (one, other):
        epoch = (await other.get("/ws/status"))["position"]["epoch"]
        seen: dict[str, list[int]] = {"ws": [], "sse": []}

        async def subscribe(name: str, resume: Any) -> None:
            while len(seen[name]) < 60:
                try:
                    async with resume(other.server.url, epoch, len(seen[name])) as stream:
                        assert stream.recovered
                        async for message in stream.messages:
                            seen[name].append(message["seq"])
                            if len(seen[name]) == 60:
                                return
                except* (ConnectionClosed, HandshakeError, OSError, StopAsyncIteration, trio.BrokenResourceError):
                    await trio.lowlevel.checkpoint()

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(subscribe, "ws", by_websocket)
                nursery.start_soon(subscribe, "sse", by_sse)
                for number in range(1, 30):
                    await report_until_accepted(other, number)
                await one.kill()
                killed = trio.current_time()
                for number in range(30, 60):
                    await report_until_accepted(other, number)
                    if number == 30:
                        print(f"took over in {trio.current_time() - killed:.2f} s")
        assert seen == {"ws": list(range(1, 61)), "sse": list(range(1, 61))}
        assert (await other.get("/health"))["role"] == "leader"


async def test_no_report_is_recorded_after_one_of_its_producer_was_rejected(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.new_database()
    async with (
        crashing(folder(tmp_path, "one"), "--log", url) as one,
        crashing(folder(tmp_path, "other"), "--log", url) as other,
        crashing(folder(tmp_path, "third"), "--log", url) as third,
    ):
        await report_until_accepted(one, 0)
        for box in (other, third):
            await follows(box, one)
        acked = {"other": trio.Event(), "third": trio.Event()}

        async def send_reports(listener: Listener, producer: str) -> None:
            """Report without waiting for answers."""
            with suppress(ConnectionClosed):
                for number in itertools.count(1):
                    fields = {"job_id": "a", "producer": producer, "producer_seq": number}
                    await listener.send("photo_info", photo_data={"number": number}, **fields)
                    await trio.sleep(0.01)

        async def converse(box: Crashing, producer: str) -> None:
            """Receive the answers until the server closes the connection; the leader is killed meanwhile."""
            rejected = False
            async with connected(box.server.url) as listener, trio.open_nursery() as nursery:
                await listener.send("register", client_type="test", acks=True)
                nursery.start_soon(send_reports, listener, producer)
                with suppress(ConnectionClosed):
                    while True:
                        message = await listener.receive()
                        rejected = rejected or message["type"] == "error"
                        if message["type"] == "ack":
                            assert not rejected, message
                            acked[producer].set()
                nursery.cancel_scope.cancel()

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(converse, other, "other")  # one of the two will lead
                nursery.start_soon(converse, third, "third")
                for event in acked.values():
                    await event.wait()
                await one.kill()


@pytest.mark.slow
async def test_without_a_leader_reports_are_rejected_and_reads_are_served(postgres: Postgres, tmp_path: Path) -> None:
    async with leader_and_follower(postgres, tmp_path) as (one, other):
        os.kill(one.server.process.pid, signal.SIGSTOP)
        try:
            assert (await other.job("a"))["job_id"] == "a"
            assert await report_until_accepted(other, 1) == 2  # after 503s, once it leads itself
            assert (await other.get("/health"))["role"] == "leader"
        finally:
            os.kill(one.server.process.pid, signal.SIGCONT)
        await follows(one, other)
        assert await report_until_accepted(one, 2) == 3
        assert await one.events() == await other.events()


async def test_a_forwarded_request_is_not_forwarded_again(postgres: Postgres, tmp_path: Path) -> None:
    async with leader_and_follower(postgres, tmp_path) as (_, other):
        headers = {"Phaseline-Forwarded": "1"}
        answer = await other.client.post("/progress/start", json={"job_id": "x"}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "LOG_UNAVAILABLE")
        assert answer.headers["Retry-After"] == "1"
