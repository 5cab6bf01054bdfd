"""Clients that resume at a follower behind their position."""

import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.server.runtime.test_following import leader_and_follower
from tests.support.crashing import Crashing
from tests.support.listening import listening
from tests.support.postgres import Postgres

pytestmark = pytest.mark.needs("postgres")


def is_away(answer: httpx.Response) -> None:
    """Check that the answer is an error after which the client tries again."""
    assert (answer.status_code, answer.json()["code"]) == (503, "LOG_UNAVAILABLE"), answer.text
    assert answer.headers["Retry-After"] == "1"


async def rejects_every_transport(box: Crashing, epoch: str, seq: int) -> None:
    """Check that a server temporarily rejects all clients that resume after message `seq`."""
    since = f"{epoch}/{seq}"

    async def by_poll() -> None:
        client_id = (await box.post("/ws/handshake"))["client_id"]
        is_away(await box.client.get("/ws/poll", params={"client_id": client_id, "ack": since}))

    async def by_socket() -> None:
        async with listening(box.server.url) as listener:
            await listener.send("subscribe", channels=["jobs"], since={"epoch": epoch, "seq": seq})
            code, reason = await listener.wait_closed()
            assert (code, f"can't resume from {seq} yet" in reason) == (1001, True)

    async def by_events() -> None:
        is_away(await box.client.get("/events", headers={"Last-Event-ID": since}))

    async def by_page() -> None:
        is_away(await box.client.get("/progress/events", params={"since": since}))

    async with trio.open_nursery() as nursery:
        for transport in (by_poll, by_socket, by_events, by_page):
            nursery.start_soon(transport)


async def answer(box: Crashing, since: str) -> dict[str, Any]:
    """Return the page after a position, once a server has one; it may begin to lead or to follow meanwhile."""
    while True:
        await trio.lowlevel.checkpoint()
        with suppress(httpx.TransportError):
            answer = await box.client.get("/progress/events", params={"since": since})
            if answer.status_code == 200:
                found: dict[str, Any] = answer.json()
                return found


@pytest.mark.slow
async def test_a_position_is_lost_only_if_the_database_does_not_have_it(own_postgres: Postgres, tmp_path: Path) -> None:
    async with leader_and_follower(own_postgres, tmp_path) as boxes:
        position = (await boxes[0].get("/ws/status"))["position"]
        epoch, ahead = position["epoch"], position["seq"] + 1
        own_postgres.stop(signal.SIGQUIT)
        async with trio.open_nursery() as nursery:
            for box in boxes:
                nursery.start_soon(rejects_every_transport, box, epoch, ahead)
        own_postgres.start()
        for box in boxes:
            assert not (await answer(box, f"{epoch}/{ahead}"))["recovered"]
