"""`GET /events`: the same stream as Server-Sent Events, resumed by the id of the last one."""

import json
import subprocess
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from phaseline.stream import Message
from phaseline_server.fanout.queued import QueuedSubscriber
from tests.support.servers import server_process, serving


@asynccontextmanager
async def curl(url: str, *headers: str) -> AsyncIterator[AsyncIterator[tuple[str, str, dict[str, Any]]]]:
    """Follow a stream with a real `curl -N` for the length of the block; yields id, name and data of each event."""
    process = await trio.lowlevel.open_process(["curl", "-sN", *headers, url], stdout=subprocess.PIPE)
    try:
        async with aclosing(events(process)) as each:
            yield each
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()
            assert process.stdout is not None
            await process.stdout.aclose()


async def events(process: trio.Process) -> AsyncGenerator[tuple[str, str, dict[str, Any]], None]:
    assert process.stdout is not None
    pending = b""
    async for chunk in process.stdout:
        *blocks, pending = (pending + chunk).split(b"\n\n")
        for block in blocks:
            fields = dict(line.split(": ", 1) for line in block.decode().splitlines() if not line.startswith(":"))
            if fields:
                yield fields.get("id", ""), fields["event"], json.loads(fields["data"])


pytestmark = pytest.mark.needs("curl")


async def report(client: httpx.AsyncClient, kind: str, **body: Any) -> None:
    (await client.post(f"/progress/{kind}", json=body)).raise_for_status()


async def read(client: httpx.AsyncClient, last_id: str, count: int, query: str = "") -> list[tuple[str, str]]:
    """Return id and name of the next `count` events after `last_id`."""
    found: list[tuple[str, str]] = []
    headers = ["-H", f"Last-Event-ID: {last_id}"] if last_id else []
    async with curl(f"{client.base_url}/events{query}", *headers) as each:
        while len(found) < count:
            event_id, name, _ = await anext(each)
            found.append((event_id, name))
    return found


async def test_output_has_no_position(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await report(client, "start", job_id="a")
        async with curl(f"{client.base_url}/events?channels=output:a") as each:
            await anext(each)
            (await client.post("/progress/job/a/output?at=0", content="one\n")).raise_for_status()
            event_id, name, data = await anext(each)
            assert (event_id, name, data) == ("", "job_output", {"type": name, "job_id": "a", "at": 0, "text": "one\n"})


async def test_the_stream_begins_with_the_state_and_continues_with_events(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await report(client, "start", job_id="a")
        async with curl(f"{client.base_url}/events") as each:
            event_id, name, data = await anext(each)
            assert (name, [job["job_id"] for job in data["jobs"]]) == ("snapshot", ["a"])
            assert event_id == f"{data['epoch']}/1"
            await report(client, "report", job_id="a", stage="importing", progress=5)
            event_id, name, data = await anext(each)
            assert (event_id, name, data["progress"]) == (f"{data['epoch']}/2", "job_progress", 5)


async def test_a_client_that_reconnects_receives_all_missed_events_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        [(start, _)] = await read(client, "", 1)
        await report(client, "start", job_id="a")
        await report(client, "report", job_id="a", stage="importing")
        await report(client, "complete", job_id="a")
        first = await read(client, start, 2)
        rest = await read(client, first[-1][0], 1)
        assert [name for _, name in first + rest] == ["job_started", "job_progress", "job_completed"]
        assert [name for _, name in await read(client, start, 1, "?channels=job:a")] == ["job_started"]


async def test_an_unavailable_position_is_answered_with_the_state(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        async with curl(f"{client.base_url}/events", "-H", "Last-Event-ID: other/7") as each:
            _, name, data = await anext(each)
            assert (name, data["recovered"]) == ("snapshot", False)
        refused = await client.get("/events", headers={"Last-Event-ID": "nonsense"})
        assert refused.status_code == 422


async def test_the_stream_ends_with_the_server(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        with trio.fail_after(30):
            async with curl(f"{server.url}/events") as each:
                await anext(each)
                server.process.terminate()
                assert await anext(each, None) is None
        assert await server.process.wait() == 0


async def test_messages_that_arrive_as_a_heartbeat_is_due_are_sent(
    tmp_path: Path, mock_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = QueuedSubscriber.put

    def put_at_the_last_moment(subscriber: QueuedSubscriber, *messages: Message) -> bool:
        kept = put(subscriber, *messages)
        mock_clock.jump(15)
        return kept

    async with serving(tmp_path) as client, curl(f"{client.base_url}/events", "-m", "60") as each:
        assert (await anext(each))[1] == "snapshot"
        await trio.testing.wait_all_tasks_blocked(0.05)
        monkeypatch.setattr(QueuedSubscriber, "put", put_at_the_last_moment)
        await report(client, "start", job_id="a")
        await report(client, "report", job_id="a", stage="x")
        assert [(await anext(each))[1] for _ in range(2)] == ["job_started", "job_progress"]
