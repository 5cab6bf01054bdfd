"""`phaseline watch --pid`: a process that runs already is a job, with its age, its progress and its end."""

import errno
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trio

from phaseline_cli.client.failures import Failure
from phaseline_cli.watch.process import RunningProcess
from tests.support.commands import PHASELINE, job_status, phaseline, running, status_when
from tests.support.servers import server_process
from tests.support.waiting import until

Env = dict[str, str]
RELEASE = 'read line < "$1"; '
"""The beginning of a shell's text that waits until `release` lets it go on."""


@pytest.fixture
async def here(env: Env, tmp_path: Path) -> AsyncIterator[Env]:
    async with server_process(tmp_path) as server:
        yield env | {"PROGRESS_URL": server.url}


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


def release(gate: Path) -> None:
    gate.write_text("\n")


@contextmanager
def held(gate: Path, then: str) -> Iterator[int]:
    """Run a shell that runs `then` once it is released; its parent is another shell, which reaps it at once."""
    shell = f"sh -c 'echo $$; {RELEASE}{then}' held \"$1\" & wait $!"
    command = ["bash", "-c", shell, "parent", str(gate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as parent:
        assert parent.stdout is not None
        try:
            yield int(parent.stdout.readline())
        finally:
            with suppress(ProcessLookupError):
                os.killpg(parent.pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("then", "code", "state", "result"),
    [
        ("exit 0", 0, "completed", {"exit_code": 0}),
        ("exit 7", 1, "failed", {"exit_code": 7, "error": "exit code 7"}),
        ("kill -KILL $$", 1, "failed", {"exit_code": 137, "signal": "SIGKILL", "error": "killed (SIGKILL)"}),
    ],
)
@pytest.mark.needs("bash")
async def test_a_watched_process_is_a_job_that_ends_as_the_process_does(
    here: Env, gate: Path, then: str, code: int, state: str, result: dict[str, object]
) -> None:
    with held(gate, then) as pid:
        async with running([PHASELINE, "watch", "--pid", str(pid), "--id", "job"], here) as watching:
            started = await status_when(here, "job", lambda status: status["state"] == "active")
            assert started["worker"]["pid"] == pid
            release(gate)
            ended = await watching.wait()
    status = await status_when(here, "job", lambda status: status["state"] != "active")
    if "not known" in str(status["result"]):
        pytest.skip("this kernel does not reveal the exit code of another's child")
    assert (ended, status["state"], status["result"]) == (code, state, result)


@pytest.mark.needs("gzip")
@pytest.mark.slow
async def test_a_program_that_reads_a_file_has_progress_and_its_age(here: Env, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_bytes(os.urandom(1 << 18))
    # Its output is not read, so it stops within its file.
    with subprocess.Popen(["gzip", "-c", str(data)], stdout=subprocess.PIPE) as reader:  # noqa: ASYNC220 - a moment
        await until(lambda: reader.poll() is None and position(reader.pid) > 0)
        command = [PHASELINE, "watch", "--pid", str(reader.pid), "--id", "zip", "--name", "squeeze"]
        async with running(command, here) as watching:
            status = await status_when(here, "zip", lambda status: bool(status["stages"][0]["progress"]))
            assert (status["name"], status["workflow"], status["series"]) == ("squeeze", "gzip", "gzip -c")
            assert (status["done"], status["total"], status["unit"]) == (position(reader.pid), 1 << 18, "bytes")
            reader.kill()
            await watching.wait()


def position(pid: int) -> int:
    """Return how far a process has read the file that it opened last."""
    files = sorted(int(entry.name) for entry in Path(f"/proc/{pid}/fdinfo").iterdir())
    return int(Path(f"/proc/{pid}/fdinfo/{files[-1]}").read_text().split()[1]) if files[-1] > 2 else 0


@pytest.mark.slow
async def test_ctrl_c_ends_the_watching_and_not_the_process(here: Env) -> None:
    with subprocess.Popen(["sleep", "600"]) as sleeper:  # noqa: ASYNC220 - a moment
        command = [PHASELINE, "watch", "--pid", str(sleeper.pid), "--id", "nap"]
        async with running(command, here) as watching:
            await status_when(here, "nap", lambda status: status["state"] == "active")
            watching.send_signal(signal.SIGINT)
            assert await watching.wait() == -signal.SIGINT
        assert sleeper.poll() is None
        sleeper.kill()
    status = await job_status(here["PROGRESS_URL"], "nap")
    assert (status["state"], status["result"]) == ("cancelled", {"error": "it is no longer watched"})


@pytest.mark.slow
async def test_invalid_targets_of_watch_are_rejected_with_the_reason(env: Env) -> None:
    with subprocess.Popen(["true"]) as gone:  # noqa: ASYNC220 - a moment
        gone.wait()
    for arguments, code, text in (
        (["--pid", str(gone.pid)], 1, f"phaseline: no process has the id {gone.pid}; ps -e lists the processes\n"),
        ([], 2, "nothing to watch: use --pid, or one of the commands log, comfyui, a1111"),
        (["--pid", "1", "--facts", "hots"], 2, "--facts names 'hots'"),
    ):
        ran = await phaseline(env, "watch", *arguments)
        assert (ran.code, ran.out) == (code, "")
        assert text in ran.err


async def test_a_process_with_an_unknown_exit_code_is_neither_done_nor_failed(
    monkeypatch: pytest.MonkeyPatch, gate: Path
) -> None:
    def fail(pid: int) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), pid)  # as a kernel without process descriptors

    monkeypatch.setattr(os, "pidfd_open", fail)
    monkeypatch.setattr("phaseline_cli.watch.process._PACE_S", 0.01)
    with held(gate, "exit 7") as pid, RunningProcess(pid) as process, trio.fail_after(60):
        release(gate)
        assert await process.wait() in (None, 7)  # 7 if it is seen before its parent reaps it
    with pytest.raises(Failure, match=r"no process has the id|has ended"):
        RunningProcess(process.pid)


@pytest.mark.needs("bash")
@pytest.mark.slow
async def test_a_shell_that_becomes_the_watcher_of_its_child_knows_the_exit_code(here: Env, gate: Path) -> None:
    shell = f'sh -c \'{RELEASE}exit 5\' held "$1" & exec "$0" watch --pid $! --id child'
    async with running(["bash", "-c", shell, PHASELINE, str(gate)], here) as watching:
        await status_when(here, "child", lambda status: status["state"] == "active")
        release(gate)
        assert await watching.wait() == 1
    assert (await job_status(here["PROGRESS_URL"], "child"))["result"]["exit_code"] == 5
