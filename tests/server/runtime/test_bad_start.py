"""Starts that fail with a one-line error and exit code 2, and change nothing; and starts in spite of a problem."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import structlog.testing
import trio

from phaseline_server.config.settings import Settings
from phaseline_server.errors import PortInUse
from phaseline_server.runtime.server import serve
from tests.support.disks import names
from tests.support.pictures import GOOD, ask, made, studio
from tests.support.ports import free_port
from tests.support.servers import SERVER, client_of, environment, server_process


async def refused(*flags: str) -> str:
    """Return the one line with which a server refuses to start."""
    with trio.fail_after(60):
        ended = await trio.run_process(
            [*SERVER, *flags], capture_stdout=True, capture_stderr=True, check=False, env=environment()
        )
    assert ended.returncode == 2
    assert ended.stdout == b""
    lines = ended.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("progress-server: error: ")
    return lines[0].removeprefix("progress-server: error: ")


@pytest.mark.slow
async def test_a_missing_parent_of_the_data_directory_prevents_the_start(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    line = await refused("--bind", "127.0.0.1:0", "--data-dir", str(missing / "data"))
    assert line == (
        f"data directory {missing}/data has no parent directory {missing}; create it (mkdir -p {missing}) or choose "
        "another with --data-dir"
    )
    assert not missing.exists()


@pytest.mark.slow
async def test_a_data_directory_that_cannot_be_created_prevents_the_start(
    tmp_path: Path, make_unwritable: Callable[[Path], None]
) -> None:
    make_unwritable(tmp_path)
    line = await refused("--bind", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"))
    assert line.startswith(f"cannot make data directory {tmp_path}/data: ")
    assert line.endswith("; choose another with --data-dir")


@pytest.mark.slow
async def test_a_file_in_place_of_the_data_directory_prevents_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    line = await refused("--bind", "127.0.0.1:0", "--data-dir", str(tmp_path / "file"))
    assert "is not a directory; choose another" in line
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.slow
async def test_a_read_only_data_directory_prevents_the_start(
    tmp_path: Path, make_unwritable: Callable[[Path], None]
) -> None:
    make_unwritable(tmp_path)
    assert "cannot write to data directory" in await refused("--bind", "127.0.0.1:0", "--data-dir", str(tmp_path))


@pytest.mark.slow
async def test_an_unreadable_metrics_file_prevents_the_start(tmp_path: Path) -> None:
    (tmp_path / "metrics" / "progress_phase_stats.json").mkdir(parents=True)
    line = await refused("--bind", "127.0.0.1:0", "--data-dir", str(tmp_path))
    assert "progress_phase_stats.json: Is a directory" in line


@pytest.mark.slow
async def test_a_port_in_use_prevents_the_start_and_changes_nothing(tmp_path: Path) -> None:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        # The other address must not stay open when the first is taken, nor the corrupt file be touched.
        (tmp_path / "metrics").mkdir()
        (tmp_path / "metrics" / "progress_phase_stats.json").write_text("corrupt")
        line = await refused("--bind", "127.0.0.1:0", "--bind", f"127.0.0.1:{port}", "--data-dir", str(tmp_path))
    assert f"127.0.0.1:{port} is in use" in line
    assert "--bind 127.0.0.1:0" in line
    assert names(tmp_path / "metrics") == ["progress_phase_stats.json"]


async def test_a_default_port_in_use_is_skipped(tmp_path: Path) -> None:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        taken = f"127.0.0.1:{listener.socket.getsockname()[1]}"
        settings = Settings(bind=(taken, f"127.0.0.1:{free_port()}"), data_dir=str(tmp_path))
        with structlog.testing.capture_logs() as logs:
            async with trio.open_nursery() as nursery:
                urls = await nursery.start(
                    lambda task_status: serve(settings, explicit_bind=False, task_status=task_status)
                )
                assert urls == [f"http://{settings.bind[1]}"]
                async with client_of() as client:
                    assert (await client.get(f"{urls[0]}/health")).status_code == 200
                nursery.cancel_scope.cancel()
        # A slow machine may log more, mostly at the end; that is ignored here.
        assert [(entry["log_level"], entry["taken"]) for entry in logs if "taken" in entry] == [("warning", taken)]
        with pytest.raises(PortInUse):
            await serve(Settings(bind=(taken,), data_dir=str(tmp_path)), explicit_bind=False)


async def test_an_invalid_setting_prevents_the_start(tmp_path: Path) -> None:
    line = await refused("--data-dir", str(tmp_path), "--picture-size", "big")
    assert line.startswith("picture_size is 'big'")


# ------------------------------------------------------------------ starts that can be


async def test_a_corrupt_metrics_file_is_renamed_and_logged(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "progress_phase_stats.json").write_text('{"version": "v1"')
    async with server_process(tmp_path) as server:
        server.process.send_signal(signal.SIGTERM)
        assert await server.process.wait() == 0
    [aside] = names(tmp_path / "metrics")
    assert aside.startswith("progress_phase_stats.json.corrupt-")
    assert (tmp_path / "metrics" / aside).read_text() == '{"version": "v1"'
    [reported] = [line for line in server.log if aside in line]
    assert "warning" in reported


@pytest.mark.slow
async def test_an_invalid_series_file_only_affects_its_own_series(tmp_path: Path) -> None:
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "broken.json").write_text("{")
    (tmp_path / "series" / "odd.json").write_text('{"filters": {"nouns": ["no such noun"]}}')
    async with studio(tmp_path, GOOD) as (client, _):
        assert (await ask(client, "/series"))["series"] == ["broken", "nocturne", "odd", "simple"]
        for name in ("broken", "odd"):
            error = await ask(client, f"/dalle/{name}/0x1?generate=1", 422)
            assert error["code"] == "BAD_SERIES_FILE"
            assert f"series/{name}.json" in error["error"] or name in error["error"]
        assert (await made(client, "/dalle/simple/0x1"))["error"] == ""


@pytest.mark.slow
async def test_the_listen_address_is_logged_as_json_at_any_level(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "progress_phase_stats.json").write_text("corrupt")
    command = [*SERVER, "--bind", "127.0.0.1:0", "--data-dir", str(tmp_path), "--log-format", "json"]
    aside = "invalid metrics file renamed; statistics start empty"
    for level, expected in (("error", ["listening"]), ("warning", [aside, "listening"])):
        (tmp_path / "metrics" / "progress_phase_stats.json").write_text("corrupt")
        process = await trio.lowlevel.open_process(
            [*command, "--log-level", level], stderr=subprocess.PIPE, env=environment()
        )
        text = b""
        assert process.stderr is not None
        with trio.fail_after(60):
            while b"listening" not in text:
                text += await process.stderr.receive_some()
        process.terminate()
        await process.wait()
        await process.stderr.aclose()
        entries = [json.loads(line) for line in text.splitlines()]
        assert [entry["event"] for entry in entries] == expected
        assert entries[-1]["url"].startswith("http://127.0.0.1:")
        assert entries[-1].keys() == {"url", "event", "level", "timestamp"}


async def answers(port: int) -> bool:
    try:
        async with client_of() as client:
            return (await client.get(f"http://127.0.0.1:{port}/series")).status_code == 200
    except httpx.ConnectError:
        return False


@pytest.mark.slow
async def test_a_server_without_a_writable_stderr_keeps_serving(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "progress_phase_stats.json").write_text("corrupt")
    port = free_port()
    command = [*SERVER, "--bind", f"127.0.0.1:{port}", "--data-dir", str(tmp_path)]
    full = os.open("/dev/full", os.O_WRONLY)
    process = await trio.lowlevel.open_process(command, stderr=full, stdout=full, env=environment())
    os.close(full)
    try:
        # It can't report when it listens.
        with trio.fail_after(60):
            while not await answers(port):
                assert process.poll() is None
                await trio.sleep(0.05)
        process.terminate()
        with trio.fail_after(60):
            assert await process.wait() == 0
    finally:
        process.kill()
        await process.wait()
