"""`phaseline watch log`: a log is followed by its name, and its lines are the job's progress and end."""

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from phaseline_cli.watch.log import LogFile
from tests.support.commands import PHASELINE, job_status, phaseline, running, status_when
from tests.support.servers import server_process

Env = dict[str, str]
ADAPTER = """
name = "denoise"
phases = ["load", "denoise"]
errors = ['^denoise: ']

[[rules]]
find = '^loading'
phase = "load"

[[rules]]
find = '^tile (?P<done>\\d+) of (?P<total>\\d+)'
phase = "denoise"
label = "tiles"
"""


@pytest.fixture
async def here(env: Env, tmp_path: Path) -> AsyncIterator[Env]:
    own = tmp_path / "config" / "phaseline" / "adapters"
    own.mkdir(parents=True)
    (own / "denoise.toml").write_text(ADAPTER)
    async with server_process(tmp_path) as server:
        yield env | {"PROGRESS_URL": server.url}


def write(log: Path, *lines: str) -> None:
    with log.open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


@pytest.mark.slow
async def test_a_log_is_read_by_its_adapter_until_a_line(here: Env, tmp_path: Path) -> None:
    log = tmp_path / "denoise.log"
    command = ["watch", "log", str(log), "--as", "denoise", "--id", "job", "--until", "^all done"]
    async with running([PHASELINE, *command, "--fail-at", "^denoise: "], here) as watching:
        await status_when(here, "job", lambda status: status["state"] == "active")
        write(log, "loading cat.exr", "tile 3 of 12")
        status = await status_when(here, "job", lambda status: status["done"] == 3)
        assert (status["name"], status["workflow"], status["unit"]) == ("denoise.log", "denoise", "tiles")
        assert [stage["state"] for stage in status["stages"]] == ["done", "current"]
        log.rename(tmp_path / "denoise.log.1")
        write(tmp_path / "denoise.log.1", "tile 5 of 12")  # its writer has not noticed yet
        await status_when(here, "job", lambda status: status["done"] == 5)
        write(log, "tile 7 of 12")
        await status_when(here, "job", lambda status: status["done"] == 7)
        write(log, "all done")
        assert await watching.wait() == 0
    assert (await job_status(here["PROGRESS_URL"], "job"))["state"] == "completed"


@pytest.mark.slow
async def test_a_matching_line_fails_the_job(here: Env, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write(log, "tile 3 of 12", "denoise: out of \x1b[1mmemory", "all done")
    command = ("watch", "log", str(log), "--as", "denoise", "--id", "job", "--until", "done", "--fail-at", "^denoise: ")
    assert (await phaseline(here, *command)).code == 1
    status = await job_status(here["PROGRESS_URL"], "job")
    assert (status["state"], status["result"]["error"]) == ("failed", "denoise: out of [1mmemory")


@pytest.mark.slow
async def test_the_end_of_a_job_whose_log_falls_silent_is_unknown(here: Env, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write(log, "tile 3 of 12")
    ran = await phaseline(here, "watch", "log", str(log), "--as", "denoise", "--id", "job", "--idle", "0.3s")
    assert (ran.code, ran.out) == (3, "")
    status = await job_status(here["PROGRESS_URL"], "job")
    assert (status["state"], status["result"]["error"]) == ("cancelled", "no new line for 0.3 s")
    assert status["done"] == 3


@pytest.mark.slow
async def test_the_process_that_writes_the_log_ends_the_job(here: Env, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with subprocess.Popen(["sh", "-c", 'read line; echo "denoise: no tiles" >> "$0"; exit 4', log], stdin=-1) as writer:  # noqa: ASYNC220 - a moment
        assert writer.stdin is not None
        command = [PHASELINE, "watch", "log", str(log), "--as", "denoise", "--id", "job", "--pid", str(writer.pid)]
        async with running(command, here) as watching:
            await status_when(here, "job", lambda status: status["state"] == "active")
            writer.stdin.close()
            assert await watching.wait() == 1  # a zombie shows its exit code until its parent reaps it
    status = await job_status(here["PROGRESS_URL"], "job")
    assert (status["state"], status["result"]) == ("failed", {"exit_code": 4, "error": "denoise: no tiles"})


@pytest.mark.slow
async def test_the_error_names_a_file_that_cannot_be_followed(env: Env, tmp_path: Path) -> None:
    write(tmp_path / "log", "x")
    for arguments, code, text in (
        ([str(tmp_path / "log"), "--as", "nonsense"], 2, "no adapter is named 'nonsense'"),
        ([str(tmp_path / "log"), "--until", "("], 2, "'(' is not a regular expression"),
        ([str(tmp_path)], 2, "is a directory"),
        ([str(tmp_path / "log" / "below")], 1, "can't be read: Not a directory"),
    ):
        ran = await phaseline(env, "watch", "log", *arguments)
        assert (ran.code, ran.out) == (code, "")
        assert text in ran.err


def test_a_file_that_is_emptied_or_replaced_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("old")
    log = LogFile(path, from_now=True)
    assert list(log.read()) == []
    write(path, "er")
    assert list(log.read()) == [b"er\n"]
    path.write_text("new\n")
    assert list(log.read()) == [b"new\n"]
    with path.open("a") as kept:
        path.unlink()
        kept.write("late")
    assert list(log.read()) == [b"late"]
    path.write_text("other\n")
    assert list(log.read()) == [b"other\n"]
    log.close()


def test_a_pipe_is_followed_too(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    log = LogFile(path, from_now=False)
    with path.open("wb", buffering=0) as writer:
        writer.write(b"a line\n")
        assert list(log.read()) == [b"a line\n"]
    log.close()
