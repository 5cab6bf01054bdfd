"""`phaseline run` with commands that do not support Phaseline."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from phaseline_cli.run.command import name_of, series_of, workflow_of
from phaseline_cli.run.facts import input_facts
from tests.support.commands import messages
from tests.support.servers import server_process

BARS = """
import sys, time
for phase in ("Packing", "Verifying"):
    for done in range(21):
        sys.stdout.write(f"\\r{phase}  [{'#' * done}{'-' * (20 - done)}]  {done}/20")
        sys.stdout.flush()
        time.sleep(0.01)
    print()
"""


def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    return data


async def run(phaseline: str, env: dict[str, str], *arguments: str) -> int:
    done = await trio.run_process(
        [phaseline, "run", *arguments], env=env, check=False, capture_stdout=True, capture_stderr=True
    )
    return done.returncode


async def jobs(url: str) -> dict[str, dict[str, Any]]:
    async with httpx.AsyncClient(verify=False) as client:
        listed = (await client.get(f"{url}/progress/jobs?state=all")).json()["jobs"]
        return {
            job["job_id"]: (await client.get(f"{url}/progress/job/{job['job_id']}")).json()["job_status"]
            for job in listed
        }


@pytest.mark.slow
async def test_phases_and_the_end_arrive(phaseline: str, env: dict[str, str], tmp_path: Path) -> None:
    async with server_process(folder(tmp_path), bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        assert await run(phaseline, env, "--id", "bars", "--", sys.executable, "-c", BARS) == 0
        assert await run(phaseline, env, "--id", "bad", "--", "sh", "-c", "echo 'Error: no disk' >&2; exit 3") == 3
        assert await run(phaseline, env, "--id", "ended", "--", "sh", "-c", "kill -INT $$") == -2
        with trio.fail_after(60):
            while not {"bars", "bad", "ended"} <= (found := await jobs(server.url)).keys():
                await run(phaseline, env, "--", "true")  # a busy machine delivers late, with the next run
    assert found["bars"]["state"] == "completed"
    assert [stage["name"] for stage in found["bars"]["stages"]] == ["Packing", "Verifying"]
    assert found["bad"]["state"] == "failed"
    assert found["bad"]["result"] == {"exit_code": 3, "error": "Error: no disk"}
    assert found["ended"]["state"] == "cancelled"


async def test_the_first_phase_of_a_silent_program_is_reported(
    phaseline: str, env: dict[str, str], tmp_path: Path
) -> None:
    own = tmp_path / "config" / "phaseline" / "adapters"
    own.mkdir(parents=True)
    (own / "own.toml").write_text("name = 'own'\nmatch = ['true ']\nphases = ['load', 'render']\nbegin = 'load'\n")
    async with server_process(folder(tmp_path), bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        assert await run(phaseline, env, "--id", "silent", "--", "true") == 0
        with trio.fail_after(60):
            while "job_completed" not in str(reported := await messages(server.url, "silent")):
                await run(phaseline, env, "--", "false")  # as above
    assert [message["stage"] for message in reported if message["type"] == "job_progress"] == ["load"]


@pytest.mark.slow
async def test_reports_made_while_the_server_is_down_arrive_with_the_next_run(
    phaseline: str, env: dict[str, str], tmp_path: Path
) -> None:
    assert await run(phaseline, env, "--id", "away", "--", "true") == 0
    async with server_process(folder(tmp_path), bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        assert await run(phaseline, env, "--id", "back", "--", "true") == 0
        with trio.fail_after(60):
            while not {"away", "back"} <= (found := await jobs(server.url)).keys():
                await run(phaseline, env, "--id", "back", "--", "true")
    assert {name: job["state"] for name, job in found.items()} == {"away": "completed", "back": "completed"}


def test_a_command_has_a_name_a_workflow_and_a_series_without_its_files() -> None:
    encode = ["/usr/bin/ffmpeg", "-i", "in/SC024_v07.mov", "-preset", "slow", "out/SC024_v07.mp4"]
    assert name_of(encode) == "ffmpeg SC024_v07.mp4"
    assert series_of(encode) == "ffmpeg -i -preset slow"
    assert workflow_of(["python3", "-u", "jobs/train.py", "--lr", "0.1"]) == "train.py"
    script = [sys.executable, "-c", BARS]
    assert (workflow_of(script), series_of(script)) == (Path(sys.executable).name, f"{Path(sys.executable).name} -c")
    assert name_of(["sh", "-c", "sleep 1; echo 3/4"]) == "sh sleep"
    assert series_of(["rsync", "-a", "--info=progress2", "in/", "nas:/backup/"]) == "rsync -a --info=progress2"


def test_a_file_with_blanks_in_its_name_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Holiday 2024").mkdir()
    for command, name, series in [
        (["ffmpeg", "-i", "Müller's Film.mov", "My Film (2).mp4"], "ffmpeg My Film (2).mp4", "ffmpeg -i"),
        (["rsync", "-a", "/mnt/My Films/", "nas:/backup/My Films/"], "rsync My Films", "rsync -a"),
        (["cp", "-r", "Holiday 2024", "new copy"], "cp Holiday 2024", "cp -r new copy"),
        (["sh", "-c", "cat a b.txt"], "sh cat", "sh -c cat a b.txt"),
        (["python3", "train model.py", "--fast"], "python3 train model.py", "python3 --fast"),
    ]:
        assert (name_of(command), series_of(command)) == (name, series)
    assert workflow_of(["python3", "train model.py"]) == "train model.py"
    assert workflow_of(["/opt/My Tools/do it", "a"]) == "do it"


def test_neither_a_name_nor_a_series_holds_a_secret() -> None:
    command = ["fetch", "--token", "hunter2", "--user", "bob:hunter2", "--key=hunter2", "-H", "X-Key: hunter2", "now"]
    assert name_of(command) == "fetch now"
    assert series_of(command) == "fetch --token *** --user bob:*** --key=*** -H X-Key:*** now"


def test_without_a_server_nothing_is_printed(phaseline: str, env: dict[str, str]) -> None:
    done = subprocess.run([phaseline, "run", "--", "true"], env=env, capture_output=True, timeout=120, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.slow
async def test_a_job_has_the_facts_about_its_command_that_the_user_allows(
    phaseline: str, env: dict[str, str], tmp_path: Path
) -> None:
    command = ("sh", "-c", "true --token s3cr3t")
    async with server_process(folder(tmp_path), bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        await run(phaseline, env, "--id", "whole", "--", *command)
        await run(phaseline, env, "--id", "some", "--facts", "folder,program", "--", *command)
        await run(phaseline, env | {"PROGRESS_FACTS": "none"}, "--id", "none", "--", *command)
        await run(phaseline, env | {"PROGRESS_FACTS": "hots"}, "--id", "typo", "--", *command)
        assert await run(phaseline, env, "--facts", "hots", "--", "true") == 125
        with trio.fail_after(60):
            while not {"whole", "some", "none", "typo"} <= (found := await jobs(server.url)).keys():
                await run(phaseline, env, "--", "true")
    whole = found["whole"]["worker"]
    assert whole["command"] == "sh -c 'true --token ***'"
    assert whole.keys() == {"command", "user", "pid", "folder", "program"}
    assert found["some"]["worker"] == {"folder": Path.cwd().name, "program": "sh"}
    assert [found[job_id]["host"] != "" for job_id in ("whole", "some", "none", "typo")] == [True, False, False, False]
    assert found["none"]["worker"] == found["typo"]["worker"] == {}, "a typing error reveals nothing"


def test_the_facts_about_a_command_are_the_sizes_of_the_files_that_it_reads(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(b"x" * 300)
    (tmp_path / "b.raw").write_bytes(b"x" * 50)
    (tmp_path / "old").write_bytes(b"x" * 7000)
    here = str(tmp_path)
    assert input_facts(["denoise", "-o", "old", "a.raw", "--mask=b.raw", "a.raw", "none", here], here) == {
        "bytes": 350,
        "files": 2,
    }
    assert input_facts(["dd", "if=a.raw", "of=old"], here) == {"bytes": 300, "files": 1}
    assert input_facts(["sleep", "x", "\0"], here) == {}


@pytest.mark.slow
async def test_the_load_of_the_machine_arrives_while_a_command_runs(
    phaseline: str, env: dict[str, str], tmp_path: Path
) -> None:
    async with server_process(folder(tmp_path)) as server, trio.open_nursery() as nursery:
        env["PROGRESS_URL"] = server.url
        nursery.start_soon(run, phaseline, env, "--", "sleep", "600")
        async with httpx.AsyncClient(verify=False) as client:
            with trio.fail_after(60):
                while True:
                    hosts = (await client.get(f"{server.url}/progress/hosts")).json()["hosts"]
                    if hosts and hosts[0]["load"] is not None:
                        break
                    await trio.sleep(0.1)
        assert hosts[0]["active"] == 1
        nursery.cancel_scope.cancel()
