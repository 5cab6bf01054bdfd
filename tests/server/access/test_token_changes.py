"""Tokens that are created, revoked, expired or rate-limited while the server runs."""

from pathlib import Path

import httpx
import pytest
from trio.testing import MockClock
from trio_websocket import ConnectionClosed

from phaseline_server.access import keeper
from phaseline_server.access.grant import Scope
from phaseline_server.access.tokens import TokenFile
from tests.support.permissions import PROGRESS, guarded, receive, send, verdict, websocket
from tests.support.servers import serving
from tests.support.tokens import shown


async def test_a_running_server_applies_created_and_revoked_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_ROUND_S", 0.05)
    async with serving(tmp_path) as client:
        file = TokenFile(tmp_path)
        async with websocket(client) as before:
            await send(before, "subscribe")
            text, token = file.create(Scope.READ)
            assert (await client.get("/progress/jobs")).status_code == 401
            with pytest.raises(ConnectionClosed):  # it connected while the server was open
                await receive(before)
        headers = {"Authorization": f"Bearer {text}"}
        assert (await client.get("/progress/jobs", headers=headers)).status_code == 200
        async with websocket(client, **headers) as socket:
            await send(socket, "subscribe")
            file.revoke(token.id)
            assert (await client.get("/progress/jobs", headers=headers)).status_code == 401
            with pytest.raises(ConnectionClosed) as closed:
                await receive(socket)
            assert closed.value.reason is not None
            assert closed.value.reason.code == 4501
        (tmp_path / "tokens.json").unlink()
        assert (await client.get("/progress/jobs")).status_code == 401


async def test_an_expired_token_is_rejected(tmp_path: Path) -> None:
    text, _ = TokenFile(tmp_path).create(Scope.READ, ttl_s=-1)
    async with serving(tmp_path) as client:
        answer = await client.get("/progress/jobs", headers={"Authorization": f"Bearer {text}"})
        assert (answer.status_code, "expired" in answer.json()["error"]) == (401, True)


async def test_reports_are_rate_limited_per_token(tmp_path: Path, mock_clock: MockClock) -> None:
    # On a stopped clock, so that a slow machine does not give the token another report meanwhile.
    async with guarded(tmp_path, max_reports=3) as (client, tokens):

        async def report() -> httpx.Response:
            return await client.post("/progress/report", json=PROGRESS, headers=shown(tokens, "report"))

        for _ in range(2):
            answers = [await report() for _ in range(5)]
            assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
            assert (answers[-1].json()["code"], answers[-1].headers["Retry-After"]) == ("RATE_LIMITED", "1")
            mock_clock.jump(1)
        async with websocket(client, **shown(tokens, "report:shot-")) as socket:
            await send(socket, "register", acks=True)
            outcome = [verdict(await send(socket, "job_progress", **PROGRESS)) for _ in range(4)]
        assert outcome == ["fine"] * 3 + ["4429"]
