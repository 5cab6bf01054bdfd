"""`phaseline run` without a terminal: bytes, exit codes and signals are the command's own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import messages
from tests.support.processes import children
from tests.support.servers import server_process


def run(
    phaseline: str, env: dict[str, str], *arguments: str, stdin: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [phaseline, "run", *arguments], env=env, input=stdin, capture_output=True, timeout=120, check=False
    )


@pytest.mark.parametrize(
    ("command", "code"),
    [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", -15), ("kill -KILL $$", -9)],
)
def test_run_exits_with_the_commands_exit_code(phaseline: str, env: dict[str, str], command: str, code: int) -> None:
    done = run(phaseline, env, "--", "sh", "-c", command)
    assert done.returncode == code
    assert (done.stdout, done.stderr) == (b"", b"")


def test_run_exits_with_127_if_the_command_is_missing(phaseline: str, env: dict[str, str]) -> None:
    done = run(phaseline, env, "--", "no-such-program")
    assert (done.returncode, done.stderr) == (127, b"phaseline: no-such-program: command not found\n")


def test_run_exits_with_126_if_the_file_is_not_executable(phaseline: str, env: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_text("x")
    done = run(phaseline, env, "--", str(file))
    assert done.returncode == 126
    assert b"can't be executed: Permission denied" in done.stderr


def test_every_byte_passes_on_its_own_stream(phaseline: str, env: dict[str, str], tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "data").write_bytes(data)
    done = run(phaseline, env, "--", "sh", "-c", f"cat {tmp_path}/data; cat {tmp_path}/data >&2; cat", stdin=data[:9])
    assert done.stdout == data + data[:9]
    assert done.stderr == data


def test_a_reader_that_closes_the_pipe_ends_the_command_by_sigpipe(phaseline: str, env: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{phaseline} run -- yes | head -2; echo ${{PIPESTATUS[0]}}"],
        env=env,
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert done.stdout == b"y\ny\n141\n"


@pytest.mark.parametrize(("script", "code"), [("echo a; echo b", 1), ("yes", 1), ("echo a; exit 3", 3)])
def test_output_that_cannot_be_written_is_a_failure(
    phaseline: str, env: dict[str, str], script: str, code: int
) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [phaseline, "run", "--", "sh", "-c", script],
            env=env,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=120,
            check=False,
        )
    assert done.returncode == code
    assert done.stderr == b"phaseline: standard output can't be written: No space left on device\n"


def test_a_signal_to_run_reaches_the_command(phaseline: str, env: dict[str, str]) -> None:
    script = "trap 'echo got it; exit 9' USR1; echo begun; while :; do sleep 0.05; done"
    with subprocess.Popen([phaseline, "run", "--", "sh", "-c", script], env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.read() == b"got it\n"
        assert process.wait() == 9


def test_a_time_out_ends_the_command_with_exit_code_124(phaseline: str, env: dict[str, str]) -> None:
    assert run(phaseline, env, "--timeout", "0.5s", "--", "sleep", "600").returncode == 124


@pytest.mark.parametrize("own", [{}, {"LC_CTYPE": "C.UTF-8"}, {"LANG": "C"}])
def test_the_environment_of_a_cron_job_is_not_changed(phaseline: str, env: dict[str, str], own: dict[str, str]) -> None:
    """Without a locale, as in cron, Python sets LC_CTYPE for itself."""
    given = {name: env[name] for name in ("PROGRESS_URL", "XDG_STATE_HOME")} | {"PATH": "/usr/bin:/bin"} | own
    done = run(phaseline, given, "--no-inject", "--", "env")
    assert sorted(done.stdout.decode().split()) == sorted(f"{name}={value}" for name, value in given.items())


def test_signals_that_are_ignored_stay_ignored(phaseline: str, env: dict[str, str]) -> None:
    """In a shell, commands started with & ignore SIGINT."""
    status = "grep SigIgn /proc/self/status"
    script = f"trap '' INT QUIT; {phaseline} run -- {status}; {status}"
    done = subprocess.run(["sh", "-c", script], env=env, capture_output=True, timeout=120, check=True)
    first, second = done.stdout.splitlines()
    assert first == second


def test_run_does_not_wait_for_another_process_that_keeps_the_output_open(phaseline: str, env: dict[str, str]) -> None:
    with subprocess.Popen(
        [phaseline, "run", "--", "sh", "-c", "sleep 600 & echo $!"], env=env, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        sleeper = int(process.stdout.readline())
        try:
            assert process.wait(60) == 0
        finally:
            os.kill(sleeper, signal.SIGKILL)


@pytest.mark.slow
def test_the_command_has_one_descriptor_more_and_none_without_injection(phaseline: str, env: dict[str, str]) -> None:
    code = (
        "import os; print(sorted(os.listdir('/proc/self/fd')), sorted(k for k in os.environ if k[:9] == 'PROGRESS_'))"
    )
    done = run(phaseline, env, "--", sys.executable, "-c", code)
    # 3: the folder that is being listed
    assert done.stdout == b"['0', '1', '2', '3', '9'] ['PROGRESS_FD', 'PROGRESS_JOB', 'PROGRESS_URL']\n"
    done = run(phaseline, env, "--no-inject", "--", sys.executable, "-c", code)
    assert done.stdout == b"['0', '1', '2', '3'] ['PROGRESS_URL']\n"


def test_a_descriptor_that_the_user_set_is_kept(phaseline: str, env: dict[str, str], tmp_path: Path) -> None:
    script = f"exec 9>{tmp_path}/lock; {phaseline} run -- sh -c 'echo $PROGRESS_FD; echo mine >&9'"
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, timeout=120, check=True)
    assert done.stdout == b"8\n"
    assert (tmp_path / "lock").read_text() == "mine\n"


def test_run_leaves_no_process_behind(phaseline: str, env: dict[str, str]) -> None:
    before = children(os.getpid())
    run(phaseline, env, "--", "true")
    assert children(os.getpid()) == before


@pytest.mark.slow
async def test_a_flood_on_one_stream_does_not_hide_progress_on_another(
    phaseline: str, env: dict[str, str], tmp_path: Path
) -> None:
    script = "for n in 1 2 3 4; do head -c 20000000 /dev/urandom; echo PROGRESS: ${n}0% >&2; done"
    (tmp_path / "data").mkdir()
    async with server_process(tmp_path / "data") as server:
        env["PROGRESS_URL"] = server.url
        done = run(phaseline, env, "--id", "data", "--no-tree", "--", "sh", "-c", script)
        assert len(done.stdout) == 80_000_000
        sent = [message.get("progress") for message in await messages(server.url, "data")]
    assert 40 in sent
