"""Standard streams that are closed, full, or no longer read."""

import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.commands import PHASELINE, Ran, forked_phaseline, forked_phaseline_into
from tests.support.servers import server_process

Env = dict[str, str]
PRINTING = [
    ["list"], ["list", "--json"], ["list", "--jsonl"], ["show", "one"], ["show", "one", "--json"], ["tail", "one"],
    ["tail", "one", "--jsonl"], ["wait", "one"], ["wait", "one", "--jsonl"], ["adapters"], ["adapters", "--json"],
    ["completion", "bash"], ["--help"], ["list", "--help"], ["--version"], ["queue", "list", "--json"],
]  # fmt: skip


@pytest.fixture
async def here(env: Env, tmp_path: Path) -> AsyncIterator[Env]:
    """Return an environment with a server that knows a job."""
    async with server_process(tmp_path) as server:
        env = env | {"PROGRESS_URL": server.url}
        for words in (["start", "one", "--id", "one", "--phases", "a,b"], ["phase", "one", "b"], ["done", "one"]):
            assert (await forked_phaseline(env, *words)).code == 0
        yield env


def redirected(env: Env, arguments: list[str], redirection: str) -> Ran:
    command = ["bash", "-c", f'"$0" "$@" {redirection}', PHASELINE, *arguments]
    done = subprocess.run(command, env=env, capture_output=True, check=False, text=True, timeout=120)
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("arguments", PRINTING[:2])
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.slow
async def test_output_to_a_full_disk_is_one_line_and_exit_code_1(
    here: Env, unbuffered: str, arguments: list[str]
) -> None:
    ran = redirected(here | {"PYTHONUNBUFFERED": unbuffered}, arguments, ">/dev/full")
    assert (ran.code, ran.err) == (1, "phaseline: standard output can't be written: No space left on device\n")


@pytest.mark.slow
async def test_no_command_can_write_to_a_full_disk(here: Env) -> None:
    for arguments in PRINTING:
        code, err = await forked_phaseline_into(os.open("/dev/full", os.O_WRONLY), here, *arguments)
        wanted = (1, b"phaseline: standard output can't be written: No space left on device\n")
        assert (code, err) == wanted, arguments


@pytest.mark.slow
@pytest.mark.parametrize(("unbuffered", "commands"), [("", PRINTING), ("1", PRINTING[:2])])
async def test_output_to_a_closed_stream_is_one_line_and_exit_code_1(
    here: Env, unbuffered: str, commands: list[list[str]]
) -> None:
    here["PYTHONUNBUFFERED"] = unbuffered
    for arguments in commands:
        ran = redirected(here, arguments, ">&-")
        wanted = (1, "phaseline: standard output can't be written: Bad file descriptor\n")
        assert (ran.code, ran.err) == wanted, arguments


@pytest.mark.parametrize("redirection", ["<&- >&-", "2>&-", "2>/dev/full"])
@pytest.mark.slow
async def test_a_report_needs_no_standard_streams(here: Env, redirection: str) -> None:
    assert (await forked_phaseline(here, "start", "two", "--id", "two")).code == 0
    assert redirected(here, ["report", "two", "42", "--phase", "a"], redirection).code == 0
    assert json.loads((await forked_phaseline(here, "show", "two", "--json")).out)["progress"] == 42
    away = here | {"PROGRESS_URL": "http://127.0.0.1:1"}
    assert redirected(away, ["done", "two"], redirection).code == 0
    assert redirected(here, ["pause", "three"], redirection).code == 5


@pytest.mark.parametrize(("closed", "stays"), [("<&-", {"1", "2"}), (">&-", {"0", "2"}), ("2>&-", {"0", "1"})])
async def test_a_closed_stream_is_closed_for_a_command_too(
    env: Env, tmp_path: Path, closed: str, stays: set[str]
) -> None:
    script = f"for fd in 0 1 2; do [ ! -e /proc/$$/fd/$fd ] || echo $fd >>{tmp_path}/open; done"
    assert redirected(env, ["run", "--", "sh", "-c", script], closed).code == 0
    assert set((tmp_path / "open").read_text().split()) == stays


@pytest.mark.slow
async def test_a_reader_that_has_gone_ends_every_command_silently(here: Env) -> None:
    ran = redirected(here, ["list"], "| true; exit ${PIPESTATUS[0]}")
    assert (ran.code in {0, 141}, ran.err) == (True, "")  # 0 if it was written before
    for arguments in PRINTING:
        reading, writing = os.pipe()
        os.close(reading)
        code, err = await forked_phaseline_into(writing, here, *arguments)
        assert (code, err) == (-signal.SIGPIPE, b""), arguments


@pytest.mark.slow
async def test_json_is_all_that_is_printed(here: Env) -> None:
    for arguments in PRINTING:
        if "--json" in arguments:
            ran = await forked_phaseline(here, *arguments)
            assert json.loads(ran.out), arguments
        elif "--jsonl" in arguments:
            ran = await forked_phaseline(here, *arguments)
            assert all(json.loads(line) for line in ran.out.splitlines()), arguments
        else:
            continue
        assert (ran.code, ran.err) == (0, ""), arguments
    none = await forked_phaseline(here, "list", "--json", "no-such-job")
    assert (none.code, json.loads(none.out), none.err) == (0, [], "phaseline: no job matches\n")
    both = await forked_phaseline(here, "list", "--json", "--jsonl")
    assert (both.code, both.out) == (2, "")


@pytest.mark.slow
async def test_list_shows_the_phase_in_which_a_job_ended(here: Env) -> None:
    for words in (["start", "c", "--id", "c", "--phases", "a,b"], ["phase", "c", "a"], ["fail", "c"]):
        await forked_phaseline(here, *words)
    await forked_phaseline(here, "start", "d", "--id", "d")
    await forked_phaseline(here, "done", "d")
    rows = [line.split() for line in (await forked_phaseline(here, "list")).out.splitlines()]
    assert {row[0]: row[-2] for row in rows[1:]} == {"one": "b", "c": "a", "d": "—"}
    assert [row.split()[0] for row in (await forked_phaseline(here, "list", "phase:a")).out.splitlines()] == ["ID", "c"]
