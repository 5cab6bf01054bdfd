"""The notes in the answers to reports: ignored fields, and a hint for fractions."""

import json
from pathlib import Path
from typing import Any

import trio
import trio_websocket

from phaseline.model.events import JobProgress
from phaseline_server.http.report_notes import Fractions
from tests.support.raw_reporter import RawReporter, frame
from tests.support.reporting import ws_url
from tests.support.servers import client_of, server_process, serving

Json = dict[str, Any]


async def test_every_answer_to_a_report_lists_ignored_fields(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        started = await client.post("/progress/start", json={"job_id": "a", "colour": 1, "phases": ["b"]})
        assert started.json()["ignored"] == ["colour"]
        progress = {"type": "job_progress", "job_id": "a", "stage": "b", "progress": 5}
        answer = await client.post("/progress/batch", json=[progress, progress | {"x": 1, "y": 2}, {**progress}])
        assert [result.get("ignored") for result in answer.json()["results"]] == [None, ["x", "y"], None]
        shaken = (await client.post("/ws/handshake", json={})).json()
        body = {"client_id": shaken["client_id"], "message": progress | {"x": 1}}
        assert (await client.post("/ws/send", json=body)).json()["ignored"] == ["x"]
        understood = await client.post("/progress/complete", json={"job_id": "a", "success": True, "timestamp": "x"})
        assert "ignored" not in understood.json()


async def test_percent_in_place_of_progress_is_rejected_with_the_right_name(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await client.post("/progress/start", json={"job_id": "a", "phases": ["b"]})
        answer = await client.post("/progress/report", json={"job_id": "a", "stage": "b", "percent": 45})
        assert answer.status_code == 422
        assert answer.json()["error"] == (
            "percent is 45; allowed: the field `progress`, a number from 0 to 100; rename it"
        )


async def test_acks_list_ignored_fields_one_by_one_and_in_arrays(tmp_path: Path) -> None:
    progress = {"type": "job_progress", "job_id": "a", "stage": "b", "progress": 5}
    async with (
        server_process(tmp_path) as server,
        client_of(server.url) as client,
        trio_websocket.open_websocket_url(ws_url(server.url)) as websocket,
    ):
        await client.post("/progress/start", json={"job_id": "a", "phases": ["b"]})
        given: list[Any] = [
            {"type": "register", "acks": True},
            progress | {"producer_seq": 1, "producer": "p", "x": 1},
            [progress | {"producer_seq": n, "producer": "p", **({"y": 1} if n == 3 else {})} for n in (2, 3, 4)],
        ]
        for message in given:
            await websocket.send_message(json.dumps(message))
        answers = [json.loads(await websocket.get_message()) for _ in range(6)]
    acks = [(answer["producer_seq"], answer.get("ignored")) for answer in answers if answer["type"] == "ack"]
    assert acks == [(1, ["x"]), (2, None), (3, ["y"]), (4, None)]


async def test_ten_fractions_that_reach_one_are_answered_with_a_hint(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await client.post("/progress/start", json={"job_id": "a", "phases": ["b"]})
        answers = [
            (await client.post("/progress/report", json={"job_id": "a", "stage": "b", "progress": n / 10})).json()
            for n in range(11)
        ]
        assert [n for n, answer in enumerate(answers) if "hint" in answer] == [10]
        assert "multiply it by 100" in answers[10]["hint"]


def _hints(*percents: float) -> list[str | None]:
    fractions = Fractions()
    return [fractions.hint(JobProgress(job_id="a", phase="b", progress=percent)) for percent in percents]


def test_percentages_get_no_hint() -> None:
    assert not any(_hints(*(n / 10 for n in range(10)), 1.5, 1.0))
    assert not any(_hints(*range(101)))
    assert not any(_hints(0.5, 1.0))


def test_the_jobs_with_fractions_are_bounded() -> None:
    fractions = Fractions()
    for n in range(5000):
        fractions.hint(JobProgress(job_id=str(n), phase="b", progress=0.5))
    assert len(fractions._counts) == 1000


async def test_frames_that_arrive_together_are_answered_in_their_order(tmp_path: Path) -> None:
    odd = frame(b"binary").replace(b"\x81", b"\x82", 1)
    numbers = iter(range(1, 100))

    def report(**fields: object) -> Json:
        known = {"type": "job_progress", "job_id": "a", "stage": "b", "progress": 5}
        return known | {"producer": "p", "producer_seq": next(numbers)} | fields

    given = [
        [report(), report(x=1)],
        [],
        [report(job_id="nobody"), report()],
        report(y=1),
        report(),
        [report(progress="much"), report()],
        [report()],
    ]
    async with server_process(tmp_path) as server, client_of(server.url) as client:
        await client.post("/progress/start", json={"job_id": "a", "phases": ["b"]})

        def exchange() -> list[Json]:
            reporter, answers = RawReporter(int(server.url.rpartition(":")[2])), list[Json]()
            frames = [frame(json.dumps(message).encode()) for message in given]
            reporter.socket.sendall(b"".join([*frames[:4], odd, *frames[4:]]))
            while len(answers) < 10:
                answers += reporter.receive()
            reporter.close()
            return answers

        answers = await trio.to_thread.run_sync(exchange)
    assert [(each["type"], each.get("producer_seq"), each.get("ignored")) for each in answers] == [
        ("ack", 1, None),
        ("ack", 2, ["x"]),
        ("error", 3, None),
        ("ack", 4, None),
        ("ack", 5, ["y"]),
        ("error", None, None),
        ("ack", 6, None),
        ("error", 7, None),
        ("ack", 8, None),
        ("ack", 9, None),
    ]
