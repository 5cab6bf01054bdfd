"""Clients of `/ws` that report, send invalid messages, do not read or disconnect: none affects another client."""

import json
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
import trio

from phaseline.model.events import JobProgress, JobStarted
from phaseline_server.http.routes.acks import MOST_PENDING
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.pictures import helpers
from tests.support.listening import listening
from tests.support.pictures import Gate, ask, studio, wait_over
from tests.support.servers import serving

Json = dict[str, Any]


def tracker() -> Tracker:
    """Return the tracker of the server in this process."""
    return helpers._running[-1][1]


# ------------------------------------------------------------------ reports


async def test_reports_are_accepted_and_sent_to_all_subscribers(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, listening(client, "jobs", "photos") as watcher, listening(client) as worker:
        await worker.send("job_started", job_id="job_12345", photo_id=456, photo_info={"file_name": "IMG_001.CR3"})
        await worker.send("job_progress", job_id="job_12345", stage="exif_analysis", progress=25, message="reading")
        await worker.send("stage_completed", job_id="job_12345", stage="exif_analysis", result={"iso": 800})
        await worker.send("photo_info", job_id="job_12345", photo_data={"context": "portrait"})
        await worker.send("error_occurred", job_id="job_12345", error_type="oops", error_message="again", stage=None)
        await worker.send("processing_metrics", job_id="job_12345", metrics={"cpu": 0.5})
        await worker.send("job_completed", job_id="job_12345", result={"ok": True})
        received = await watcher.receive_until("job_completed")
        assert [each["type"] for each in received] == [
            "job_started",
            "job_progress",
            "stage_completed",
            "photo_info",
            "error_occurred",
            "processing_metrics",
            "job_completed",
        ]
        status = (await ask(client, "/progress/job/job_12345"))["job_status"]
        assert (status["state"], status["photo_id"], status["result"]) == ("completed", 456, {"ok": True})
        # The worker has not subscribed, and not requested acks.
        await worker.send("ping")
        await worker.receive("pong")


async def test_acks_match_reports_to_messages(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, listening(client) as worker:
        await worker.send("register", client_type="worker", acks=True)
        await worker.receive("registration_confirmed")
        report = {"job_id": "a", "producer": "me", "producer_seq": 7}
        for _ in range(2):
            await worker.send("job_started", **report)
            assert await worker.receive() == {"type": "ack", "producer_seq": 7, "seq": 1}
        await worker.send("job_progress", job_id="a", stage="importing")
        assert await worker.receive() == {"type": "ack", "producer_seq": None, "seq": 2}


async def test_rejected_reports_are_answered_and_change_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, max_jobs=1) as client, listening(client) as worker:
        await worker.send("job_started", job_id="a", workflow="photo")
        for fields, code in (
            ({"kind": "job_progress", "job_id": "nobody", "stage": "importing"}, "UNKNOWN_JOB"),
            ({"kind": "job_started", "job_id": "a"}, "ILLEGAL_EVENT"),
            ({"kind": "job_started", "job_id": "b"}, "TOO_MANY"),
            ({"kind": "job_progress", "job_id": "a", "stage": "nowhere"}, "INVALID_FIELD"),
            ({"kind": "job_progress", "job_id": "a", "stage": "importing", "progress": 101}, "INVALID_FIELD"),
        ):
            await worker.send(**fields)
            error = await worker.receive("error")
            assert (list(error), error["code"]) == (["type", "error", "code"], code)
        assert tracker().log.top.seq == 1
        await worker.send("job_started", job_id="b", producer="me", producer_seq=3)
        error = await worker.receive("error")
        assert (error["code"], error["producer_seq"]) == ("TOO_MANY", 3)


async def test_an_array_is_as_many_messages_each_with_its_own_answer(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, listening(client) as worker:
        await worker.send("register", client_type="worker", acks=True)
        await worker.receive("registration_confirmed")
        reports: list[Json] = [
            {"type": "job_started", "job_id": "a", "producer": "me", "producer_seq": 1},
            {"type": "job_progress", "job_id": "nobody", "producer": "me", "producer_seq": 2},
            {"type": "job_progress", "job_id": "a", "stage": "importing", "producer": "me", "producer_seq": 3},
            {"type": "ping"},
        ]
        await worker.socket.send_message(json.dumps(reports))
        received = [await worker.receive() for _ in reports]
        assert [each["type"] for each in received] == ["ack", "error", "ack", "pong"]
        assert [each.get("producer_seq") for each in received] == [1, 2, 3, None]
        await worker.socket.send_message("[]")
        await worker.send("ping")
        await worker.receive("pong")


async def test_each_report_of_an_array_is_answered_in_a_separate_frame(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, listening(client) as worker:
        await worker.send("register", client_type="worker", acks=True)
        await worker.receive("registration_confirmed")
        reports: list[Json] = [
            {"type": "job_started", "job_id": "a", "producer": "me", "producer_seq": 1},
            {"type": "job_progress", "job_id": "nobody", "stage": "importing", "producer": "me", "producer_seq": 2},
            {"type": "job_progress", "job_id": "a", "stage": "importing"},
            {"type": "job_started", "job_id": "a", "producer": "me", "producer_seq": 1},
        ]
        await worker.socket.send_message(json.dumps(reports))
        answers = [await worker.receive() for _ in reports]
        assert [(each["type"], each["producer_seq"], each.get("seq"), each.get("code")) for each in answers] == [
            ("ack", 1, 1, None),
            ("error", 2, None, "UNKNOWN_JOB"),
            ("ack", None, 2, None),
            ("ack", 1, 1, None),
        ]
        await worker.socket.send_message("[]")
        await worker.send("ping")
        await worker.receive("pong")


async def test_a_client_with_batches_receives_acks_in_them(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, listening(client) as worker:
        await worker.send("register", client_type="worker", acks=True)
        await worker.receive("registration_confirmed")
        await worker.send("subscribe", channels=["jobs"], batch=True)
        confirmed = json.loads(await worker.socket.get_message())
        assert [each["type"] for each in confirmed] == ["subscription_confirmed"]
        await worker.socket.send_message('[{"type":"job_started","job_id":"a"},{"type":"job_started","job_id":"b"}]')
        received: list[Json] = []
        while len(received) < 4:
            received += json.loads(await worker.socket.get_message())
        assert sorted(each["type"] for each in received) == ["ack", "ack", "job_started", "job_started"]


@pytest.mark.slow
async def test_more_reports_than_may_be_pending_are_all_answered_in_order(tmp_path: Path) -> None:
    size, at_once = 100, 500
    many = 3 * MOST_PENDING // size // at_once * at_once  # a close waits for what is unread
    async with serving(tmp_path) as client, listening(client) as worker:
        await worker.send("register", client_type="worker", acks=True)
        await worker.receive("registration_confirmed")
        await worker.send("job_started", job_id="a")
        await worker.receive("ack")

        async def report() -> None:
            for first in range(0, many, at_once):
                reports = [
                    {
                        "type": "job_progress",
                        "job_id": "a",
                        "stage": "importing",
                        "producer": "me",
                        "producer_seq": number,
                    }
                    for number in range(first, first + at_once)
                ]
                await worker.socket.send_message(json.dumps(reports))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(report)
            acked: list[int] = []
            while len(acked) < many:
                acked.append(json.loads(await worker.socket.get_message())["producer_seq"])
        assert acked == list(range(len(acked)))


# ------------------------------------------------------------------ invalid messages

NONSENSE: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "INVALID_JSON"),
    "no JSON": ("hello", "INVALID_JSON"),
    "cut off": ('{"type": "ping"', "INVALID_JSON"),
    "a NUL": ("\0", "INVALID_JSON"),
    "binary": (b'{"type": "ping"}', "INVALID_JSON"),
    "an empty binary frame": (b"", "INVALID_JSON"),
    "null": ("null", "INVALID_JSON"),
    "a number": ("1", "INVALID_JSON"),
    "an array in an array": ('[[{"type": "ping"}]]', "INVALID_JSON"),
    "an array that is cut off": ('[{"type": "ping"},', "INVALID_JSON"),
    "too deep": ('{"type": "subscribe", "x": ' + "[" * 17 + "]" * 17 + "}", "INVALID_JSON"),
    "far too deep": ("[" * 60_000, "INVALID_JSON"),
    "no type": ("{}", "UNKNOWN_TYPE"),
    "an unknown type": ('{"type": "job_stolen"}', "UNKNOWN_TYPE"),
    "a type of ours": ('{"type": "job_lost", "job_id": "a"}', "UNKNOWN_TYPE"),
    "no text for a type": ('{"type": 1}', "UNKNOWN_TYPE"),
    "text for channels": ('{"type": "subscribe", "channels": "jobs"}', "INVALID_FIELD"),
    "numbers for channels": ('{"type": "subscribe", "channels": [1]}', "INVALID_FIELD"),
    "an empty channel": ('{"type": "subscribe", "channels": [""]}', "INVALID_FIELD"),
    "text for a position": ('{"type": "subscribe", "since": "5"}', "INVALID_FIELD"),
    "half a position": ('{"type": "subscribe", "since": {"seq": 5}}', "INVALID_FIELD"),
    "a position below nothing": ('{"type": "subscribe", "since": {"epoch": "x", "seq": -1}}', "INVALID_FIELD"),
    "a negative pace": ('{"type": "subscribe", "coalesce_ms": -1}', "INVALID_FIELD"),
    "a pace beyond all patience": ('{"type": "subscribe", "coalesce_ms": 1e9}', "INVALID_FIELD"),
    "no channels to leave": ('{"type": "unsubscribe"}', "INVALID_FIELD"),
    "no job": ('{"type": "job_progress", "stage": "importing"}', "INVALID_FIELD"),
    "a number beyond all bounds": ('{"type": "subscribe", "coalesce_ms": 1' + "0" * 5000 + "}", "INVALID_FIELD"),
    "lone surrogates": ('{"type": "\\ud800"}', "INVALID_JSON"),
}


async def test_an_invalid_message_gets_an_error_and_the_connection_stays_open(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, listening(client) as listener:
        for name, (frame, code) in NONSENSE.items():
            await listener.socket.send_message(frame)
            error = await listener.receive("error")
            assert (list(error), error["code"]) == (["type", "error", "code"], code), (name, error)
            assert error["error"].isprintable(), name
            assert len(error["error"]) < 1500, name
        await listener.send("ping")
        await listener.receive("pong")
        assert (await ask(client, "/health"))["status"] == "ok"


async def test_a_message_over_the_limit_ends_the_connection_with_1009(tmp_path: Path) -> None:
    async with serving(tmp_path, max_message=2048) as client, listening(client, "jobs") as other:
        async with listening(client) as listener:
            await listener.socket.send_message("x" * 2049)
            assert (await listener.wait_closed())[0] == 1009
        async with listening(client) as listener:
            await listener.socket.send_message("x" * 2048)
            assert (await listener.receive("error"))["code"] == "INVALID_JSON"
        await other.send("ping")
        await other.receive("pong")


async def test_no_message_disconnects_another_client(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, listening(client, "system") as listener:
        for kind in ("goodbye", "snapshot", "close"):
            answer = await client.post("/ws/broadcast", json={"message": {"type": kind}, "channel": "system"})
            assert answer.status_code == 200
            await listener.receive(kind)
        await listener.send("ping")
        await listener.receive("pong")


# ------------------------------------------------------------------ slow, gone


async def test_a_client_that_does_not_read_is_closed_with_4008_and_resumes_without_loss(tmp_path: Path) -> None:
    text = "x" * 10_000
    async with serving(tmp_path, queue=10, history=100_000) as client, listening(client, "jobs") as reader:
        async with listening(client, "jobs") as sleeper:
            received: list[int] = []

            async def read() -> None:
                while True:
                    each = await reader.receive()
                    if each["type"] == "job_completed":
                        return
                    received.append(each["seq"])

            async with trio.open_nursery() as nursery:
                nursery.start_soon(read)
                await tracker().report(JobStarted(job_id="a"))
                with trio.fail_after(60):
                    while not tracker().log.statistics().ended_slow:
                        await tracker().report(JobProgress(job_id="a", phase="importing", text=text))
                        # One at a time: the reader keeps up, and only the sleeper falls behind.
                        while len(received) < tracker().log.top.seq:
                            await trio.lowlevel.checkpoint()
                await client.post("/progress/complete", json={"job_id": "a"})
            assert received == list(range(1, len(received) + 1))
            code, reason = await sleeper.wait_closed()
            assert code == 4008
            assert "reconnect and resume" in reason
            last = json.loads(sleeper.last)
        async with listening(client) as sleeper:
            since = {"epoch": last["epoch"], "seq": last["seq"]}
            assert (await sleeper.subscribe("jobs", since=since))["recovered"] is True
            rest = await sleeper.receive_until("job_completed")
            assert [each["seq"] for each in rest] == list(range(last["seq"] + 1, tracker().log.top.seq + 1))


@pytest.mark.slow
async def test_disconnected_clients_are_removed_and_the_run_continues(tmp_path: Path) -> None:
    gate = Gate()
    with structlog.testing.capture_logs() as logs:
        await vanish(tmp_path, gate)
    assert [entry for entry in logs if entry["log_level"] not in {"debug", "info"}] == []


async def vanish(data_dir: Path, gate: Gate) -> None:
    """Disconnect clients in every possible way while a picture is made."""
    async with studio(data_dir, gate) as (client, _):
        port = client.base_url.port
        assert port
        for how in ("politely", "at once"):
            async with listening(client, "jobs", "photos") as listener:
                if how == "at once":
                    await listener.socket._stream.aclose()
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(b"POST /progress/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        streams = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(3)]
        for stream in streams:
            await stream.send_all(
                b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            assert b"101" in await stream.receive_some()
            # In the middle of a frame.
            await stream.send_all(b"\x81\xfe\xff")
        await ask(client, "/dalle/simple/0x1?generate=1")
        for stream in streams:
            await stream.aclose()
        gate.opened.set()
        await wait_over()
        assert (await ask(client, "/dalle/simple/0x1"))["error"] == ""
        with trio.fail_after(30):
            while (await ask(client, "/health"))["subscribers"]:
                await trio.lowlevel.checkpoint()
        assert "phaseline_connections_failed_total 0.0" in (await client.get("/metrics")).text
