"""`phaseline watch` of other programs' queues: task-spooler itself, the others by answers in their formats."""

import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from phaseline_cli.watch import opencue, pueue, slurm, tsp
from phaseline_cli.watch.listing import Entry, Unlisted
from tests.support.commands import PHASELINE, phaseline
from tests.support.servers import server_process

Env = dict[str, str]
TSP = """ID   State      Output               E-Level  Times(r/u/s)   Command [run=1/1]
4    running    /tmp/ts-out.YXWJ6b                           sleep 30
6    queued     (file)                                       [2]&& echo hi
0    finished   /tmp/ts-out.a1       0        0.01/0.00/0.00 ls /
1    finished   /tmp/ts-out.b2       3        0.01/0.00/0.00 [lab]sh -c 'exit 3'
2    finished   /tmp/ts-out.c3       -1       1.18/0.00/0.00 don't
3    skipped    (no output)                                  [1]&& make all
"""
OPENCUE = Path(__file__).parents[1] / "data" / "opencue.json"
"""Data that pycue 1.37 read from a simulated Cuebot, without some fields."""
STARTED = "2026-11-30T02:00:00.5+00:00"


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    (tmp_path / "data").mkdir()
    async with server_process(tmp_path / "data") as server:
        yield server.url


def test_the_list_of_task_spooler_is_read() -> None:
    assert tsp.entries_of(TSP) == [
        Entry("4", ["sleep", "30"], "running"),
        Entry("6", ["echo", "hi"], "queued"),
        Entry("0", ["ls", "/"], "done"),
        Entry("1", ["sh", "-c", "exit 3"], "failed", reason="exit code 3"),
        Entry("2", ["don't"], "failed", reason="a signal ended it"),
        Entry("3", ["make", "all"], "cancelled", reason="the job that it waited for failed"),
    ]
    assert tsp.entries_of("") == tsp.entries_of("\x00\n\xff 1 running") == []


def pueue_task(number: int, status: Any, **more: Any) -> dict[str, Any]:
    return {"id": number, "command": f"make {number}", "group": "gpu", "priority": 0, "status": status} | more


@pytest.mark.parametrize(
    "tasks",
    [
        [  # version 3
            pueue_task(0, {"Done": "Success"}, start=STARTED),
            pueue_task(1, {"Done": {"Failed": 2}}, start=STARTED),
            pueue_task(2, {"Done": "Killed"}, start=STARTED),
            pueue_task(3, "Running", start=STARTED),
            pueue_task(4, "Queued"),
            pueue_task(5, {"Stashed": {"enqueue_at": None}}, priority=3),
        ],
        [  # version 4
            pueue_task(0, {"Done": {"enqueued_at": STARTED, "start": STARTED, "end": STARTED, "result": "Success"}}),
            pueue_task(1, {"Done": {"start": STARTED, "end": STARTED, "result": {"Failed": 2}}}),
            pueue_task(2, {"Done": {"start": STARTED, "end": STARTED, "result": "Killed"}}),
            pueue_task(3, {"Running": {"enqueued_at": STARTED, "start": STARTED}}),
            pueue_task(4, {"Queued": {"enqueued_at": STARTED}}),
            pueue_task(5, {"Stashed": {"enqueue_at": None}}, priority=3),
        ],
    ],
)
def test_the_status_of_pueue_is_read(tasks: list[dict[str, Any]]) -> None:
    entries = pueue.entries_of(json.dumps({"tasks": {str(task["id"]): task for task in tasks}}).encode())
    assert [(each.entry_id, each.state, each.reason) for each in entries] == [
        ("5", "queued", ""),
        ("0", "done", ""),
        ("1", "failed", "exit code 2"),
        ("2", "cancelled", "it was killed"),
        ("3", "running", ""),
        ("4", "queued", ""),
    ]
    assert (entries[4].words, entries[4].queue, entries[4].began) == (["make", "3"], "gpu", 1796004000.5)


def wrapped(number: float | None) -> dict[str, Any]:
    return {"set": number is not None, "infinite": False, "number": number or 0}


