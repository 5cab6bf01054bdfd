"""`phaseline wait`: conditions, exit codes and lost connections."""

import json
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import trio

from phaseline_cli.client.connection import Away
from phaseline_cli.client.events import Event, follow_until
from tests.support.commands import PHASELINE, phaseline
from tests.support.servers import server_process

Env = dict[str, str]


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    async with server_process(tmp_path) as server:
        yield server.url


async def send(url: str, *reports: Mapping[str, object]) -> None:
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=60) as client:
        answer = (await client.post(f"{url}/progress/batch", json=list(reports))).json()
        assert answer["success"], answer


async def start(url: str, *jobs: str) -> None:
    await send(url, *({"type": "job_started", "job_id": job, "phases": ["load", "render"]} for job in jobs))


@asynccontextmanager
async def waiting(env: Env, *arguments: str) -> AsyncIterator[trio.Process]:
    """Run `wait` beside the block, after which it must end by itself."""
    command = [PHASELINE, "wait", *arguments]
    process = await trio.lowlevel.open_process(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        with trio.fail_after(60):
            yield process
            await process.wait()
    finally:
        process.kill()


async def output(process: trio.Process) -> str:
    assert process.stdout is not None
    return b"".join([chunk async for chunk in process.stdout]).decode()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("report", "code", "out"),
    [
        ({"type": "job_completed"}, 0, "a\n"),
        ({"type": "job_failed", "result": {"error": "disk full"}}, 1, ""),
        ({"type": "job_cancelled"}, 3, ""),
    ],
)
async def test_wait_ends_as_the_job_did(env: Env, url: str, report: dict[str, object], code: int, out: str) -> None:
    env["PROGRESS_URL"] = url
    await start(url, "a")
    async with waiting(env, "a") as process:
        await send(url, report | {"job_id": "a"})
    assert (process.returncode, await output(process)) == (code, out)
    over = await phaseline(env, "wait", "a")
    assert (over.code, over.out) == (code, out)
    if code == 1:
        assert over.err == "phaseline: job a failed: disk full\n"


@pytest.mark.parametrize(
    ("condition", "report"),
    [
        ("failed", {"type": "job_failed"}),
        ("cancelled", {"type": "job_cancelled"}),
        ("phase=render", {"type": "job_progress", "stage": "render"}),
    ],
)
async def test_wait_ends_with_0_when_its_condition_is_met(
    env: Env, url: str, condition: str, report: dict[str, object]
) -> None:
    env |= {"PROGRESS_URL": url, "PROGRESS_JOB": "a"}
    await start(url, "a")
    async with waiting(env, "--for", condition) as process:
        await send(url, report | {"job_id": "a"})
    assert (process.returncode, await output(process)) == (0, "a\n")


@pytest.mark.slow
async def test_wait_ends_when_the_job_has_reached_the_percent(env: Env, url: str) -> None:
    env["PROGRESS_URL"] = url
    await send(url, {"type": "job_started", "job_id": "a", "phases": ["render"]})
    async with waiting(env, "a", "--for", "percent=5") as process:
        for done in range(100):  # the first progress shows no speed; the speed of later ones shows how far the job is
            await send(url, {"type": "job_progress", "job_id": "a", "stage": "render", "progress": done})
            with trio.move_on_after(0.2):
                await process.wait()
                break
    assert (process.returncode, await output(process)) == (0, "a\n")


async def test_wait_ends_with_1_if_the_job_is_done_without_meeting_the_condition(env: Env, url: str) -> None:
    env["PROGRESS_URL"] = url
    await start(url, "a")
    await send(url, {"type": "job_completed", "job_id": "a"})
    ran = await phaseline(env, "wait", "a", "--for", "phase=other")
    assert (ran.code, ran.out, ran.err) == (1, "", "phaseline: job a completed\n")


@pytest.mark.slow
async def test_wait_waits_for_all_jobs_or_for_any(env: Env, url: str) -> None:
    env["PROGRESS_URL"] = url
    await start(url, "a", "b", "c,d")
    async with waiting(env, "a", "b", "c,d") as all_jobs, waiting(env, "--any", "a", "b") as any_job:
        await send(url, {"type": "job_failed", "job_id": "a"}, {"type": "job_completed", "job_id": "b"})
        await any_job.wait()
        await send(url, {"type": "job_completed", "job_id": "c,d"})
    assert (any_job.returncode, await output(any_job)) == (0, "b\n")
    assert (all_jobs.returncode, await output(all_jobs)) == (1, "b\nc,d\n")


