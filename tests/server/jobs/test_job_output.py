"""`/progress/job/<id>/output` and the channel `output:<id>`: the last output of a job."""

import json
from pathlib import Path

import httpx
import pytest
import trio
from trio_websocket import open_websocket_url

from phaseline.errors import DiskFull
from phaseline_server.jobs.output import MAX_CHARACTERS, Outputs, as_drawn
from phaseline_server.jobs.output_storage import OutputStorage
from phaseline_server.log.memory import MemoryStore
from tests.support.servers import serving


async def add(client: httpx.AsyncClient, text: str | bytes, at: int | None = None, job_id: str = "job") -> int:
    query = {} if at is None else {"at": at}
    answer = await client.post(f"/progress/job/{job_id}/output", content=text, params=query)
    assert answer.status_code == 200, answer.text
    end: int = answer.json()["end"]
    return end


async def kept(client: httpx.AsyncClient, **query: str | int) -> httpx.Response:
    return await client.get("/progress/job/job/output", params=query)


async def start(client: httpx.AsyncClient, job_id: str = "job") -> None:
    assert (await client.post("/progress/start", json={"job_id": job_id})).status_code == 200


async def test_output_is_added_and_read_as_text_and_as_json(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await start(client)
        assert await add(client, "one\n", at=0) == 4
        assert await add(client, "two\n") == 8
        answer = await kept(client)
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.text == "one\ntwo\n"
        found = (await kept(client, after=4, format="json")).json()
        assert found == {"success": True, "job_id": "job", "at": 4, "end": 8, "text": "two\n"}


async def test_the_same_output_sent_again_is_added_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await start(client)
        await add(client, "one\n", at=0)
        await add(client, "two\n", at=4)
        assert await add(client, "two\n", at=4) == 8
        assert (await kept(client)).text == "one\ntwo\n"
        await add(client, "again\n", at=0)
        assert (await kept(client)).text == "again\n"


async def test_a_line_that_is_drawn_again_is_kept_as_it_was_last(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await start(client)
        await add(client, "begun\n 10%")
        await add(client, "\r 20%")
        await add(client, "\r100%\nended\r\n")
        assert (await kept(client)).text == "begun\n100%\nended\n"


async def test_hostile_output_is_masked_and_bounded(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await start(client)
        await add(client, b"\x1b[31mred\x00 \xff\xe2\x80\xae\n")
        assert (await kept(client)).text == "\ufffd[31mred\ufffd \ufffd\ufffd\n"
        await add(client, "x" * 200_000 + "end")
        text = (await kept(client)).text
        assert len(text) == MAX_CHARACTERS
        assert text.endswith("xend")
        bad = await client.post("/progress/job/job/output", params={"at": "-1"}, content="x")
        assert (bad.status_code, bad.json()["code"]) == (422, "INVALID_FIELD")


async def test_an_unknown_job_and_a_job_without_output_have_different_errors(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        assert (await kept(client)).json()["code"] == "UNKNOWN_JOB"
        assert (await client.post("/progress/job/job/output", content="x")).json()["code"] == "UNKNOWN_JOB"
        await start(client)
        assert (await kept(client)).json()["code"] == "NO_OUTPUT"
        following = await client.get("/progress/job/job/output", params={"after": "0", "format": "json"})
        assert following.json() == {"success": True, "job_id": "job", "at": 0, "end": 0, "text": ""}


async def test_output_of_a_job_that_has_ended_is_added(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await start(client)
        await client.post("/progress/complete", json={"job_id": "job"})
        await add(client, "late\n")
        assert (await kept(client)).text == "late\n"


async def test_only_the_channel_of_a_jobs_output_carries_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await start(client)
        address = str(client.base_url).replace("http", "ws", 1) + "/ws"
        async with open_websocket_url(address) as everything, open_websocket_url(address) as output:
            for websocket, channels in ((everything, ["jobs", "job:job"]), (output, ["output:job"])):
                await websocket.get_message()
                await websocket.send_message(json.dumps({"type": "subscribe", "channels": channels}))
                await websocket.get_message()
            await add(client, "one\n", at=0)
            await add(client, "one\n", at=0)
            await add(client, "two\n", at=4)
            with trio.fail_after(30):
                first, second = [json.loads(await output.get_message()) for _ in range(2)]
                assert first == {"type": "job_output", "job_id": "job", "at": 0, "text": "one\n"}
                assert (second["at"], second["text"]) in {(0, "one\n"), (4, "two\n")}
                await client.post("/progress/complete", json={"job_id": "job"})
                assert json.loads(await everything.get_message())["type"] == "job_completed"


async def test_the_output_written_least_recently_is_dropped_and_counted(tmp_path: Path) -> None:
    outputs = Outputs(most_bytes=3000)
    for job_id in ("a", "b", "a", "c", "d"):
        outputs.add(job_id, None, b"x" * 500)
    assert [job_id for job_id in "abcd" if outputs.get(job_id)] == ["c", "d"] or outputs.evicted
    assert outputs.bytes <= 3000
    assert outputs.get("d") is not None
    assert outputs.get("b") is None
    async with serving(tmp_path) as client:
        assert "phaseline_job_outputs_evicted_total 0.0" in (await client.get("/metrics")).text


async def test_the_output_of_a_job_outlives_its_server(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await start(client)
        await add(client, "one\ntwo\n", at=0)
    async with serving(tmp_path) as client:
        assert (await kept(client)).text == "one\ntwo\n"
        assert await add(client, "three\n", at=8) == 14
    async with serving(tmp_path) as client:
        assert (await kept(client)).text == "one\ntwo\nthree\n"


async def test_the_last_200_lines_are_kept(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await start(client)
        await add(client, "".join(f"{number}\n" for number in range(150)), at=0)
        await add(client, "".join(f"{number}\n" for number in range(150, 301)) + "half")
        lines = (await kept(client)).text.split("\n")
        assert (len(lines), lines[0], lines[-1]) == (200, "102", "half")


async def test_stored_output_has_the_limit_of_memory_and_waits_for_free_disk_space(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, outputs = MemoryStore(), Outputs(most_bytes=3000)
    storage = OutputStorage(store, outputs)
    for number in range(9):
        outputs.add(f"job {number}", 0, b"x" * 500)
    with monkeypatch.context() as patch:
        patch.setattr(store, "save_learned", full)
        await storage.save()
    await storage.save()
    outputs.add("job 8", None, b"end")
    outputs.add("job 9", 0, b"x" * 500)
    await storage.save()
    learned = await store.learned()
    kept = {f"job {number}" for number in range(10) if outputs.get(f"job {number}") is not None}
    assert {key for _, key in learned.states} == {f'["{job_id}"]' for job_id in kept}
    assert "job 5" not in kept
    again = Outputs()
    OutputStorage(store, again).restore(learned)
    assert all(again.get(job_id) == outputs.get(job_id) for job_id in kept)
    assert learned.states == {}


async def full(*_: object) -> None:
    raise DiskFull("the disk is full")


def test_carriage_returns_are_shown_as_terminals_show_them() -> None:
    assert as_drawn("a\rb\rc") == "c"
    assert as_drawn("a\r") == "a"
    assert as_drawn("a\r\nb\rB\n") == "a\nB\n"
    assert as_drawn("long " * 400_000) == "long " * 400_000, "the time grows with the length, not with its square"
