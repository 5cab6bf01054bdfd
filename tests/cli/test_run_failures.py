"""The reasons that failed jobs report, for real programs that fail."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from phaseline_cli.run.endings import failure, in_words
from tests.cli.test_run_output import folder, output
from tests.cli.test_run_reports import jobs
from tests.cli.test_run_side import ended, result
from tests.support.servers import server_process

C = "int main(void) { return undeclared; }"
FAILURES = {
    "false": (["false"], "exit code 1"),
    "script": (["sh", "-c", "echo working; no-such-command; exit 127"], "no-such-command: not found"),
    "python": ([sys.executable, "-c", "print('a'); {}['shot']"], "KeyError: 'shot'"),
    "tar": (["tar", "-cf", "out.tar", "no-such-file"], "no-such-file: Cannot stat: No such file or directory"),
    "dd": (["dd", "if=/dev/zero", "of=/dev/full", "count=1"], "No space left on device"),
    "make": (["make", "-f", "/dev/null", "all"], "No rule to make target 'all'"),
    "git": (["git", "clone", "no-such-repository", "copy"], "repository 'no-such-repository' does not exist"),
    "curl": (["curl", "-sS", "http://127.0.0.1:1/"], "Failed to connect to 127.0.0.1 port 1"),
    "compiler": (["sh", "-c", f"echo '{C}' > bad.c && cc bad.c"], "undeclared"),
    "crash": (["sh", "-c", "echo 'rendering'; kill -SEGV $$"], "segmentation fault (SIGSEGV)"),
    "killed": (["sh", "-c", "echo 'Error: low memory'; kill -KILL $$"], "killed (SIGKILL): Error: low memory"),
    "late": (["--timeout", "0.5", "--", "sleep", "600"], "it took longer than --timeout"),
}


def failed(found: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, job in found.items() if job["state"] == "failed"}


@pytest.mark.slow
@pytest.mark.needs("cc", "curl", "git", "make")
async def test_a_failed_job_has_its_error(phaseline: str, env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    async with server_process(tmp_path / "data") as server:
        env |= {"PROGRESS_URL": server.url, "LC_ALL": "C"}
        for name, (command, _) in FAILURES.items():
            whole = [phaseline, "run", "--id", name, *command]
            await trio.run_process(whole, env=env, check=False, capture_stdout=True, capture_stderr=True, cwd=tmp_path)
        with trio.fail_after(60):
            while not failed(found := await jobs(server.url)) >= FAILURES.keys():
                await trio.run_process([phaseline, "run", "--", "true"], env=env)
    wrong = {
        name: (found[name]["result"]["error"], expected)
        for name, (_, expected) in FAILURES.items()
        if expected not in found[name]["result"]["error"]
    }
    assert wrong == {}
    assert found["killed"]["result"]["signal"] == "SIGKILL"
    assert found["killed"]["result"]["exit_code"] == 137


def test_exit_codes_and_signals_are_described() -> None:
    assert in_words(3) == "exit code 3"
    assert in_words(127) == "exit code 127: a command was not found"
    assert in_words(139) == "exit code 139: a command was ended by SIGSEGV (segmentation fault)"
    assert in_words(-63).startswith("ended by ")
    assert failure(2, "Error: no disk") == "Error: no disk"


@pytest.mark.slow
async def test_a_broken_user_adapter_changes_nothing_for_the_command(
    phaseline: str, env: dict[str, str], tmp_path: Path
) -> None:
    own = tmp_path / "config" / "phaseline" / "adapters"
    own.mkdir(parents=True)
    (own / "own.toml").write_text("name = 'own'\nmatch = ['sh ']\n[[rules]]\nfind = 'tile'\nphase = '{nothing}'\n")
    async with server_process(folder(tmp_path)) as server:
        env["PROGRESS_URL"] = server.url
        command = ["sh", "-c", "echo tile 1; echo 'own: error: tile 2' >&2; exit 3"]
        assert await result([phaseline, "run", "--id", "own", "--", *command], env) == await result(command, env)
        found = await ended(phaseline, env, server.url, "own")
        assert (await output(server.url, "own")).text.count("tile") == 2
    assert found["own"]["state"] == "failed"
    assert found["own"]["errors"][0]["error_message"] == "exit code 3"


@pytest.mark.parametrize("text", [None, b"name = '\xff'"])
def test_unreadable_adapters_change_nothing_for_the_command(
    phaseline: str, env: dict[str, str], tmp_path: Path, text: bytes | None
) -> None:
    own = tmp_path / "config" / "phaseline" / "adapters"
    own.mkdir(parents=True)
    if text is None:
        (own / "own.toml").mkdir()
    else:
        (own / "own.toml").write_bytes(text)
    command = [phaseline, "run", "--", "sh", "-c", "echo out; exit 3"]
    done = subprocess.run(command, env=env, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"")
    listed = subprocess.run([phaseline, "adapters"], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert listed.returncode == 1
    assert listed.stderr.startswith(f"phaseline: adapters in {own} can't be read")
