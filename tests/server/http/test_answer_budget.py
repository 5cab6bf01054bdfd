"""Large answers: pages are bounded in bytes, and all answers in flight share one budget."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from phaseline_server.errors import Busy
from phaseline_server.http import services
from phaseline_server.http.answer_budget import PAGE_BYTES, AnswerBudget
from tests.support.door_clients import read_until
from tests.support.servers import serving


async def report_much(client: httpx.AsyncClient, mebibytes: int) -> None:
    """Report messages of 10 KiB each."""
    await client.post("/progress/start", json={"job_id": "a", "phases": ["x"]})
    error = {"type": "error_occurred", "job_id": "a", "error_type": "x", "error_message": "m" * 10_000}
    for _ in range(mebibytes * 5):
        assert (await client.post("/progress/batch", json=[error] * 20)).json()["success"] is True


@pytest.mark.parametrize("history", [0, 10_000])  # from the disk, and from memory
async def test_pages_are_bounded_in_bytes_and_a_position_continues_them(tmp_path: Path, history: int) -> None:
    async with serving(tmp_path, history=history, max_job_bytes=2**26) as client:
        await report_much(client, 3)
        top = (await client.get("/ws/status")).json()["position"]
        seen: list[int] = []
        at: dict[str, Any] = {"epoch": top["epoch"], "seq": 0}
        while at != top:
            answer = await client.get(f"/progress/events?limit=10000&since={at['epoch']}/{at['seq']}")
            page = answer.json()
            assert len(answer.content) < PAGE_BYTES + 20_000
            assert page["count"] == len(page["messages"]) > 0
            seen += [message["seq"] for message in page["messages"]]
            at = page["position"]
        assert seen == list(range(1, top["seq"] + 1))


async def test_lines_and_polls_are_bounded_too_and_a_stream_gets_everything(tmp_path: Path) -> None:
    async with serving(tmp_path, max_job_bytes=2**26) as client:
        opened = (await client.post("/ws/handshake", json={})).json()
        await report_much(client, 3)
        top = (await client.get("/ws/status")).json()["position"]["seq"]
        lines = await client.get("/progress/events?limit=10000", headers={"Accept": "application/x-ndjson"})
        assert len(lines.content) < PAGE_BYTES + 20_000
        last = lines.text.splitlines()[-1]
        assert lines.headers["Phaseline-Position"].endswith(f"/{httpx.Response(200, content=last).json()['seq']}")
        polled = await client.get(f"/ws/poll?client_id={opened['client_id']}")
        assert len(polled.content) < PAGE_BYTES + 20_000
        port = client.base_url.port
        assert port is not None
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(f"GET /events?since={opened['epoch']}/0 HTTP/1.0\r\n\r\n".encode())
            events = await read_until(stream, f"/{top}\nevent: ".encode())
        ids = [int(line.rpartition(b"/")[2]) for line in events.split(b"\n") if line.startswith(b"id: ")]
        assert ids == list(range(1, top + 1))


async def test_parallel_readers_hold_no_more_than_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peaks: list[int] = []

    class Watched(AnswerBudget):
        def _count(self, change: int, who: str) -> None:
            super()._count(change, who)
            peaks.append(self.held)

    monkeypatch.setattr(services, "AnswerBudget", Watched)
    async with serving(tmp_path, answer_bytes=4 * 2**20, max_job_bytes=2**26) as client:
        await report_much(client, 2)

        async def read() -> None:
            assert (await client.get("/progress/events?limit=10000")).status_code == 200

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(read)
        assert 0 < max(peaks) < 2 * 2**20 + 2 * 20_000  # one client's half, and what is above a page's bound
        while peaks[-1]:  # the last answer is over for its client before it is for the server
            await trio.lowlevel.checkpoint()


async def test_a_client_that_disconnects_releases_its_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[AnswerBudget] = []

    def make(size: int) -> AnswerBudget:
        made.append(AnswerBudget(size))
        return made[0]

    monkeypatch.setattr(services, "AnswerBudget", make)
    async with serving(tmp_path, history=0) as client:
        request = b"GET /progress/events?wait=50 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        port = client.base_url.port
        assert port is not None
        with trio.fail_after(60):
            hold = await made[0].hold(made[0]._share, "127.0.0.1")
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                await stream.send_all(request)
                while not made[0]._waiting:
                    await trio.lowlevel.checkpoint()
            while made[0]._waiting:
                await trio.lowlevel.checkpoint()
            hold.resize(0)
            assert made[0].held == 0


async def test_one_client_gets_half_of_the_budget_and_waits_for_more() -> None:
    budget = AnswerBudget(100, patience_s=10)
    with ExitStack() as held:
        first = held.enter_context(await budget.hold(30, "a"))
        held.enter_context(await budget.hold(20, "a"))
        with pytest.raises(Busy, match="allowed: 100, and 50 per client"):
            await budget.hold(1, "a", patience_s=0)
        held.enter_context(await budget.hold(40, "b"))
        got: list[str] = []

        async def want(size: int, who: str) -> None:
            held.enter_context(await budget.hold(size, who))
            got.append(who)

        async with trio.open_nursery() as nursery:
            for size, who in ((20, "a"), (20, "c"), (10, "d")):
                nursery.start_soon(want, size, who)
                await wait_all_tasks_blocked()
            assert got == ["d"]
            first.resize(5)
            await wait_all_tasks_blocked()
            assert got == ["d", "a"]
            first.resize(0)
            await wait_all_tasks_blocked()
            assert got == ["d", "a"]  # of 100 bytes, 90 are taken
            nursery.cancel_scope.cancel()
        assert budget.held == 90
    assert budget.held == 0


async def test_an_answer_larger_than_the_share_is_sent_alone() -> None:
    budget = AnswerBudget(100)
    with await budget.hold(1000, "a") as hold:
        assert budget.held == 50
        hold.resize(1000)
        with pytest.raises(Busy):
            await budget.hold(1, "b", patience_s=0)
    with await budget.hold(50, "b"):
        pass


async def test_a_canceled_wait_reserves_nothing() -> None:
    budget = AnswerBudget(10)
    with await budget.hold(5, "a") as hold:
        with trio.CancelScope() as scope:
            scope.cancel()
            await budget.hold(5, "a")

        async def want() -> None:
            with await budget.hold(5, "a"):
                await trio.sleep_forever()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(want)
            await wait_all_tasks_blocked()
            hold.resize(0)  # granted, but canceled in the same moment
            nursery.cancel_scope.cancel()
    assert budget.held == 0
