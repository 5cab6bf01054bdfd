"""A client that reconnects receives all missed events once each, in order, over each transport.

If events are no longer stored, the server reports the gap and sends the current state.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.support.crashing import Crashing, crashing
from tests.support.resuming import TRANSPORTS, Resume, Resumed
from tests.support.servers import client_of, progress_server

Said = dict[str, Any]
KEPT, HISTORY = 3000, 50


@pytest.fixture(params=TRANSPORTS)
def resume(request: pytest.FixtureRequest) -> Resume:
    """Each transport in turn."""
    return TRANSPORTS[request.param]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that had more messages than it keeps on disk, and keeps fewer in memory."""
    flags = ("--history", str(HISTORY), "--keep-events", str(KEPT), "--queue", "5000", "--max-body", "1000000")
    with progress_server(tmp_path_factory.mktemp("data"), *flags) as address:
        trio.run(fill, address)
        yield address


async def fill(address: str) -> None:
    await report(address, [{"type": "job_started", "job_id": "a"}])
    for part in range(7):
        await report(address, progress("a", range(500), note=str(part)))


def progress(job_id: str, numbers: range, note: str = "") -> list[Said]:
    """Return this number of reports, some of them on another channel."""
    return [
        {"type": "photo_info", "job_id": job_id, "photo_data": {"number": number}}
        if number % 10 == 3
        else {"type": "job_progress", "job_id": job_id, "stage": "importing", "message": f"{note} {number}"}
        for number in numbers
    ]


async def report(address: str, reports: list[Said]) -> None:
    async with client_of(address) as client:
        answer = await client.post("/progress/batch", json=reports)
        assert answer.json()["success"] is True, answer.text


async def kept(address: str) -> list[Said]:
    """Return all stored messages."""
    messages: list[Said] = []
    query: dict[str, Any] = {"limit": 10_000}
    async with client_of(address) as client:
        while (answer := (await client.get("/progress/events", params=query)).json())["messages"]:
            messages += answer["messages"]
            query["since"] = f"{answer['position']['epoch']}/{answer['position']['seq']}"
    return messages


@pytest.mark.parametrize("missed", [1, HISTORY - 1, HISTORY + 1, 2900], ids=lambda missed: f"{missed} missed")
async def test_missed_messages_are_sent_once_in_order(url: str, resume: Resume, missed: int) -> None:
    messages = await kept(url)
    since = messages[-missed - 1]
    async with resume(url, since["epoch"], since["seq"]) as resumed:
        assert resumed.recovered
        assert await resumed.take(missed) == messages[-missed:]
        # New messages arrive after these.
        await report(url, progress("a", range(5), note="live"))
        live = await resumed.take(5)
    assert live == (await kept(url))[-5:]


async def test_no_message_is_missed_or_sent_twice_while_events_flow(url: str, resume: Resume) -> None:
    since = (await kept(url))[-1000]
    total = 999 + 20 * 50

    async def flow() -> None:
        for part in range(20):
            await report(url, progress("a", range(50), note=f"flow {part}"))

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flow)
            async with resume(url, since["epoch"], since["seq"]) as resumed:
                received = await resumed.take(total)
    assert [message["seq"] for message in received] == list(range(since["seq"] + 1, since["seq"] + 1 + total))
    assert received == (await kept(url))[-total:]


async def test_messages_of_other_channels_are_not_sent(url: str, resume: Resume) -> None:
    messages = await kept(url)
    wanted = [message for message in messages[-500:] if message["type"] == "photo_info"]
    since = messages[-501]
    async with resume(url, since["epoch"], since["seq"], "photos") as resumed:
        assert await resumed.take(len(wanted)) == wanted
        await report(url, progress("a", range(10), note="live"))
        [live] = await resumed.take(1)
    assert live == next(message for message in (await kept(url))[-10:] if message["type"] == "photo_info")