async def test_wait_prints_each_decided_job_as_json(env: Env, url: str) -> None:
    env["PROGRESS_URL"] = url
    await start(url, "a", "b")
    await send(
        url, {"type": "job_failed", "job_id": "a", "result": {"error": "x"}}, {"type": "job_completed", "job_id": "b"}
    )
    ran = await phaseline(env, "wait", "a", "b", "--jsonl")
    assert [json.loads(line) for line in ran.out.splitlines()] == [
        {"job_id": "a", "state": "failed", "met": False, "error": "x"},
        {"job_id": "b", "state": "completed", "met": True, "error": None},
    ]


@pytest.mark.slow
async def test_a_job_that_stalls_or_is_lost_ends_wait_with_6(env: Env, tmp_path: Path) -> None:
    flags = ("--stall-after", "1", "--lease", "4")
    async with server_process(tmp_path, *flags) as server:
        env["PROGRESS_URL"] = server.url
        await start(server.url, "a")
        stalled = await phaseline(env, "wait", "a", "--fail-stalled", "--timeout", "60s")
        met = await phaseline(env, "wait", "a", "--for", "stalled")
        lost = await phaseline(env, "wait", "a", "--timeout", "1m")
    assert (stalled.code, met.code, met.out, lost.code) == (6, 0, "a\n", 6)
    assert lost.err == "phaseline: job a is lost\n"


async def test_wait_ends_with_124_after_its_time(env: Env, url: str) -> None:
    env["PROGRESS_URL"] = url
    await start(url, "a")
    ran = await phaseline(env, "wait", "a", "--timeout", "0.5s")
    assert (ran.code, ran.out, ran.err) == (124, "", "phaseline: time-out; still waiting for a\n")


async def test_wait_ends_with_5_without_such_a_job_and_with_7_without_a_server(env: Env, url: str) -> None:
    assert (await phaseline(env, "wait", "a")).code == 7
    env["PROGRESS_URL"] = url
    ran = await phaseline(env, "wait", "a")
    assert (ran.code, ran.out) == (5, "")
    assert ran.err.startswith("phaseline: no job 'a'")


@pytest.mark.parametrize(
    "arguments",
    [["a", "--for", "x"], ["a", "--for", "percent=101"], ["a", "--for", "phase="], ["a", "--timeout", "x"], []],
)
async def test_a_wrong_argument_of_wait_exits_with_2(env: Env, arguments: list[str]) -> None:
    ran = await phaseline(env, "wait", *arguments)
    assert (ran.code, ran.out) == (2, "")


