"""Short commands under `phaseline run`: their reports need no permanent connection, so few modules are imported."""

import subprocess
from pathlib import Path

import pytest

from tests.cli.test_run_output import folder, output
from tests.cli.test_run_reports import jobs
from tests.cli.test_run_side import ended, result
from tests.support.ports import free_port
from tests.support.servers import server_process

SCRIPT = ["sh", "-c", "echo out; echo 'Error: no disk' >&2; exit 3"]


@pytest.mark.slow
async def test_a_short_command_is_reported_without_loading_trio(
    phaseline: str, env: dict[str, str], tmp_path: Path
) -> None:
    async with server_process(folder(tmp_path)) as server:
        env |= {"PROGRESS_URL": server.url, "PYTHONPROFILEIMPORTTIME": "1"}
        code, out, err = await result([phaseline, "run", "--id", "short", "--", *SCRIPT], env)
        loaded = {line.rpartition("|")[2].strip() for line in err.decode().splitlines()}
        found = await jobs(server.url)
        printed = (await output(server.url, "short")).text
        assert sorted(printed.splitlines()) == ["Error: no disk", "out"]  # two streams have no order
    assert (code, out) == (3, b"out\n")
    assert "phaseline_cli.watcher" in loaded
    assert not {"trio", "trio_websocket", "ssl"} & loaded
    assert found["short"]["errors"][0]["error_message"] == "Error: no disk"


@pytest.mark.slow
async def test_a_short_command_is_reported_later_if_the_server_is_down(
    phaseline: str, env: dict[str, str], tmp_path: Path
) -> None:
    assert (await result([phaseline, "run", "--id", "first", "--", *SCRIPT], env))[0] == 3
    spools = list((tmp_path / "state").rglob("*.spool"))
    assert len(spools) == 1
    async with server_process(folder(tmp_path), bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        assert (await result([phaseline, "run", "--id", "second", "--", "true"], env))[0] == 0
        found = await ended(phaseline, env, server.url, "first", "second")
    assert found["first"]["state"] == "failed"
    assert not spools[0].exists()


@pytest.mark.slow
async def test_a_short_command_in_a_job_that_exists_ends_it(
    phaseline: str, env: dict[str, str], tmp_path: Path
) -> None:
    async with server_process(folder(tmp_path)) as server:
        env["PROGRESS_URL"] = server.url
        assert (await result([phaseline, "start", "render", "--id", "known"], env))[0] == 0
        assert (await result([phaseline, "run", "--id", "known", "--", *SCRIPT], env))[0] == 3
        found = await ended(phaseline, env, server.url, "known")
    assert found["known"]["state"] == "failed"


def test_a_warning_names_the_server_that_is_down(phaseline: str, env: dict[str, str]) -> None:
    env["PROGRESS_URL"] = url = f"http://127.0.0.1:{free_port()}"
    done = subprocess.run([phaseline, "run", "-v", "--", "true"], env=env, capture_output=True, text=True, check=True)
    assert f"no connection to {url.replace('http', 'ws')}/ws (" in done.stderr
    assert "reports are stored and delivered later" in done.stderr
