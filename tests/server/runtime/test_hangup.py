"""SIGHUP reloads a real server, and ends one whose terminal has closed. For the certificate, see test_tls.py."""

import fcntl
import os
import signal
import subprocess
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from tests.support.servers import SERVER, client_of, environment, server_process

GUARD_S = 60


async def test_a_reload_without_tls_changes_nothing(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server, client_of(server.url) as client:
        server.process.send_signal(signal.SIGHUP)
        with trio.fail_after(GUARD_S):
            while not any("no certificate to load" in line for line in server.log):
                assert server.process.poll() is None
                await trio.sleep(0.01)
        assert (await client.get("/health")).status_code == 200


@contextmanager
def hung_up(data_dir: Path, *prefix: str) -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
    """Start a server on its own terminal, close that terminal, and yield the process and its log."""
    ours, its = os.openpty()
    process = subprocess.Popen(
        [*prefix, *SERVER, "--bind", "127.0.0.1:0", "--data-dir", str(data_dir)],
        stdin=its,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 (the child has one thread)
    )
    os.close(its)
    guard = threading.Timer(GUARD_S, process.kill)
    guard.start()
    try:
        assert process.stderr is not None
        with process.stderr:
            assert any("listening" in line for line in process.stderr)
            os.close(ours)
            yield process, process.stderr
    finally:
        guard.cancel()
        process.kill()
        process.wait()


def test_a_server_shuts_down_cleanly_when_its_terminal_closes(tmp_path: Path) -> None:
    with hung_up(tmp_path) as (process, log):
        assert any("shutting down" in line for line in log)
        assert process.wait() == 0


def test_a_server_under_nohup_outlives_its_terminal(tmp_path: Path) -> None:
    with hung_up(tmp_path, "nohup") as (process, log):
        assert any("no certificate to load" in line for line in log)
        assert process.poll() is None