@pytest.mark.parametrize("newer", [False, True])
def test_the_jobs_of_slurm_are_read(newer: bool) -> None:
    found = []
    for number, state, code in (
        (7, "RUNNING", 0),
        (8, "PENDING", 0),
        (9, "FAILED", 3),
        (10, "TIMEOUT", 0),
        (6, "COMPLETED", 0),
    ):
        job = {"job_id": number, "name": "train", "partition": "gpu", "job_state": state, "priority": 100 - number}
        job |= {"start_time": 1796004000, "exit_code": {"status": "ERROR", "return_code": code}}
        if newer:
            job |= {"job_state": [state], "priority": wrapped(100 - number), "start_time": wrapped(1796004000)}
            job |= {"exit_code": {"status": ["ERROR"], "return_code": wrapped(code)}}
        found.append(job)
    assert slurm.entries_of(json.dumps({"jobs": found}).encode()) == [
        Entry("6", ["train"], "done", "gpu", 1796004000.0),
        Entry("7", ["train"], "running", "gpu", 1796004000.0),
        Entry("8", ["train"], "queued", "gpu"),
        Entry("9", ["train"], "failed", "gpu", 1796004000.0, "exit code 3"),
        Entry("10", ["train"], "failed", "gpu", 1796004000.0, "it exceeded its time limit"),
    ]


def test_the_jobs_of_opencue_are_read() -> None:
    entries = opencue.entries_of(OPENCUE.read_bytes())
    assert [(each.words[0][8:], each.state, each.done, each.total, each.reason) for each in entries] == [
        ("sh010-ada_sim", "queued", 0, 20, ""),
        ("sh010-ada_comp_v012", "running", 37, 100, ""),
        ("sh020-ada_light", "done", 48, 48, ""),
        ("sh030-ada_fur", "failed", 40, 48, "3 of 48 frames failed"),
        ("sh040-ada_fog", "cancelled", 5, 12, "it was killed after 5 of 12 frames"),
        ("sh050-ada_roto", "queued", 0, 9, ""),
        ("sh060-ada_track", "running", 0, 9, ""),
    ]
    assert {each.queue for each in entries} == {"testing"}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"tasks": [1], "jobs": {"a": 1}}', b'{"tasks": {"0": 1}, "jobs": [1]}']
)
def test_an_answer_in_another_format_is_not_a_list(body: bytes) -> None:
    for source in (pueue, slurm) if body == b"[]" else (pueue, slurm, opencue):  # OpenCue may have no jobs
        with pytest.raises(Unlisted, match=r"its answer is not valid: .*; supported: "):
            source.entries_of(body)


@asynccontextmanager
async def watching(env: Env, *arguments: str) -> AsyncIterator[trio.Process]:
    """Run `watch` beside the block, after which it must end by itself."""
    process = await trio.lowlevel.open_process([PHASELINE, "watch", *arguments], env=env, stderr=subprocess.PIPE)
    try:
        with trio.fail_after(90):
            assert process.stderr is not None
            assert b"watching" in await process.stderr.receive_some()
            yield process
            await process.wait()
    finally:
        process.kill()


async def status_of(url: str, job_id: str) -> dict[str, Any]:
    """Return the server's data of a job; empty if the server does not know it."""
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=60) as client:
        answer = (await client.get(f"{url}/progress/job/{job_id}")).json()
        status: dict[str, Any] = answer.get("job_status", {})
        return status


async def reaches(url: str, job_id: str, state: str) -> dict[str, Any]:
    """Wait until the server has a job in a state."""
    with trio.fail_after(60):
        while (status := await status_of(url, job_id)).get("state") != state:  # noqa: ASYNC110 - of another process
            await trio.sleep(0.1)
        return status


