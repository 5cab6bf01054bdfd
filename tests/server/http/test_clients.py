"""The list of connected clients: its bounds, and that its costs do not grow with the number of clients."""

import time
from pathlib import Path

import pytest
import trio
import trio.testing

from phaseline.stream import Position
from phaseline_server.access.grant import OPEN
from phaseline_server.errors import UnknownClient
from phaseline_server.http.clients import Clients
from tests.support.servers import serving

TOP = Position("e", 0)


async def test_a_polling_client_expires_after_its_silence(autojump_clock: trio.testing.MockClock) -> None:
    clients = Clients(patience=300)
    silent, active = (clients.open_session(TOP, OPEN, "").client_id for _ in range(2))
    clients.subscribe(clients.polling(silent, OPEN), frozenset({"jobs"}))
    await trio.sleep(200)
    clients.polling(active, OPEN)
    await trio.sleep(200)
    assert [client.client_id for client in clients.all()] == [active]
    assert not clients.subscribers
    with pytest.raises(UnknownClient):
        clients.polling(silent, OPEN)


async def test_the_cost_of_a_poll_does_not_depend_on_the_number_of_clients() -> None:
    def cost(count: int) -> float:
        clients = Clients(most=count)
        ids = [clients.open_session(TOP, OPEN, "").client_id for _ in range(count)]
        polls = (ids * 100)[:1000]
        begun = time.process_time()
        for client_id in polls:
            clients.polling(client_id, OPEN)
        return time.process_time() - begun

    few, many = (min(cost(count) for _ in range(3)) for count in (10, 5000))
    assert many < 20 * few  # it is 200 times that if each poll looks at all clients


async def test_lists_of_channels_are_bounded_and_have_the_number_of_all(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for number in range(3):
            names = [*(f"job:{number}-{each}" for each in range(800)), "jobs"]
            await client.post("/ws/handshake", json={"channels": names})
        status = (await client.get("/ws/status")).json()
        assert (len(status["channels"]), status["channel_count"]) == (1000, 2401)
        assert status["channels"]["jobs"] == 3
        listed = (await client.get("/ws/clients")).json()["clients"]
        assert [len(each["channels"]) for each in listed] == [801, 199, 0]
        assert [each["channel_count"] for each in listed] == [801] * 3
