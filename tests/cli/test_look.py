"""`phaseline list`, `show` and `tail`, and the options that all commands have."""

import json
import re
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest
import trio

from tests.support.commands import PHASELINE
from tests.support.commands import forked_phaseline as phaseline
from tests.support.servers import server_process
from tests.support.tokens import make_tokens

Env = dict[str, str]
ZSH = r"""
zmodload zsh/zpty
zpty terminal zsh -f -i
zpty -w terminal "autoload -Uz compinit; compinit -D; source $0; echo rea''dy"
zpty -r terminal printed '*ready*'
zpty -w -n terminal $'phaseline show o\t'
zpty -r terminal printed '*phaseline show one*'
print -- ${(M)printed%one}
"""
"""It completes in a terminal only."""
HOSTILE = "a\x1b]0;owned\x07\u202eb"


@pytest.fixture
async def here(env: Env, tmp_path: Path) -> AsyncIterator[Env]:
    """Return an environment with a server that knows some jobs."""
    async with server_process(tmp_path) as server:
        await send(
            server.url,
            started("one", name="IMG_004", host="box1", phases=["load", "render"]),
            {"type": "job_progress", "job_id": "one", "stage": "render", "progress": 40, "message": "tile 3"},
            started("two", name="IMG_005", host="box2"),
            {"type": "job_failed", "job_id": "two", "result": {"error": "disk full"}},
            started("three", name=HOSTILE, host="box2"),
        )
        yield env | {"PROGRESS_URL": server.url}


def started(job: str, **fields: object) -> dict[str, object]:
    return {"type": "job_started", "job_id": job, "workflow": "w", **fields}


async def send(url: str, *reports: Mapping[str, object]) -> None:
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=60) as client:
        answer = (await client.post(f"{url}/progress/batch", json=list(reports))).json()
        assert answer["success"], answer


async def listed(env: Env, *arguments: str) -> set[str]:
    ran = await phaseline(env, "list", "--jsonl", *arguments)
    assert ran.code == 0
    return {json.loads(line)["job_id"] for line in ran.out.splitlines()}


@pytest.mark.slow
async def test_list_shows_each_job_on_a_line(here: Env) -> None:
    ran = await phaseline(here, "list")
    assert (ran.code, ran.err) == (0, "")
    title, *rows = ran.out.splitlines()
    assert title.split() == ["ID", "STATE", "DONE", "LEFT", "TIME", "PHASE", "NAME"]
    assert {row.split()[0]: row.split()[1] for row in rows} == {"one": "active", "two": "failed", "three": "active"}
    assert next(row for row in rows if row.startswith("one")).endswith("render  IMG_004")


@pytest.mark.slow
async def test_unknown_progress_is_a_dash(here: Env) -> None:
    await send(here["PROGRESS_URL"], started("silent"))
    await send(here["PROGRESS_URL"], started("broken"))
    await send(here["PROGRESS_URL"], {"type": "job_failed", "job_id": "broken", "error": "no disk"})
    rows = {row.split()[0]: row.split() for row in (await phaseline(here, "list")).out.splitlines()}
    assert (rows["silent"][2], rows["broken"][2]) == ("—", "—")
    assert "0%" not in (await phaseline(here, "show", "silent")).out


@pytest.mark.slow
async def test_list_understands_the_filter_of_the_view(here: Env) -> None:
    assert await listed(here) == {"one", "two", "three"}
    assert await listed(here, "host:box2", "!failed") == {"three"}
    assert await listed(here, "--filter", "host:box2 state:failed") == {"two"}
    assert await listed(here, "name:/img_00[45]/") == {"one", "two"}
    assert await listed(here, 'message:"disk full"') == {"two"}
    assert await listed(here, "phase:render") == {"one"}
    assert len(await listed(here, "--limit", "2")) == 2
    assert await listed(here, "--since", "1d", "two") == {"two"}
    none = await phaseline(here, "list", "sate:failed")
    assert (none.code, none.out) == (0, "")
    assert "sate: is not a field" in none.err
    wrong = await phaseline(here, "list", "/(/")
    assert (wrong.code, wrong.out) == (2, "")
    assert (await phaseline(here, "list", "--since", "never")).code == 2