@pytest.mark.slow
async def test_a_queue_is_watched_to_its_end(env: Env, url: str, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    script = tools / "squeue"
    script.write_text(f"#!/bin/sh\ncat {tmp_path}/answer\n")
    script.chmod(0o755)

    def answer(**states: str) -> None:
        jobs = [
            {"job_id": number, "name": name, "partition": "gpu", "job_state": state, "start_time": 0}
            for number, (name, state) in enumerate(states.items(), 1)
        ]
        (tmp_path / "new").write_text(json.dumps({"jobs": jobs}))
        (tmp_path / "new").replace(tmp_path / "answer")

    answer(old="COMPLETED", a="RUNNING", b="PENDING", c="PENDING", d="PENDING")
    host = os.uname().nodename
    env |= {"PROGRESS_URL": url, "PATH": f"{tools}:{env['PATH']}"}
    async with watching(env, "slurm", "--until-idle"):
        second = await reaches(url, f"slurm-{host}-4", "queued")
        assert (second["queue"], second["position"], second["name"]) == ("gpu", 2, "c")
        assert (await reaches(url, f"slurm-{host}-2", "active"))["queue"] == "gpu"
        answer(old="COMPLETED", a="COMPLETED", b="RUNNING", c="PENDING")
        gone = await reaches(url, f"slurm-{host}-5", "cancelled")
        assert gone["result"]["error"] == "it is no longer listed; its end is not known"
        assert (await reaches(url, f"slurm-{host}-4", "queued"))["position"] == 1
        answer(old="COMPLETED", a="COMPLETED", b="FAILED", c="CANCELLED")
    for number, state in ((2, "completed"), (3, "failed"), (4, "cancelled")):
        await reaches(url, f"slurm-{host}-{number}", state)
    assert await status_of(url, f"slurm-{host}-1") == {}, "it had ended before the first look"


@pytest.mark.slow
async def test_frames_of_opencue_are_progress(env: Env, url: str, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    script = tools / "python3"
    script.write_text(f"#!/bin/sh\ncat {OPENCUE}\n")
    script.chmod(0o755)
    env |= {"PROGRESS_URL": url, "PATH": f"{tools}:{env['PATH']}"}
    process = await trio.lowlevel.open_process([PHASELINE, "watch", "opencue"], env=env)
    try:
        status = await reaches(url, f"opencue-{os.uname().nodename}-00000000-0000-4000-8000-000000000001", "active")
        with trio.fail_after(60):
            while status.get("done") != 37:
                await trio.sleep(0.1)
                status = await status_of(url, status["job_id"])
    finally:
        process.terminate()
        await process.wait()
    assert (status["total"], status["unit"], status["queue"]) == (100, "frames", "testing")
    assert status["stages"][0]["progress"] == 37


async def test_a_program_that_is_not_installed_is_named(env: Env, url: str, tmp_path: Path) -> None:
    ran = await phaseline(env | {"PROGRESS_URL": url, "PATH": str(tmp_path)}, "watch", "pueue")
    assert (ran.code, ran.err) == (1, "phaseline: pueue is not installed, or not in PATH\n")


@pytest.mark.skipif(shutil.which("tsp") is None, reason="task-spooler is not installed")
@pytest.mark.slow
async def test_the_jobs_of_a_real_task_spooler_are_reported(env: Env, url: str, tmp_path: Path) -> None:
    env |= {"PROGRESS_URL": url, "TS_SOCKET": str(tmp_path / "socket"), "TMPDIR": str(tmp_path)}

    def run(*arguments: str) -> None:
        subprocess.run(["tsp", *arguments], env=env, check=True, capture_output=True)

    try:
        run("sh", "-c", f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; exit 3")
        run("true")
        host = os.uname().nodename
        async with watching(env, "tsp", "--until-idle"):
            await reaches(url, f"tsp-{host}-0", "active")
            assert (await reaches(url, f"tsp-{host}-1", "queued"))["position"] == 1
            (tmp_path / "go").touch()
        failed = await reaches(url, f"tsp-{host}-0", "failed")
        assert failed["result"]["error"] == "exit code 3"
        await reaches(url, f"tsp-{host}-1", "completed")
    finally:
        run("-K")
