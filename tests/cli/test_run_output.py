"""The end of a command's output, which `phaseline run` sends to the server."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import trio

from phaseline_cli.run.tail import CHARACTERS, Tail
from tests.support.servers import server_process


def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    return data


async def run(phaseline: str, env: dict[str, str], *arguments: str) -> int:
    done = await trio.run_process([phaseline, "run", *arguments], env=env, check=False, capture_stdout=True)
    return done.returncode


async def output(url: str, job_id: str) -> httpx.Response:
    async with httpx.AsyncClient(verify=False) as client:
        return await client.get(f"{url}/progress/job/{job_id}/output")


@pytest.mark.slow
async def test_output_is_sent_while_the_command_runs_and_kept_after_it(
    phaseline: str, env: dict[str, str], tmp_path: Path
) -> None:
    script = f"printf 'begun\\n 10%%'; while [ ! -e {tmp_path}/go ]; do sleep 0.1; done; printf '\\r100%%\\n'; echo no"
    async with server_process(folder(tmp_path), bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, phaseline, env, "--id", "job", "--", "sh", "-c", script)
            with trio.fail_after(60):
                while (await output(server.url, "job")).text != "begun\n 10%":  # noqa: ASYNC110 - as a person looks
                    await trio.sleep(0.1)
                (tmp_path / "go").touch()
        with trio.fail_after(60):
            while (await output(server.url, "job")).text != "begun\n100%\nno\n":
                await run(phaseline, env, "--", "true")


@pytest.mark.slow
async def test_output_of_a_time_without_a_server_arrives_with_the_next_run(
    phaseline: str, env: dict[str, str], tmp_path: Path
) -> None:
    assert await run(phaseline, env, "--id", "away", "--", "sh", "-c", "seq 20000; echo the end") == 0
    assert await run(phaseline, env, "--id", "secret", "--no-output", "--", "echo", "secret") == 0
    [kept] = (tmp_path / "state" / "phaseline" / "output").glob("127.0.0.1-*/*")
    assert kept.stat().st_mode & 0o777 == 0o600
    async with server_process(folder(tmp_path), bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        with trio.fail_after(60):
            while not (found := await output(server.url, "away")).text.endswith("the end\n"):
                await run(phaseline, env, "--", "true")
        assert "19999\n20000\nthe end\n" in found.text
        assert len(found.text) <= CHARACTERS
        assert (await output(server.url, "secret")).json()["code"] == "NO_OUTPUT"
    assert not kept.exists()


@pytest.mark.slow
async def test_tail_prints_the_output_until_the_job_ends(phaseline: str, env: dict[str, str], tmp_path: Path) -> None:
    script = f"echo begun; while [ ! -e {tmp_path}/go ]; do sleep 0.1; done; echo ended"
    async with server_process(folder(tmp_path)) as server:
        env["PROGRESS_URL"] = server.url
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, phaseline, env, "--id", "job", "--", "sh", "-c", script)
            with trio.fail_after(60):
                while (await output(server.url, "job")).text != "begun\n":  # noqa: ASYNC110 - as a person looks
                    await trio.sleep(0.1)
            tail = await trio.lowlevel.open_process(
                [phaseline, "tail", "job", "--output"], env=env, stdout=subprocess.PIPE
            )
            assert tail.stdout is not None
            assert await tail.stdout.receive_some() == b"begun\n"
            (tmp_path / "go").touch()
            with trio.fail_after(60):
                rest = b"".join([chunk async for chunk in tail.stdout])
                assert await tail.wait() == 0
        assert rest == b"ended\n"
        done = await trio.run_process(
            [phaseline, "tail", "no-such-job", "-o"], env=env, check=False, capture_stderr=True
        )
        assert done.returncode == 5


def text_of(*chunks: bytes) -> str:
    tail = Tail()
    position, text = 0, ""
    for chunk in chunks:
        tail.add("pty", chunk)
        at, new = tail.after(position)
        assert at == position
        text += new
        position = at + len(new)
    return text


def test_escape_sequences_and_characters_are_whole_across_reads() -> None:
    assert text_of(b"\x1b[3", b"1mred\x1b[0m \xe2\x9c", b"\x93 \x1b]0;title", b"\x07end\n") == "red ✓ end\n"
    assert text_of(b"a\r", b"\nb\n") == "a\nb\n"
    assert text_of(b"a\xffb\x00c\n") == "a\ufffdbc\n"


def test_redrawn_lines_are_sent_as_they_were_drawn_last() -> None:
    assert text_of(b"x\n 1%\r 2%\r 3%") == "x\n\r 3%"
    assert text_of(b" 1%\b\b\b\b    \b\b\b\b 2%\n") == " 2%\n"


def test_a_full_screen_program_leaves_no_text() -> None:
    assert text_of(b"before\n\x1b[?1049h~\r\n~", b"more\x1b[?1049lafter\n") == "before\nafter\n"


def test_lines_of_two_streams_do_not_mix() -> None:
    tail = Tail()
    tail.add("stdout", b"half")
    tail.add("stderr", b"error\n")
    assert tail.after(0) == (0, "half\nerror\n")


def test_a_flood_keeps_its_end_and_counts_the_omitted_lines() -> None:
    tail = Tail()
    for number in range(100):
        tail.add("stdout", f"{number:9}\n".encode() * 1000)
    at, text = tail.after(0)
    assert len(text) <= CHARACTERS
    assert text.endswith("       99\n")
    assert at + len(text) == 1_000_000


def test_a_flood_of_output_costs_no_speed(phaseline: str, env: dict[str, str]) -> None:
    code = "import os; [os.write(1, b'x' * 65536) for _ in range(400)]"
    done = subprocess.run(
        [phaseline, "run", "--", sys.executable, "-c", code], env=env, capture_output=True, timeout=60, check=True
    )
    assert len(done.stdout) == 400 * 65536


def test_long_lines_are_read_in_linear_time() -> None:
    tail = Tail()
    for _ in range(100):  # in quadratic time, this takes minutes
        tail.add("stdout", b"x" * CHARACTERS)
        assert len(tail.after(0)[1]) == CHARACTERS
