"""Servers whose log is in a database with a synchronous standby: each of the two databases can fail."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.server.runtime.test_following import leader_and_follower
from tests.server.runtime.test_shared_log import folder, report, report_until_accepted
from tests.support.crashing import Crashing, crashing
from tests.support.postgres_pair import PostgresPair
from tests.support.resuming import by_websocket
from tests.support.roaming import Roaming

pytestmark = pytest.mark.needs("postgres")


async def position(box: Crashing) -> dict[str, Any]:
    """Return the position of a server."""
    found: dict[str, Any] = (await box.get("/ws/status"))["position"]
    return found


async def comes_to(box: Crashing, seq: int) -> None:
    """Return once a server has published message `seq`; it may begin to lead or to follow meanwhile."""
    while True:
        await trio.lowlevel.checkpoint()
        with suppress(httpx.TransportError):
            answer = await box.client.get("/ws/status")
            if answer.status_code == 200 and answer.json()["position"]["seq"] >= seq:
                return


async def is_unready(box: Crashing) -> None:
    """Return once a server is not ready; it notices that with its next sign of life, in a second."""
    with trio.fail_after(60):
        while (await box.client.get("/health", params={"check": "readiness"})).status_code != 503:
            await trio.lowlevel.checkpoint()


async def is_rejected(box: Crashing, number: int) -> None:
    """Check that a server temporarily rejects a report."""
    answer = await report(box, number)
    assert (answer.status_code, answer.json()["code"]) == (503, "LOG_UNAVAILABLE"), answer.text
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.slow
async def test_without_its_standby_reports_are_rejected_and_become_visible_when_it_is_back(
    postgres_pair: PostgresPair, tmp_path: Path
) -> None:
    async with leader_and_follower(postgres_pair, tmp_path) as (one, other):
        before = await position(one)
        await trio.to_thread.run_sync(postgres_pair.standby.kill)
        await is_rejected(one, 1)  # it waits for the standby
        await is_rejected(one, 2)  # so nothing else is tried
        await is_rejected(other, 3)
        await is_unready(one)
        assert await position(one) == await position(other) == before
        assert [message["seq"] for message in await other.events()] == [1]
        await trio.to_thread.run_sync(postgres_pair.standby.start)
        for box in (one, other):
            await comes_to(box, 2)  # the report that waited, though its client has not sent it again
        assert await report_until_accepted(other, 1) == 2  # recognized
        assert [await report_until_accepted(one, number) for number in (2, 3)] == [3, 4]
        for box in (one, other):
            await comes_to(box, 4)
        assert await other.events() == await one.events()
        assert (await position(one))["epoch"] == before["epoch"]


@pytest.mark.slow
async def test_servers_follow_the_standby_that_is_promoted_and_lose_nothing(
    postgres_pair: PostgresPair, tmp_path: Path
) -> None:
    async with leader_and_follower(postgres_pair, tmp_path) as (one, other):
        taken = [await report_until_accepted(one, number) for number in range(10)]
        await comes_to(other, taken[-1])
        epoch = (await position(one))["epoch"]
        seen: list[int] = []
        subscriber = Roaming([other.server.url], by_websocket, epoch)

        def take(message: dict[str, Any]) -> bool:
            seen.append(message["seq"])
            return len(seen) == 30

        async with trio.open_nursery() as nursery:
            nursery.start_soon(subscriber.read, take)
            for first in (10, 20):  # and back again, to the database that was the primary at first
                await trio.to_thread.run_sync(postgres_pair.fail_over)
                await is_rejected(one, first)  # the new primary has no standby yet
                await trio.to_thread.run_sync(postgres_pair.rejoin)
                taken += [await report_until_accepted(one, number) for number in range(first, first + 10)]
        assert taken == seen == list(range(1, 31))
        assert subscriber.unrecovered == 0
        for box in (one, other):
            assert [message["seq"] for message in await box.events()] == taken
            async with by_websocket(box.server.url, epoch, 15) as stream:  # before the second failover
                assert (stream.recovered, (await anext(stream.messages))["seq"]) == (True, 16)
            assert (await box.client.get("/health", params={"check": "readiness"})).status_code == 200


async def test_a_server_rejects_a_read_only_replica(postgres_pair: PostgresPair, tmp_path: Path) -> None:
    url = postgres_pair.new_database()
    database = url.rpartition("/")[2]
    async with crashing(folder(tmp_path), "--log", postgres_pair.standby.url(database, database)) as box:
        await is_rejected(box, 0)
        with trio.fail_after(60):
            while not any("read-only" in line for line in box.server.log):
                await trio.lowlevel.checkpoint()
        await is_unready(box)