@pytest.mark.slow
async def test_wait_continues_after_a_restart_of_the_server_and_misses_nothing(env: Env, tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        bind = urlsplit(server.url).netloc
        env["PROGRESS_URL"] = server.url
        await start(server.url, "a", "b")
        command = [PHASELINE, "wait", "a", "b", "--for", "phase=render"]
        process = await trio.lowlevel.open_process(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        await send(server.url, {"type": "job_progress", "job_id": "b", "stage": "render"})
        assert process.stdout is not None
        assert process.stderr is not None
        with trio.fail_after(60):
            assert await process.stdout.receive_some() == b"b\n"
    with trio.fail_after(60):
        assert b"reconnecting" in await process.stderr.receive_some()
    async with server_process(tmp_path, bind=bind) as server:
        # It is only briefly in the phase, possibly before the command has reconnected.
        await send(
            server.url,
            {"type": "job_progress", "job_id": "a", "stage": "render"},
            {"type": "job_progress", "job_id": "a", "stage": "load"},
        )
        with trio.fail_after(60):
            await process.wait()
    assert (process.returncode, await output(process)) == (0, "a\n")


async def test_wait_ends_with_7_if_a_lost_server_does_not_come_back(env: Env, tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        env["PROGRESS_URL"] = server.url
        await start(server.url, "a", "b")
        command = [PHASELINE, "wait", "a", "b", "--for", "phase=load", "--reconnect", "1s"]
        process = await trio.lowlevel.open_process(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        await send(server.url, {"type": "job_progress", "job_id": "b", "stage": "load"})
        assert process.stdout is not None
        with trio.fail_after(60):
            assert await process.stdout.receive_some() == b"b\n"
    with trio.fail_after(60):
        await process.wait()
    assert process.returncode == 7


async def test_ctrl_c_ends_wait_as_a_shell_expects(env: Env, url: str) -> None:
    env["PROGRESS_URL"] = url
    await start(url, "a", "b")
    await send(url, {"type": "job_completed", "job_id": "b"})
    async with waiting(env, "a", "b") as process:
        assert process.stdout is not None
        assert await process.stdout.receive_some() == b"b\n"
        process.send_signal(signal.SIGINT)
    assert process.returncode == -signal.SIGINT  # which a shell shows as 130
    assert process.stderr is not None
    assert b"".join([chunk async for chunk in process.stderr]) == b""


async def followed(url: str, clients: int) -> None:
    """Wait until as many clients follow the stream."""
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=60) as client:
        with trio.fail_after(60):
            while (await client.get(f"{url}/health")).json()["subscribers"] < clients:  # noqa: ASYNC110 - another process
                await trio.sleep(0.05)


async def queue_up(url: str, host: str, queue: str, *jobs: str) -> None:
    await send(url, *({"type": "job_queued", "job_id": job, "host": host, "queue": queue} for job in jobs))


@pytest.mark.slow
async def test_wait_for_a_box_ends_when_its_last_job_has_ended(env: Env, url: str) -> None:
    env["PROGRESS_URL"] = url
    await queue_up(url, "atlas", "gpu", "a", "b")
    await queue_up(url, "atlas", "cpu", "c")
    await queue_up(url, "other", "gpu", "d")
    async with waiting(env, "--box", "atlas") as box, waiting(env, "--box", "atlas", "--queue", "gpu") as queue:
        await followed(url, 2)
        await send(url, {"type": "job_started", "job_id": "a", "host": "atlas", "queue": "gpu"})
        await send(url, {"type": "job_failed", "job_id": "a"})
        await queue_up(url, "atlas", "gpu", "e")
        await send(url, {"type": "job_cancelled", "job_id": "b"})
        with trio.move_on_after(0.5):
            await queue.wait()
        assert queue.returncode is None, "e has arrived meanwhile"
        await send(url, {"type": "job_cancelled", "job_id": "e"})
        await queue.wait()
        assert box.poll() is None, "c is in another queue of the box"
        await send(url, {"type": "job_cancelled", "job_id": "c"})
    ended = [(each.returncode, await output(each)) for each in (queue, box)]
    assert ended == [(0, "atlas\n"), (0, "atlas\n")]
    free = await phaseline(env, "wait", "--box", "atlas", "--queue", "gpu", "--jsonl")
    assert json.loads(free.out) == {"host": "atlas", "queue": "gpu", "free": True}


async def test_a_server_that_ends_between_an_event_and_a_request_is_waited_for(url: str) -> None:
    calls = []

    def asks(event: Event) -> bool:
        calls.append(event)
        if len(calls) == 1:
            raise Away("no server")
        return True

    await trio.to_thread.run_sync(
        lambda: follow_until(asks, url, "jobs", None, deadline=time.monotonic() + 60, patience_s=60)
    )
    assert len(calls) == 2


@pytest.mark.slow
async def test_wait_for_a_box_survives_a_restart_of_the_server(env: Env, tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        bind = urlsplit(server.url).netloc
        env["PROGRESS_URL"] = server.url
        await send(server.url, *({"type": "job_started", "job_id": job, "host": "atlas"} for job in ("a", "b")))
        command = [PHASELINE, "wait", "--box", "atlas"]
        process = await trio.lowlevel.open_process(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        await followed(server.url, 1)
    assert process.stderr is not None
    with trio.fail_after(60):
        assert b"reconnecting" in await process.stderr.receive_some()
    async with server_process(tmp_path, bind=bind) as server:
        await send(server.url, *({"type": "job_completed", "job_id": job} for job in ("a", "b")))
        with trio.fail_after(60):
            await process.wait()
    assert (process.returncode, await output(process)) == (0, "atlas\n")


@pytest.mark.slow
async def test_wait_for_a_box_exits_with_124_or_7_and_accepts_no_job(env: Env, url: str) -> None:
    assert (await phaseline(env, "wait", "--box", "atlas")).code == 7
    env["PROGRESS_URL"] = url
    await queue_up(url, "atlas", "gpu", "a")
    late = await phaseline(env, "wait", "--box", "atlas", "--timeout", "0.5s")
    assert (late.code, late.out, late.err) == (124, "", "phaseline: time-out; atlas still has a\n")
    for wrong in (["--box", "atlas", "a"], ["--box", "atlas", "--for", "done"], ["a", "--queue", "gpu"]):
        assert (await phaseline(env, "wait", *wrong)).code == 2
