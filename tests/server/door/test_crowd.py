"""Limits on connections per address."""

from dataclasses import replace

import pytest

from phaseline_server.door.crowd import Crowd, Full
from tests.support.door_clients import FRESH, PATIENT, open_door, read_until


def test_the_limit_per_address_exempts_loopback() -> None:
    crowd = Crowd(6, 2)
    assert [crowd.enter("192.0.2.1") for _ in range(3)] == [None, None, Full.ADDRESS]
    assert [crowd.enter("192.0.2.2"), crowd.enter("127.0.0.1"), crowd.enter("::1"), crowd.enter("")] == [None] * 4
    assert crowd.enter("127.0.0.1") is Full.TOTAL
    crowd.leave("192.0.2.1")
    assert crowd.enter("192.0.2.1") is None


@pytest.mark.parametrize(("second", "full"), [("2001:db8::ffff", Full.ADDRESS), ("2001:db8:0:1::1", None)])
def test_an_ipv6_network_is_limited_as_one_address(second: str, full: Full | None) -> None:
    crowd = Crowd(9, 1)
    assert crowd.enter("2001:db8::1") is None
    assert crowd.enter(second) is full


async def test_a_connection_over_the_limit_gets_429_and_retry_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phaseline_server.door.crowd._is_ours", lambda _: False)  # there is no other machine here
    async with open_door(limits=replace(PATIENT, connections_per_address=1)) as opened:
        first = await opened.connect()
        async with first:
            await first.send_all(FRESH.replace(b"Connection: close\r\n", b""))
            await read_until(first, b"here")
            answer = await opened.ask()
            assert answer.startswith(b"HTTP/1.1 429 ")
            assert b"retry-after: 1" in answer
            assert b'"code": "TOO_MANY"' in answer
        await opened.wait_empty()
        assert (await opened.ask()).startswith(b"HTTP/1.1 200 ")
        assert opened.door.statistics().counts.refused == {429: 1}
