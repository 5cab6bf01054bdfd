"""Picture runs with invalid names, and conflicts with other clients."""

from pathlib import Path
from typing import Any

import pytest
import trio

from phaseline_server.pictures import helpers
from tests.support.disks import names
from tests.support.pictures import GOOD, Gate, ask, made, starts, studio, wait_over
from tests.support.servers import serving

PATH = "/dalle/simple/0xabc"


async def delete(client: Any, path: str, status: int = 200) -> dict[str, Any]:
    response = await client.delete(path)
    assert response.status_code == status, response.text
    found: dict[str, Any] = response.json()
    return found


BAD_SERIES = [
    "a b",
    "b%0a",
    "ä",
    "x" * 65,
    ".",
    "a.b",
    "%00",
    "a%0d%0aX",
    "%1b[31m",
    "..",
    "%2e%2e",
    "a%2fb",
    "a/b",
    "a\\b",
    "+",
]
BAD_ADDRESSES = ["abc", "0x", "0xg", "0x" + "1" * 65, "1x1", "0x1.png", "0x1%00", "0x1%0d%0a", "0x1 ", "%1b0x1", "0x١"]


async def test_invalid_names_are_rejected_with_their_code_and_create_no_file(tmp_path: Path) -> None:
    cases = [(f"/dalle/{series}/0x1", "INVALID_SERIES") for series in BAD_SERIES]
    cases += [(f"/dalle/simple/{address}", "INVALID_ADDRESS") for address in BAD_ADDRESSES]
    cases += [("/dalle//0x1", "INVALID_SERIES"), ("/dalle/simple/", "INVALID_ADDRESS")]
    async with serving(tmp_path) as client:
        port = client.base_url.port
        assert port
        for path, code in cases:
            for query in ("", "?generate=1", "?remove=1"):
                # Raw: an HTTP client would normalize such paths.
                status, body = await raw_get(port, path + query)
                assert (status, code in body) == (400, True), (path, body)
                assert body.isascii()
                assert body.isprintable()
        assert await starts(client) == 0
    assert names(tmp_path) == ["journal.lock", "journal.sqlite3"]


async def raw_get(port: int, target: str) -> tuple[int, str]:
    """Return status and body of the response to a request for exactly this target."""
    line = target.replace(" ", "%20").encode("utf-8")
    quoted = b"".join(b"%%%02X" % byte if byte > 126 else bytes([byte]) for byte in line)
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % quoted)
        answer = b"".join([chunk async for chunk in stream])
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


async def test_a_path_with_too_few_parts_gets_404(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for path in ("/dalle", "/dalle/", "/dalle/simple"):
            assert (await ask(client, path, 404))["code"] == "NOT_FOUND"


async def test_the_error_for_an_unknown_series_lists_the_known_ones(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for query in ("", "?generate=1"):
            error = await ask(client, f"/dalle/nowhere/0x1{query}", 404)
            assert error["code"] == "UNKNOWN_SERIES"
            assert "defined: nocturne, simple" in error["error"]
        assert await starts(client) == 0


async def test_a_broken_series_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "mine.json").write_text('{"detail": 99}')
    async with serving(tmp_path) as client:
        for query in ("", "?generate=1"):
            error = await ask(client, f"/dalle/mine/0x1{query}", 422)
            assert error["code"] == "BAD_SERIES_FILE"
            assert "series/mine.json" in error["error"]
        assert await starts(client) == 0


@pytest.mark.slow
async def test_a_client_that_ends_the_job_of_a_run_does_not_stop_the_server(tmp_path: Path) -> None:
    gate = Gate()
    async with studio(tmp_path, gate) as (client, _):
        await ask(client, f"{PATH}?generate=1")
        ended = await client.post("/progress/complete", json={"job_id": "dalle:simple:0xabc", "success": False})
        assert ended.status_code == 200
        gate.opened.set()
        await wait_over()
        assert (await ask(client, "/health"))["status"] == "ok"
        assert (await ask(client, PATH))["done"] is True
        assert (await made(client, "/dalle/simple/0x1"))["error"] == ""


@pytest.mark.slow
async def test_a_run_is_blocked_by_another_clients_job_with_its_id_until_that_ends(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, api):
        job = {"job_id": "dalle:simple:0xabc", "workflow": "dalle"}
        assert (await client.post("/progress/start", json=job)).status_code == 200
        error = await ask(client, f"{PATH}?generate=1", 409)
        assert error["code"] == "ILLEGAL_EVENT"
        assert (await ask(client, PATH, 404))["code"] == "NO_RUN"
        await client.post("/progress/complete", json={"job_id": "dalle:simple:0xabc"})
        assert (await made(client, PATH))["error"] == ""
        assert len(api.requests) == 1


@pytest.mark.slow
async def test_a_server_full_of_active_jobs_rejects_a_new_run(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD, max_jobs=1) as (client, _):
        await client.post("/progress/start", json={"job_id": "a"})
        answer = await client.get(f"{PATH}?generate=1")
        assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (429, "TOO_MANY", "1")
        await client.post("/progress/complete", json={"job_id": "a"})
        assert (await made(client, PATH))["error"] == ""


@pytest.mark.slow
async def test_runs_that_the_tracker_evicted_are_removed(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD, max_jobs=1) as (client, _):
        for number in range(5):
            await made(client, f"/dalle/simple/0x{number}")
        assert len(helpers._running[-1][0]._runs) == 2


@pytest.mark.slow
async def test_a_run_starts_completely_if_its_client_disconnects_during_the_preparation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        runs = helpers._running[-1][0]
        prepared = runs._prepared

        def leave(*arguments: Any, **options: Any) -> Any:
            trio.from_thread.run_sync(leaving.cancel)
            return prepared(*arguments, **options)

        monkeypatch.setattr(runs, "_prepared", leave)
        with trio.CancelScope() as leaving:
            await runs.start("simple", "0xabc")
        await wait_over()
        last = await ask(client, PATH)
        assert (last["done"], last["error"]) == (True, "")
        assert (await delete(client, PATH))["removed"] is True


@pytest.mark.slow
async def test_a_run_starts_completely_if_its_client_disconnects(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        port = client.base_url.port
        assert port
        for _ in range(20):
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                await stream.send_all(b"GET %s?generate=1 HTTP/1.1\r\nHost: localhost\r\n\r\n" % PATH.encode())
        last = await made(client, PATH)
        assert (last["done"], last["error"]) == (True, "")
        assert await starts(client) == 1