@pytest.mark.slow
async def test_list_without_re2_uses_the_expressions_of_python(here: Env, tmp_path: Path) -> None:
    (tmp_path / "re2.py").write_text("raise ModuleNotFoundError('re2')")
    assert await listed(here | {"PYTHONPATH": str(tmp_path)}, "name:/img_00[45]/") == {"one", "two"}
    assert (await phaseline(here | {"PYTHONPATH": str(tmp_path)}, "list", "/(/")).code == 2


async def test_a_json_document_has_all_jobs(here: Env) -> None:
    ran = await phaseline(here, "list", "--json")
    assert {job["job_id"] for job in json.loads(ran.out)} == {"one", "two", "three"}
    ran = await phaseline(here, "show", "two", "--json")
    assert json.loads(ran.out)["result"] == {"error": "disk full"}


@pytest.mark.slow
async def test_show_prints_a_job_and_its_phases(here: Env) -> None:
    ran = await phaseline(here, "show", "one")
    assert ran.code == 0
    assert re.search(r"^IMG_004  active", ran.out)
    assert re.search(r"^  host      box1$", ran.out, re.MULTILINE)
    assert re.search(r"^  message   tile 3$", ran.out, re.MULTILINE)
    assert re.search(r"^  ► render \d+s 40%$", ran.out, re.MULTILINE)
    assert "  error     disk full\n" in (await phaseline(here | {"PROGRESS_JOB": "two"}, "show")).out
    missing = await phaseline(here, "show", "four")
    assert (missing.code, missing.out) == (5, "")


