"""Forked servers, on which most tests rely, end as processes do."""

import signal
from pathlib import Path

import trio

from tests.support.servers import client_of, server_process


async def test_the_end_of_each_of_two_forked_servers_is_seen(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    with trio.fail_after(60):
        async with server_process(folders[0]) as first, server_process(folders[1]) as second:
            first.process.kill()
            assert await first.process.wait() == -signal.SIGKILL
            async with client_of(second.url) as client:
                assert (await client.get("/health")).status_code == 200
            second.process.terminate()
            assert await second.process.wait() == 0
            assert (first.process.returncode, second.process.poll()) == (-signal.SIGKILL, 0)
