"""Limits that are configured: each has an error of its own, and is counted."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from listening import listening
from servers import serving

DEEP: Any = {"a": {"a": {"a": {"a": 1}}}}


async def test_a_message_over_its_bound_is_closed_with_1009_and_counted(tmp_path: Path) -> None:
    async with serving(tmp_path, max_message=2000) as client:
        async with listening(client) as listener:
            await listener.say("register", client_name="x" * 2000)
            assert (await listener.wait_closed())[0] == 1009
        async with listening(client):
            pass
        while 'phaseline_websockets_broken_total{code="1009"} 1.0' not in (await client.get("/metrics")).text:
            await trio.lowlevel.checkpoint()


async def report(client: httpx.AsyncClient, kind: str, **body: Any) -> httpx.Response:
    return await client.post(f"/progress/{kind}", json={"job_id": "a", **body})


@pytest.mark.parametrize(
    ("limit", "kind", "body", "status", "code"),
    [
        ({"max_body": 2000}, "photo", {"photo_data": {"x": "y" * 2000}}, 413, "TOO_LARGE"),
        ({"max_depth": 4}, "photo", {"photo_data": DEEP}, 400, "INVALID_JSON"),
        ({"max_job_bytes": 1024}, "photo", {"photo_data": {"x": "y" * 1200}}, 413, "TOO_LARGE"),
        ({"max_phases": 2}, "report", {"stage": "three", "progress": 1}, 422, "INVALID_FIELD"),
        ({"max_jobs": 1}, "start", {"job_id": "b"}, 429, "TOO_MANY"),
    ],
)
async def test_a_limit_has_its_error_and_is_counted(
    tmp_path: Path, limit: dict[str, int], kind: str, body: dict[str, Any], status: int, code: str
) -> None:
    async with serving(tmp_path, **limit) as client:
        assert (await report(client, "start", phases=["one", "two"])).status_code == 200
        answer = await report(client, kind, **body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert ("Retry-After" in answer.headers) == (status == 429)
        assert f'phaseline_refused_total{{code="{code}"}} 1.0' in (await client.get("/metrics")).text
    unlimited = tmp_path / "unlimited"
    unlimited.mkdir()
    async with serving(unlimited) as client:
        await report(client, "start", phases=["one", "two"])
        assert (await report(client, kind, **body)).status_code == 200
