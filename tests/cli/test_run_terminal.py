"""`phaseline run` in a terminal: keys, Ctrl+C, Ctrl+Z, sizes and full-screen programs are as without it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_run_output import folder
from tests.cli.test_run_side import ended
from tests.support.servers import server_process
from tests.support.shell import PATIENCE_S, PROMPT, Shell, shell

pytestmark = pytest.mark.needs("bash")


@pytest.fixture
def bash(env: dict[str, str]) -> Iterator[Shell]:
    with shell(env) as here:
        yield here


def test_the_command_has_a_terminal_of_our_size_which_follows(bash: Shell, phaseline: str) -> None:
    assert "30 100\r\ncode=0=" in bash.run(f"{phaseline} run -- stty size")
    script = "trap 'stty size; exit' WINCH; echo begun; while :; do sleep 0.05; done"
    bash.type(f'{phaseline} run -- bash -c "{script}"\n')
    bash.expect("\nbegun")
    bash.resize(50, 132)
    bash.expect("50 132")


def test_typed_input_reaches_the_command(bash: Shell, phaseline: str) -> None:
    bash.type(f"{phaseline} run -- sh -c 'read line; echo got $line'\n")
    bash.type("some words\n")
    bash.expect("\ngot some words")


def test_a_command_that_closes_its_terminal_and_works_on_is_not_ended(bash: Shell, phaseline: str) -> None:
    script = "exec 0<&- 1>&- 2>&-; sleep 1; exit 7"
    assert "code=7=" in bash.run(f"{phaseline} run -- sh -c '{script}'")


def test_ctrl_c_ends_the_command_with_130(bash: Shell, phaseline: str) -> None:
    bash.type(f"{phaseline} run -- sh -c 'echo begun; sleep 600'\n")
    bash.expect("\nbegun")
    bash.type("\x03")
    bash.expect(PROMPT)
    assert bash.run("(exit $?)").startswith("code=130=")
    assert " echo " in bash.run("stty -a")  # the terminal is as it was


def test_ctrl_z_stops_it_and_fg_continues_it(bash: Shell, phaseline: str) -> None:
    bash.type(f"{phaseline} run -- sh -c 'echo begun; read line; echo got $line'\n")
    bash.expect("\nbegun")
    bash.type("\x1a")
    bash.expect("Stopped")
    assert "Stopped" in bash.run("jobs")
    bash.type("fg\n")
    bash.expect("run -- sh")
    bash.type("again\n")
    bash.expect("\ngot again")


def test_errors_that_go_elsewhere_do_not_reach_the_terminal(bash: Shell, phaseline: str, env: dict[str, str]) -> None:
    file = f"{env['XDG_STATE_HOME']}-errors"
    printed = bash.run(f"{phaseline} run -- sh -c 'echo out; test -t 1 && echo tty; echo oops >&2' 2> {file}")
    assert printed.replace("\r", "").split("\n")[:2] == ["out", "tty"]
    assert Path(file).read_text("utf-8") == "oops\n"


@pytest.mark.needs("vim")
def test_a_full_screen_program_works(bash: Shell, phaseline: str, env: dict[str, str]) -> None:
    file = f"{env['XDG_STATE_HOME']}-text"
    bash.type(f"{phaseline} run -- vim -u NONE -N {file}; echo code=$?\n")
    bash.expect("~")
    bash.type("ihello from vim\x1b:wq\r")
    bash.expect("code=0\r")
    assert Path(file).read_text("utf-8") == "hello from vim\n"


async def test_closing_the_terminal_ends_the_command_and_its_job(
    env: dict[str, str], phaseline: str, tmp_path: Path
) -> None:
    async with server_process(folder(tmp_path)) as server:
        env["PROGRESS_URL"] = server.url
        close_beside(env, f"{phaseline} run --id closed -- sh -c 'echo pid $$; sleep 600'")
        found = await ended(phaseline, env, server.url, "closed")
    assert found["closed"]["result"]["error"] == "hangup (SIGHUP)"


def close_beside(env: dict[str, str], command: str) -> None:
    """Close the terminal of a command that prints its process id; return when the command has ended."""
    with shell(env) as bash:
        bash.type(f"{command}\n")
        pid = int(bash.expect(r"\npid (\d+)").group(1))
        assert Path(f"/proc/{pid}").exists()
    until = time.monotonic() + PATIENCE_S
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_signals_that_the_shell_ignores_are_ignored_by_the_command(bash: Shell, phaseline: str) -> None:
    status = "grep -o SigIgn.*[0-9a-f][0-9a-f]$ /proc/self/status | tail -c 3"
    bash.run("trap '' INT HUP")
    assert bash.run(status).startswith("03")  # SIGPIPE, which the test's Python ignores, is a higher digit
    assert bash.run(f"{phaseline} run -- {status}").endswith("03\r\ncode=0=\r\n")