@pytest.mark.slow
async def test_tail_prints_the_events_of_a_job_until_it_ends(here: Env) -> None:
    over = await phaseline(here, "tail", "two")
    assert over.code == 0
    assert [line[10:] for line in over.out.splitlines()] == ["started, w", "failed after 0s: disk full"]
    command = [PHASELINE, "tail", "one"]
    process = await trio.lowlevel.open_process(command, env=here, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with trio.fail_after(60):
        before = await process.stdout.receive_some()
        await send(here["PROGRESS_URL"], {"type": "job_completed", "job_id": "one"})
        after = b"".join([chunk async for chunk in process.stdout])
        assert await process.wait() == 0
    lines = [line[10:] for line in (before + after).decode().splitlines()]
    assert lines[:2] == ["started, w", "render 40%: tile 3"]
    assert lines[-1].startswith("done after ")


@pytest.mark.slow
async def test_tail_follows_all_jobs_from_a_position(here: Env) -> None:
    everything = await first_lines(here, 5, "tail", "--jsonl", "--since", "start")
    messages = [json.loads(line) for line in everything]
    assert [message["type"] for message in messages] == [
        "job_started", "job_progress", "job_started", "job_failed", "job_started",
    ]  # fmt: skip
    place = f"{messages[2]['epoch']}/{messages[2]['seq']}"
    assert await first_lines(here, 2, "tail", "--jsonl", "--since", place) == everything[3:]
    [line, _] = await first_lines(here, 2, "tail", "--since", place)
    assert line[10:] == "IMG_005: failed after 0s: disk full"


async def first_lines(env: Env, count: int, *arguments: str) -> list[str]:
    """Return the first lines of a command; then, the closed pipe ends it."""
    shell = f'"$0" "$@" | head -{count}; echo "${{PIPESTATUS[0]}}" >&2'
    command = ["bash", "-c", shell, PHASELINE, *arguments]
    async with trio.open_nursery() as nursery:
        with trio.fail_after(60):
            process = await trio.lowlevel.open_process(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            assert process.stdout is not None
            assert process.stderr is not None
            out = b""
            while out.count(b"\n") < count:
                out += await process.stdout.receive_some()
            # It notices that at its next line.
            nursery.start_soon(send, env["PROGRESS_URL"], started(f"later-{len(out)}-{count}"))
            err = b"".join([chunk async for chunk in process.stderr])
            await process.wait()
            await process.stdout.aclose()
    assert err == b"141\n"
    return out.decode().splitlines()


async def test_a_closed_pipe_ends_a_command_silently(here: Env) -> None:
    command = ["bash", "-c", '"$0" list --json | true; echo "${PIPESTATUS[0]}"', PHASELINE]
    ran = await trio.run_process(command, env=here, capture_stdout=True, capture_stderr=True)
    assert ran.stdout in {b"141\n", b"0\n"}  # 0 if it was written before the pipe was closed
    assert ran.stderr == b""


@pytest.mark.slow
async def test_nothing_that_a_server_sends_controls_the_terminal(here: Env) -> None:
    await send(here["PROGRESS_URL"], {"type": "job_failed", "job_id": "three", "result": {"error": HOSTILE}})
    for arguments in (["list"], ["list", "--json"], ["show", "three"], ["show", "three", "--json"], ["tail", "three"]):
        ran = await phaseline(here, *arguments)
        assert ran.code == 0
        assert all(character.isprintable() or character == "\n" for character in ran.out + ran.err)
    ran = await phaseline(here, "wait", "three")
    assert all(character.isprintable() or character == "\n" for character in ran.out + ran.err)


@pytest.mark.slow
async def test_colors_follow_the_environment(here: Env) -> None:
    for wish, colored in (({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)):
        plain = {name: value for name, value in here.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
        ran = await phaseline(plain | {"TERM": "xterm"} | wish, "show", "one")
        assert ("\x1b[36m" in ran.out) is colored


@pytest.mark.slow
async def test_a_token_that_may_not_read_exits_with_4(env: Env, tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path)
    async with server_process(tmp_path) as server:
        env |= {"PROGRESS_URL": server.url, "PROGRESS_TOKEN": tokens["report"]}
        for arguments in (["list"], ["show", "a"], ["tail"], ["wait", "a"]):
            assert (await phaseline(env, *arguments)).code == 4
        env["PROGRESS_TOKEN"] = tokens["read"]
        assert (await phaseline(env, "list")).code == 0


@pytest.mark.slow
async def test_without_a_server_each_command_exits_with_7(env: Env) -> None:
    for arguments in (["list"], ["show", "a"], ["tail"], ["tail", "a"], ["wait", "a"]):
        ran = await phaseline(env, *arguments)
        where = env["PROGRESS_URL"].removeprefix("http://")
        assert (ran.code, ran.out, ran.err) == (7, "", f"phaseline: no server at {where}: connection refused\n")


@pytest.mark.slow
async def test_url_names_another_server_and_a_double_dash_ends_the_options(env: Env, here: Env) -> None:
    assert await listed(env, "--url", here["PROGRESS_URL"], "one") == {"one"}
    assert (await phaseline(here, "start", "--id", "dashed", "--", "--name")).out == "dashed\n"
    assert (await phaseline(here, "show", "--", "dashed")).out.startswith("--name")


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_a_shell_completes_commands_and_the_ids_of_jobs(here: Env, shell: str) -> None:
    script = await phaseline(here, "completion", shell)
    assert script.code == 0
    assert "_PHASELINE_COMPLETE" in script.out
    asked = here | {"_PHASELINE_COMPLETE": f"{shell}_complete"}
    words = {"COMP_WORDS": "phaseline wait t", "COMP_CWORD": "t" if shell == "fish" else "2"}
    offered = await phaseline(asked | words)
    assert set(re.findall(r"\b(one|two|three)\b", offered.out)) == {"two", "three"}
    words = {"COMP_WORDS": "phaseline wa", "COMP_CWORD": "wa" if shell == "fish" else "1"}
    assert "wait" in (await phaseline(asked | words)).out
    away = asked | {"PROGRESS_URL": "http://127.0.0.1:1", "COMP_WORDS": "phaseline done ", "COMP_CWORD": "2"}
    nothing = await phaseline(away)
    assert (nothing.code, nothing.err) == (0, "")


@pytest.mark.parametrize(
    ("shell", "script"),
    [
        (
            "bash",
            'source "$0"; COMP_WORDS=(x show o) COMP_CWORD=2; _phaseline_completion phaseline; echo $COMPREPLY',
        ),
        ("fish", 'source "$argv[1]"; complete -C "phaseline show o"'),
        ("zsh", ZSH),
    ],
)
@pytest.mark.needs("bash", "fish", "zsh")
async def test_the_real_shell_completes_the_id_of_a_job(here: Env, tmp_path: Path, shell: str, script: str) -> None:
    file = tmp_path / "completion"
    file.write_text((await phaseline(here, "completion", shell)).out)
    path = f"{Path(PHASELINE).parent}:{here['PATH']}"
    done = await trio.run_process([shell, "-c", script, str(file)], env=here | {"PATH": path}, capture_stdout=True)
    assert done.stdout.split() == [b"one"]
