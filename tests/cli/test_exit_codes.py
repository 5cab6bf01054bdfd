"""The exit codes of the commands, each as a shell sees it."""

import subprocess
from pathlib import Path

import pytest

from tests.support.commands import PHASELINE, forked_phaseline
from tests.support.servers import server_process
from tests.support.tokens import make_tokens

Env = dict[str, str]

REPORTS = (["report", "ID", "42", "--phase", "x"], ["phase", "ID", "x"], ["done", "ID"], ["fail", "ID"])
ORDERS = (["cancel", "ID"], ["pause", "ID"], ["resume", "ID"])
LOOKS = (["show", "ID"], ["show", "ID", "--json"], ["tail", "ID"], ["tail", "ID", "--output"], ["wait", "ID"])


def of(job: str, *commands: list[str]) -> list[list[str]]:
    return [[job if word == "ID" else word for word in command] for command in commands]


async def codes(env: Env, *commands: list[str]) -> dict[str, int]:
    """Run commands that fail, each with one line on standard error alone; return their exit codes."""
    found = {}
    for command in commands:
        ran = await forked_phaseline(env, *command)
        assert (ran.out, ran.err.count("\n")) == ("", 1), command
        assert ran.err.startswith("phaseline: "), command
        found[" ".join(command)] = ran.code
    return found


@pytest.mark.slow
async def test_every_command_has_the_exit_codes_of_the_manual(env: Env, tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path)
    async with server_process(tmp_path) as server:
        away = env
        env = env | {"PROGRESS_URL": server.url, "PROGRESS_TOKEN": tokens["admin"]}
        for job in ("good", "bad", "left"):
            assert (await forked_phaseline(env, "start", job, "--id", job)).out == f"{job}\n"
        done = [
            await forked_phaseline(env, *words) for words in (["done", "good"], ["fail", "bad"], ["cancel", "left"])
        ]
        assert [ran.code for ran in done] == [0, 0, 0]
        assert (await forked_phaseline(env, "wait", "good")).code == 0
        assert await codes(env, ["wait", "bad"], ["done", "bad"]) == {"wait bad": 1, "done bad": 1}
        assert (await forked_phaseline(env, "list", "--nope")).code == 2
        assert set((await codes(env, ["list", "--since", "never"], ["tail", "--since", "never"])).values()) == {2}
        assert set((await codes(env | {"PROGRESS_URL": "ftp://x"}, *of("good", *LOOKS, *ORDERS))).values()) == {2}
        assert await codes(env, ["wait", "left"]) == {"wait left": 3}
        nobody = {name: value for name, value in env.items() if name != "PROGRESS_TOKEN"}
        every = (*REPORTS, *ORDERS, *LOOKS)
        assert set((await codes(nobody, *of("good", *every), ["list"], ["tail"])).values()) == {4}
        reader = env | {"PROGRESS_TOKEN": tokens["read"]}
        assert set((await codes(reader, *of("good", *REPORTS, *ORDERS), ["start", "a"])).values()) == {4}
        assert set((await codes(env, *of("missing", *every))).values()) == {5}
        await forked_phaseline(env, "start", "slow", "--id", "slow")
        assert await codes(env, ["wait", "slow", "--timeout", "0.1s"]) == {"wait slow --timeout 0.1s": 124}
    strict = [[*command, "--strict"] for command in of("other", *REPORTS)]
    gone = await codes(away, *strict, *of("other", *ORDERS, *LOOKS), ["list"], ["tail"])
    assert set(gone.values()) == {7}, gone


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--", "sh", "-c", "exit 3"], 3),
        (["--", "sh", "-c", "kill -USR1 $$"], 138),
        (["--timeout", "0.2", "--", "sleep", "600"], 124),
        (["--nope", "--", "true"], 125),
        (["--facts", "nope", "--", "true"], 125),
        (["--as", "nope", "--", "true"], 125),
        ([], 125),
        (["--", "/etc/hostname"], 126),
        (["--", "no-such-program"], 127),
        (["--help"], 0),
    ],
)
def test_run_has_the_exit_codes_of_the_manual(env: Env, arguments: list[str], code: int) -> None:
    """The shell shows a signal as 128 + its number."""
    done = subprocess.run(
        ["bash", "-c", '"$0" run "$@"; exit $?', PHASELINE, *arguments], env=env, capture_output=True, check=False
    )
    assert done.returncode == code


@pytest.mark.parametrize("most", [6, 8, 11])
def test_run_exits_with_125_if_it_cannot_start_anything(env: Env, most: int) -> None:
    done = subprocess.run(
        ["bash", "-c", f'ulimit -n {most}; exec "$0" run -- echo', PHASELINE], env=env, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (125, b"phaseline: echo can't be started: Too many open files\n")
