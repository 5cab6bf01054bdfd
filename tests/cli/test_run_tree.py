"""The programs of a script are its phases, and the positions in files are progress."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from phaseline_cli.inside import Inside
from phaseline_cli.run.adapter import load
from phaseline_cli.run.positions import Position, position_of
from phaseline_cli.run.progress import Reading
from phaseline_cli.run.reader import Reader
from phaseline_cli.run.tree import Process, Programs, Tree
from tests.cli.test_run_reports import jobs
from tests.support.servers import server_process

Processes = Callable[..., Tree]
TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def tree(tmp_path: Path) -> Processes:
    """Return a function that makes a tree of processes `(pid, parent, age, argv)`, the first of them its root."""

    def make(*processes: tuple[int, int, float, str]) -> Tree:
        (tmp_path / "uptime").write_text("1000.00 2000.00\n")
        for pid, _, age, argv in processes:
            task = tmp_path / str(pid) / "task" / str(pid)
            task.mkdir(parents=True)
            (task / "children").write_text(" ".join(str(child) for child, parent, *_ in processes if parent == pid))
            (tmp_path / str(pid) / "cmdline").write_bytes(argv.replace(" ", "\0").encode() + b"\0")
            started = int((1000 - age) * TICKS)
            fields = " ".join(["0"] * 18 + [str(started), "0"])
            (tmp_path / str(pid) / "stat").write_text(f"{pid} (a) b) S {fields}")
        return Tree(processes[0][0], tmp_path)

    return make


def program(tree: Tree) -> str | None:
    process = tree.now()
    return None if process is None else process.program


def test_the_program_below_shells_and_starters_runs_now(tree: Processes) -> None:
    script = [(1, 0, 50, "/bin/bash ./nightly.sh"), (2, 1, 40, "nice -n 10 sh inner.sh"), (3, 2, 39, "sh inner.sh")]
    found = tree(*script, (4, 3, 20, "/usr/bin/rsync -a a b"), (5, 4, 19, "rsync --server"))
    assert found.is_script()
    assert program(found) == "rsync"


def test_a_program_that_has_just_begun_is_not_a_phase(tree: Processes) -> None:
    assert program(tree((1, 0, 50, "sh x.sh"), (2, 1, 0.4, "date"))) is None


def test_the_first_program_of_a_pipeline_and_the_latest_in_the_foreground_are_used(tree: Processes) -> None:
    background = (2, 1, 40, "daemon")
    pipeline = [(3, 1, 5.0, "pg_dump shots"), (4, 1, 4.99, "gzip"), (5, 1, 4.98, "ssh nas")]
    assert program(tree((1, 0, 50, "sh x.sh"), background, *pipeline)) == "pg_dump"


def test_the_processes_of_a_plain_command_are_not_inspected(tree: Processes) -> None:
    assert not tree((1, 0, 50, "python3 render.py")).is_script()


def test_programs_are_named_without_folders_and_numbered_when_they_return() -> None:
    programs = Programs()
    seen = []
    for pid, argv in enumerate(("/usr/bin/rsync -a", "ffmpeg -i a", "python3 -u jobs/train.py", "ffmpeg -i b"), 1):
        assert programs.take(Process(pid, argv.split(), 2))
        assert not programs.take(Process(pid, argv.split(), 3))
        seen.append(programs.phase)
    assert seen == ["rsync", "ffmpeg", "train.py", "ffmpeg 2"]


def test_a_script_that_starts_hundreds_of_programs_has_few_phases() -> None:
    programs = Programs()
    names = set()
    for pid in range(1, 500):
        programs.take(Process(pid, ["convert"], 2))
        names.add(programs.phase)
    assert len(names) == 20


def test_positions_in_the_files_that_a_program_names_add_up(tmp_path: Path) -> None:
    sizes = {"a": 1000, "b": 3000}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(bytes(size))
    with (tmp_path / "b").open("rb") as file:
        file.seek(2000)
        process = Process(os.getpid(), ["sha256sum", str(tmp_path / "a"), str(tmp_path / "b")], 2)
        assert position_of(process) == Position(3000, 4000)
        assert position_of(process._replace(argv=["gzip", *process.argv[1:]])) is None
        assert position_of(process._replace(argv=["python3", *process.argv[1:]])) is None
        assert position_of(process._replace(argv=["cp", "-r", str(tmp_path), "/mnt"])) is None
        assert position_of(process._replace(argv=["cp", str(tmp_path / "b"), str(tmp_path / "a")])) == (2000, 3000)


def test_dd_only_has_progress_for_a_whole_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(1000))
    with (tmp_path / "a").open("rb") as file, subprocess.Popen(["sleep", "600"], stdin=file) as child:
        try:
            process = Process(child.pid, ["dd", "if=a", "of=b"], 2)
            assert position_of(process) == Position(0, 1000)
            for part in ("count=3", "skip=1", "iflag=skip_bytes"):
                assert position_of(process._replace(argv=[*process.argv, part])) is None
        finally:
            child.kill()


def test_lines_before_a_program_was_seen_are_its_own_but_not_older_ones() -> None:
    reader = Reader(load())
    encode = ["ffmpeg", "-i", "a.mov", "-t", "10", "a.mp4"]
    list(reader.feed(1, "stderr", b"frame=  250 fps=25 q=-1.0 Lsize=100kB time=00:00:10.00 bitrate=1kbits/s\n"))
    header = b"ffmpeg version 5.1 Copyright\n  Duration: 00:00:20.00, start: 0\nOutput #0, mp4, to 'a.mp4':\n"
    list(reader.feed(2, "stderr", header + b"frame=   25 fps=25 q=-1.0 size=10kB time=00:00:01.00 bitrate=1kbits/s\n"))
    reader.switch(encode, 1.5)
    assert (reader.progress.now.run, reader.progress.now.total) == (0.1, 10)


def test_another_program_of_a_script_begins_at_its_own_progress() -> None:
    reader = Reader(load())
    inside = Inside(0, reader, 0)
    clone = ["git", "clone", "shots"]
    inside._programs.take(Process(1, clone, 2))
    reader.switch(clone, 0)
    list(reader.feed(0, "stderr", b"Receiving objects: 100% (10/10), 2.86 MiB | 15 MiB/s, done.\n"))
    assert reader.progress.now.fraction == 1
    assert inside.of_script(reader.progress.now) == Reading("git", text="receive")
    inside._programs.take(Process(2, ["dd", "if=a"], 2))
    reader.switch(["dd", "if=a"], 1)
    assert inside.of_script(reader.progress.now).fraction is None


def test_phases_of_a_scripts_first_program_wait_for_its_name() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 600; true"]) as child:
        try:
            inside = Inside(child.pid, Reader(load()), time.monotonic())
            assert inside.waits()
            assert not Inside(child.pid, Reader(load()), time.monotonic() - 2).waits(), "its programs are short"
            assert not Inside(os.getpid(), Reader(load()), time.monotonic()).waits(), "Python is no shell"
            assert not Inside(child.pid, Reader(load(), ["make"]), time.monotonic()).waits(), "it is no script"
            inside._programs.take(Process(2, ["rsync"], 2))
            assert not inside.waits()
        finally:
            child.kill()


@pytest.mark.slow
async def test_an_unchanged_script_has_phases_and_an_estimate_on_its_second_run(
    phaseline: str, env: dict[str, str], tmp_path: Path
) -> None:
    for name in ("fetch", "render", "pack"):
        shutil.copy("/bin/sleep", tmp_path / name)
    script = tmp_path / "nightly.sh"
    script.write_text("#!/bin/sh\ncd $(dirname $0)\ndate >/dev/null\n./fetch 2\n./render 4\n./pack 2\n")
    script.chmod(0o755)
    (tmp_path / "data").mkdir()
    async with server_process(tmp_path / "data") as server, httpx.AsyncClient(verify=False) as client:
        env["PROGRESS_URL"] = server.url
        await trio.run_process([phaseline, "run", "--id", "first", "--", str(script)], env=env)
        with trio.fail_after(60):
            while (first := (await jobs(server.url)).get("first", {})).get("state") != "completed":
                await trio.run_process([phaseline, "run", "--", "true"], env=env)
        assert [stage["name"] for stage in first["stages"]] == ["fetch", "render", "pack"]
        assert first["workflow"] == "nightly.sh"
        async with trio.open_nursery() as nursery:
            second = [phaseline, "run", "--id", "second", "--", str(script)]
            nursery.start_soon(partial(trio.run_process, second, env=env))
            with trio.fail_after(60):
                status: dict[str, Any] = {}
                while status.get("current_stage") != "render" or status.get("eta_seconds") is None:
                    await trio.sleep(0.2)
                    answer = (await client.get(f"{server.url}/progress/job/second")).json()
                    status = answer.get("job_status", {})
            assert 1 <= status["eta_seconds"] <= 20


@pytest.mark.slow
async def test_a_silent_program_shows_how_much_of_its_file_it_has_read(
    phaseline: str, env: dict[str, str], tmp_path: Path
) -> None:
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(6_000_000_000)
    (tmp_path / "data").mkdir()
    async with server_process(tmp_path / "data") as server, httpx.AsyncClient(verify=False) as client:
        env["PROGRESS_URL"] = server.url
        async with trio.open_nursery() as nursery:
            command = [phaseline, "run", "--id", "sum", "--", "sha256sum", str(big)]
            nursery.start_soon(partial(trio.run_process, command, env=env, capture_stdout=True))
            status: dict[str, Any] = {}
            with trio.fail_after(60):
                while not 1 <= (status.get("percent") or 0) <= 100 or status.get("state") != "active":
                    await trio.sleep(0.2)
                    status = (await client.get(f"{server.url}/progress/job/sum")).json().get("job_status", {})
            assert (status["total"], status["unit"]) == (6_000_000_000, "bytes")
            nursery.cancel_scope.cancel()
