"""The Lua client with the addresses of several servers that share a log."""

from pathlib import Path
from typing import Any

import pytest
import trio

from tests.clients.test_lua import MODES, run, script, status
from tests.clients.test_several_servers import numbers_in, without_log
from tests.server.runtime.test_following import leader_and_follower
from tests.server.runtime.test_shared_log import folder
from tests.support.ports import free_port
from tests.support.postgres import Postgres
from tests.support.reporting import network, subscriber
from tests.support.servers import server_process

pytestmark = pytest.mark.needs("lua5.1")

START = "local client = require 'WebSocketClient'; client.sendJobStart('job_1', 7, {})"


@pytest.mark.parametrize("mode", MODES)
async def test_the_second_server_is_used_if_the_first_is_down(mode: str, tmp_path: Path) -> None:
    async with server_process(folder(tmp_path)) as server:
        output = await run(script(mode, START), f"http://127.0.0.1:{free_port()}, {server.url}/")
        assert (await status(server.url, "job_1"))["state"] == "active"
    assert output == ""


async def test_if_no_server_is_reachable_all_are_named_once() -> None:
    urls = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    lines = [START, "client.flush(1)", "io.stderr:write(client.waiting(), ' wait'); os.exit(0)"]
    output = await run(script("luasocket", *lines), ",".join(urls))
    assert output.count("no connection to") == 1
    assert f"no connection to {','.join(urls)} (" in output
    assert output.endswith("1 wait")


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
async def test_each_report_is_recorded_once_if_answers_are_lost(mode: str, tmp_path: Path) -> None:
    count = 150
    async with (
        server_process(folder(tmp_path)) as server,
        network(server.url) as first,
        network(server.url) as second,
        subscriber(server.url) as watching,
    ):
        lines = [
            START,
            f"for n = 0, {count - 1} do client.sendPhotoInfo('job_1', 7, {{ n = n }}) end",
            "RUN",
            "client.sendJobComplete('job_1', true, {}, 1)",
        ]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, script(mode, *lines), f"{first.url},{second.url}")
            await watching.until_type("photo_info")
            first.deaf_after = 1
            await watching.until_type("job_completed")
    assert numbers_in(watching.messages) == dict.fromkeys(range(count), 1)
    assert second.connections > 0


@pytest.mark.needs("postgres")
@pytest.mark.parametrize("ever", [False, True])
@pytest.mark.slow
async def test_the_client_leaves_a_server_whose_log_is_unavailable(tmp_path: Path, ever: bool) -> None:
    async with without_log(tmp_path, ever=ever) as away, server_process(folder(tmp_path)) as server:
        assert await run(script("luasocket", START), f"{away.url},{server.url}") == ""
        assert (await status(server.url, "job_1"))["state"] == "active"


@pytest.mark.slow
@pytest.mark.needs("postgres")
async def test_all_is_recorded_once_when_the_server_is_killed(postgres: Postgres, tmp_path: Path) -> None:
    count, begun = 200, tmp_path / "begun"
    lines = [
        START,
        f"for n = 0, {count - 1} do client.sendPhotoInfo('job_1', 7, {{ n = n }})",
        f"    if n == {count // 2} then client.flush(60); io.open('{begun}', 'w'):close() end",
        "end",
        "client.sendJobComplete('job_1', true, {}, 1)",
    ]
    async with leader_and_follower(postgres, tmp_path) as (one, other):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, script("luasocket", *lines), f"{one.server.url},{other.server.url}")
            while not begun.exists():  # noqa: ASYNC110 - another process makes the file
                await trio.sleep(0.001)
            await one.kill()
        found: list[dict[str, Any]] = await other.events()
        assert numbers_in(found) == dict.fromkeys(range(count), 1)
        assert (await other.job("job_1"))["state"] == "completed"