@pytest.mark.parametrize("why", ["another epoch", "too old", "ahead"])
async def test_a_gap_is_reported_and_followed_by_the_state(url: str, resume: Resume, why: str) -> None:
    messages = await kept(url)
    last = messages[-1]
    epoch, seq = {
        "another epoch": ("another", last["seq"] - 1),
        "too old": (last["epoch"], messages[0]["seq"] - 2),
        "ahead": (last["epoch"], last["seq"] + 1),
    }[why]
    async with resume(url, epoch, seq) as resumed:
        assert not resumed.recovered
        assert resumed.seq == last["seq"]
        assert resumed.state is not None
        assert (resumed.state["a"]["state"], resumed.state["a"]["seq"]) == ("active", last["seq"])
        # The state has a position, and all messages after it follow.
        await report(url, progress("a", range(3)))
        assert [message["seq"] for message in await resumed.take(3)] == [last["seq"] + n for n in (1, 2, 3)]


async def test_a_client_can_resume_from_the_oldest_stored_position(url: str, resume: Resume) -> None:
    messages = await kept(url)
    async with resume(url, messages[0]["epoch"], messages[0]["seq"] - 1) as resumed:
        assert resumed.recovered
        assert await resumed.take(len(messages)) == messages


async def read(box: Crashing, resume: Resume, since: Said, count: int) -> list[Said]:
    async with resume(box.server.url, since["epoch"], since["seq"]) as resumed:
        assert resumed.recovered
        return await resumed.take(count)


async def test_resuming_works_after_the_server_is_killed(tmp_path: Path, resume: Resume) -> None:
    async with crashing(tmp_path, "--history", "10") as box:
        await box.batch({"type": "job_started", "job_id": "a"}, *progress("a", range(99)))
        begin = {"epoch": (await box.events())[0]["epoch"], "seq": 0}
        received = await read(box, resume, begin, 60)
        await box.kill()
    async with crashing(tmp_path, "--history", "10") as box:
        # From the disk, because memory is empty; then from both, and live.
        received += await read(box, resume, received[-1], 30)
        await box.batch(*progress("a", range(20), note="after"))
        async with resume(box.server.url, received[-1]["epoch"], received[-1]["seq"]) as resumed:
            received += await resumed.take(30)
            await box.batch(*progress("a", range(5), note="live"))
            received += await resumed.take(5)
        assert [message["seq"] for message in received] == list(range(1, 126))
        assert received == await box.events()


async def test_a_connected_client_resumes_after_the_server_is_killed(tmp_path: Path, resume: Resume) -> None:
    received: list[Said] = []

    async def listen(resumed: Resumed) -> None:
        async for message in resumed.messages:
            received.append(message)

    async with crashing(tmp_path) as box:
        await box.batch({"type": "job_started", "job_id": "a"})
        [started] = await box.events()
        async with trio.open_nursery() as nursery:

            async def connected(task_status: trio.TaskStatus[None]) -> None:
                try:
                    async with resume(box.server.url, started["epoch"], 0) as resumed:
                        task_status.started()
                        await listen(resumed)
                except AssertionError:
                    raise
                except Exception:  # noqa: BLE001, S110 - each transport has its own way to end
                    pass

            await nursery.start(connected)
            for part in range(10):
                await box.batch(*progress("a", range(20), note=str(part)))
            await box.kill()
    async with crashing(tmp_path) as box:
        await box.batch(*progress("a", range(20), note="after"))
        messages = await box.events()
        last = received[-1] if received else {"epoch": started["epoch"], "seq": 0}
        received += await read(box, resume, last, len(messages) - len(received))
        assert received == messages


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/ws/poll", "/progress/events"])
async def test_a_client_may_wait_for_the_next_message(url: str, path: str) -> None:
    last = (await kept(url))[-1]
    answers: list[Said] = []
    async with client_of(url) as client:
        shaken = (await client.post("/ws/handshake", json={})).json()
        subscribers = (await client.get("/health")).json()["subscribers"]

        async def ask(wait: float) -> None:
            position = f"{last['epoch']}/{last['seq']}"
            query = {"client_id": shaken["client_id"], "ack": position, "since": position, "wait": str(wait)}
            answers.append((await client.get(path, params=query)).json())

        await ask(0.01)
        assert (answers.pop()["messages"]) == []
        with trio.fail_after(40):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask, 50)
                while (await client.get("/health")).json()["subscribers"] == subscribers:
                    pass
                assert answers == []
                await report(url, progress("a", range(1)))
    assert [message["seq"] for message in answers[0]["messages"]] == [last["seq"] + 1]
