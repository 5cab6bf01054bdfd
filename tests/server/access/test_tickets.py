"""Tickets only open streams, and one token can't use up all of them."""

from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from phaseline_server.access import keeper
from phaseline_server.access.tickets import Tickets
from tests.support.servers import serving
from tests.support.tokens import make_tokens, shown


async def status_of(client: httpx.AsyncClient, method: str, target: str, body: Any, headers: dict[str, str]) -> int:
    async with client.stream(method, target, json=body, headers=headers) as answer:
        return answer.status_code


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", "/ws/ticket", None),
        ("POST", "/ws/broadcast", {"message": {"type": "note"}}),
        ("POST", "/progress/start", {"job_id": "new"}),
        ("GET", "/progress/jobs", None),
        ("POST", "/ws/handshake", {}),
    ],
)
async def test_a_ticket_opens_streams_and_nothing_else(tmp_path: Path, method: str, target: str, body: Any) -> None:
    tokens = make_tokens(tmp_path)
    async with serving(tmp_path) as client:
        ticket = (await client.post("/ws/ticket", headers=shown(tokens, "admin"))).json()["ticket"]
        headers = {"Authorization": f"Bearer {ticket}"}
        assert await status_of(client, method, target, body, headers) == 401
        assert await status_of(client, "GET", "/events", None, headers) == 200  # it was not used up


async def test_one_token_takes_only_its_share_of_the_tickets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "Tickets", partial(Tickets, 20))
    tokens = make_tokens(tmp_path)
    async with serving(tmp_path) as client:

        async def issued(caller: str) -> int:
            answers = [await client.post("/ws/ticket", headers=shown(tokens, caller)) for _ in range(20)]
            assert {answer.status_code for answer in answers} <= {200, 429}
            return sum(answer.status_code == 200 for answer in answers)

        callers = ("report", "report:shot-", "read", "read:shot-", "admin")
        assert [await issued(caller) for caller in callers] == [5, 5, 5, 3, 2]
