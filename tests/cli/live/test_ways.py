"""Ways to start and stop real programs under `phaseline run`, and the resulting jobs."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.commands import PHASELINE
from tests.support.processes import children
from tests.support.servers import progress_server
from tests.support.shell import PROMPT, shell
from tests.support.sshd import SSHD, ssh_box

pytestmark = pytest.mark.slow

Env = dict[str, str]
FOREVER = "ffmpeg -nostdin -stats_period 0.1 -re -f lavfi -i testsrc2=s=160x120 -f null -"
"""A program that works until it is stopped."""


@pytest.fixture
def here(env: Env, tmp_path: Path) -> Iterator[Env]:
    with progress_server(tmp_path / "server") as url:
        yield env | {"PROGRESS_URL": url, "LC_ALL": "C.UTF-8"}


def status_of(env: Env, job_id: str) -> dict[str, Any]:
    """Return a job's status once it has ended."""
    until = time.monotonic() + 60
    while True:
        answer = httpx.get(f"{env['PROGRESS_URL']}/progress/job/{job_id}", trust_env=False, verify=False).json()
        if "job_status" in answer and answer["job_status"]["completed_at"] is not None:
            status: dict[str, Any] = answer["job_status"]
            return status
        assert time.monotonic() < until, answer
        time.sleep(0.05)


@contextmanager
def started(env: Env) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run ffmpeg under `phaseline run` for the length of the block; yield both when ffmpeg works."""
    command = [PHASELINE, "run", "--id", "job", "--", *FOREVER.split()]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stderr is not None
            while b"frame=" not in os.read(process.stderr.fileno(), 65_536):
                assert process.poll() is None
            yield process, next(pid for pid in children(process.pid) if "ffmpeg" in program_of(pid))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def program_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text()


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_run_ends_the_program_and_the_job(here: Env, number: signal.Signals) -> None:
    with started(here) as (process, ffmpeg):
        process.send_signal(number)
        assert process.wait(60) == 255, "the exit code of ffmpeg, which ends by itself"
        assert not Path(f"/proc/{ffmpeg}").exists()
    assert status_of(here, "job")["state"] == "cancelled"


@pytest.mark.needs("ffmpeg")
def test_a_program_that_is_killed_is_named_with_its_signal(here: Env) -> None:
    with started(here) as (process, ffmpeg):
        os.kill(ffmpeg, signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
    assert status_of(here, "job")["result"]["error"].startswith("killed (SIGKILL)")


@pytest.mark.needs("bash", "ffmpeg")
def test_ctrl_z_and_ctrl_c_in_a_terminal(here: Env) -> None:
    with shell(here) as bash:
        bash.type(f"{PHASELINE} run --id job -- {FOREVER}\n")
        bash.expect("frame=")
        bash.type("\x1a")
        bash.expect("Stopped")
        assert "Stopped" in bash.run("jobs")
        bash.type("fg\n")
        bash.expect("frame=")
        bash.type("\x03")
        bash.expect(PROMPT)
        assert bash.run("(exit $?)").endswith("=\r\n")
    status = status_of(here, "job")
    assert status["state"] == "cancelled"


@pytest.mark.needs("bash", "dd")
def test_errors_go_to_a_file_and_a_pipe_that_closes_ends_the_program(here: Env, tmp_path: Path) -> None:
    run = f"{PHASELINE} run --id"
    script = (
        f"{run} errors -- dd if=/dev/zero of=zeros bs=1k count=64 status=progress 2> err; "
        f"{run} head -- dd if=/dev/zero bs=64k status=none | head -c 5 | wc -c; echo ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=here, capture_output=True, timeout=120, check=True)
    assert done.stdout.split() == [b"5", b"141"]
    assert (tmp_path / "err").read_text().startswith("64+0 records in\n64+0 records out\n65536 bytes")
    assert status_of(here, "errors")["state"] == "completed"
    assert status_of(here, "head")["result"]["signal"] == "SIGPIPE"


@pytest.mark.needs("ssh", "ssh-keygen", "xz")
@pytest.mark.skipif(not Path(SSHD).exists(), reason=f"needs {SSHD}")
@pytest.mark.parametrize("terminal", ["-T", "-tt"])
def test_a_program_that_is_run_over_ssh_is_reported_from_there(here: Env, tmp_path: Path, terminal: str) -> None:
    """`ssh box phaseline run …` passes on the output, the exit code and a hangup."""
    names = ("PROGRESS_URL", "XDG_STATE_HOME", "XDG_CONFIG_HOME")
    variables = " ".join(f"{name}={shlex.quote(here[name])}" for name in names)
    with ssh_box(tmp_path / "box") as box:
        remote = f"env {variables} {PHASELINE} run --id job -- sh -c 'echo out; echo err >&2; exit 7'"
        ssh = [*box.client.split(), terminal, "-p", str(box.port), f"{os.environ.get('USER', 'root')}@127.0.0.1"]
        done = subprocess.run([*ssh, remote], capture_output=True, timeout=120, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 7
        both = done.stdout.replace(b"\r\n", b"\n")
        assert both == (b"out\n" if terminal == "-T" else b"out\nerr\n")
        assert (b"err\n" in done.stderr) is (terminal == "-T")
    assert status_of(here, "job")["result"]["exit_code"] == 7


def has_systemd() -> bool:
    """Return whether a system manager answers, which it does not in most containers."""
    try:
        asked = subprocess.run(
            ["systemctl", "is-system-running"], capture_output=True, text=True, timeout=30, check=False
        )
    except OSError:
        return False
    return asked.stdout.strip() in {"running", "degraded"} and os.geteuid() == 0


@pytest.mark.skipif(not has_systemd(), reason="needs systemd as the system's manager, and root")
def test_a_program_in_a_unit_of_systemd_is_reported(here: Env) -> None:
    names = ("PROGRESS_URL", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "HOME")
    settings = [f"--setenv={name}={here[name]}" for name in names]
    command = ["systemd-run", "--wait", "--pipe", "--quiet", *settings, PHASELINE, "run", "--id", "job", "--"]
    done = subprocess.run([*command, "sh", "-c", "echo out; exit 7"], capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (7, b"out\n")
    assert status_of(here, "job")["result"]["exit_code"] == 7
