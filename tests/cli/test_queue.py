"""`phaseline queue`: jobs run without a daemon, and survive killed runners."""

import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.support.commands import forked_phaseline, job_status, phaseline
from tests.support.servers import ServerProcess, server_process

Env = dict[str, str]


@asynccontextmanager
async def serving(env: Env, tmp_path: Path) -> AsyncIterator[ServerProcess]:
    (tmp_path / "data").mkdir()
    async with server_process(tmp_path / "data", bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        yield server


async def add(env: Env, job_id: str, script: str, *options: str) -> None:
    added = await phaseline(env, "queue", "add", "--id", job_id, *options, "--", "sh", "-c", script)
    assert (added.code, added.out) == (0, f"{job_id}\n"), added.err


async def states(env: Env) -> dict[str, str]:
    listed = await forked_phaseline(env, "queue", "list")
    assert listed.code == 0, listed.err
    return {line.split()[0]: line.split()[1] for line in listed.out.splitlines()}


async def become(env: Env, **wanted: str) -> None:
    """Wait until jobs are in these states."""
    with trio.fail_after(90):
        while not wanted.items() <= (found := await states(env)).items():
            assert not {job for job, state in found.items() if state == "failed" and wanted.get(job) != "failed"}, found
            await trio.sleep(0.1)


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def appears(path: Path) -> str:
    await comes(lambda: read(path).endswith("\n"))
    return read(path).strip()


async def comes(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    with trio.fail_after(60):
        while not condition():  # noqa: ASYNC110 - of another process
            await trio.sleep(0.05)


async def reaches(url: str, job_id: str, state: str) -> None:
    """Wait until the server has a job in a state."""
    with trio.fail_after(60):
        while (await job_status(url, job_id))["state"] != state:  # noqa: ASYNC110 - of another process
            await trio.sleep(0.1)


async def queued(url: str, *wanted: str) -> dict[str, dict[str, Any]]:
    """Wait until the server has these jobs in a queue; return all waiting jobs."""
    found: dict[str, dict[str, Any]] = {}
    async with httpx.AsyncClient(verify=False) as client:
        with trio.fail_after(60):
            while not found.keys() >= set(wanted):
                jobs = (await client.get(f"{url}/progress/jobs?state=queued")).json()["jobs"]
                found = {job["job_id"]: job for job in jobs}
    return found


def processes(env: Env, *words: str) -> list[int]:
    """Return the processes of this test whose command has these words."""
    found = []
    mine = f"XDG_STATE_HOME={env['XDG_STATE_HOME']}"
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                argv = (folder / "cmdline").read_text(errors="replace").split("\0")
                environment = (folder / "environ").read_text(errors="replace").split("\0")
            except OSError:
                continue
            if mine in environment and all(word in argv for word in words):
                found.append(int(folder.name))
    return found


@pytest.fixture(autouse=True)
def ended(env: Env) -> Any:
    """End processes that a failed test has left."""
    yield
    for job in (Path(env["XDG_STATE_HOME"]) / "phaseline" / "queue").glob("*/jobs/*.json"):
        for pid in processes(env, "run-job", job.stem):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
async def test_jobs_run_one_after_the_other_and_keep_output_and_exit_code(env: Env, tmp_path: Path) -> None:
    order = tmp_path / "order"
    await add(env, "a", f"echo a >> {order}; echo first; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; exit 3")
    await add(env, "b", f"echo b >> {order}")
    await add(env, "urgent", f"echo urgent >> {order}", "--priority", "5")
    await add(env, "c", f"echo c >> {order}")
    await appears(order)
    assert (await states(env)) == {"a": "running", "urgent": "queued", "b": "queued", "c": "queued"}
    assert (await forked_phaseline(env, "queue", "move", "c", "2")).code == 0
    assert (await forked_phaseline(env, "queue", "remove", "a")).code == 1
    (tmp_path / "go").touch()
    followed = await forked_phaseline(env, "queue", "follow", "a")
    assert (followed.code, followed.out) == (3, "first\n")
    await become(env, a="failed", b="completed", c="completed", urgent="completed")
    assert order.read_text().split() == ["a", "urgent", "c", "b"]
    assert (await phaseline(env, "queue", "restart", "--failed")).code == 0
    await become(env, a="failed", b="completed")
    await comes(lambda: order.read_text().split().count("a") == 2)
    await become(env, a="failed")
    assert (await forked_phaseline(env, "queue", "log", "a")).out == "first\nfirst\n"
    assert (await forked_phaseline(env, "queue", "remove", "a", "b")).code == 0
    assert set(await states(env)) == {"c", "urgent"}


@pytest.mark.slow
async def test_a_killed_runner_loses_nothing_and_nothing_runs_twice(env: Env, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    await add(env, "a", f"echo a >> {runs}; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done")
    await add(env, "b", f"echo b >> {runs}")
    await appears(runs)
    [runner] = [pid for pid in processes(env, "queue", "run", "default") if "run-job" not in str(pid)]
    os.kill(runner, signal.SIGKILL)
    await comes(lambda: not processes(env, "queue", "run", "default"))
    (tmp_path / "go").touch()  # the job ends without a runner, records it, and starts another one
    await comes(lambda: read(runs).split() == ["a", "b"])
    await become(env, a="completed", b="completed")
    assert runs.read_text().split() == ["a", "b"]


@pytest.mark.slow
async def test_a_job_whose_process_was_killed_is_failed_and_not_run_again(env: Env, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    await add(env, "a", f"echo $$ >> {runs}; exec sleep 600")
    shell = int(await appears(runs))
    [process] = processes(env, "run-job", "default", "a")
    os.kill(process, signal.SIGKILL)
    assert await states(env) == {"a": "running"}  # because the command is still running
    os.kill(shell, signal.SIGKILL)
    await become(env, a="failed")
    listed = await forked_phaseline(env, "queue", "list")
    assert "its process was killed" in listed.out
    assert runs.read_text().split() == [str(shell)]


@pytest.mark.slow
async def test_slots_run_at_the_same_time_and_a_paused_queue_starts_nothing(env: Env, tmp_path: Path) -> None:
    waits = f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    assert (await forked_phaseline(env, "queue", "pause")).code == 0
    for job in ("a", "b", "c"):
        await add(env, job, waits, "--slots", "2")
    assert set((await states(env)).values()) == {"queued"}
    assert (await phaseline(env, "queue", "resume")).code == 0
    await become(env, a="running", b="running", c="queued")
    (tmp_path / "go").touch()
    await become(env, a="completed", b="completed", c="completed")


async def test_a_job_that_starts_at_once_is_in_its_queue_on_the_server(env: Env, tmp_path: Path) -> None:
    async with serving(env, tmp_path) as server:
        await add(env, "a", f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done", "--queue", "gpu")
        async with httpx.AsyncClient(verify=False) as client:
            with trio.fail_after(60):
                while "a" not in (await client.get(f"{server.url}/progress/active")).json()["active_jobs"]:  # noqa: ASYNC110
                    await trio.sleep(0.1)
        assert (await job_status(server.url, "a"))["queue"] == "gpu"
        (tmp_path / "go").touch()
        await reaches(server.url, "a", "completed")


@pytest.mark.slow
async def test_a_job_is_found_in_any_queue(env: Env) -> None:
    await add(env, "a", "echo hi; exit 3", "--queue", "gpu")
    followed = await forked_phaseline(env, "queue", "follow", "a")
    assert (followed.code, followed.out) == (3, "hi\n")
    assert (await forked_phaseline(env, "queue", "log", "a")).out == "hi\n"
    assert await states(env) == {"a": "failed"}
    listed = json.loads((await forked_phaseline(env, "queue", "list", "--json")).out)["queues"]
    assert [(each["queue"], [job["job_id"] for job in each["jobs"]]) for each in listed] == [("gpu", ["a"])]
    assert (await forked_phaseline(env, "queue", "log", "a", "--queue", "default")).code == 5
    assert (await forked_phaseline(env, "queue", "remove", "a")).code == 0
    assert await states(env) == {}
    missing = await forked_phaseline(env, "queue", "follow", "a")
    assert (missing.code, missing.err) == (
        5, "phaseline: no queue has a job 'a'; `phaseline queue list` lists the jobs\n"
    )  # fmt: skip


@pytest.mark.slow
async def test_a_failed_job_is_restarted_with_those_that_waited_for_it(env: Env, tmp_path: Path) -> None:
    await add(env, "a", f"[ -e {tmp_path}/go ]")
    await add(env, "b", "true", "--after", "a", "--queue", "other")
    await add(env, "c", "true", "--after", "a")
    await add(env, "d", "true", "--after", "c")
    await become(env, a="failed", c="cancelled", d="cancelled")
    other = ("queue", "list", "--queue", "other")
    await comes(lambda: "cancelled" in read(tmp_path / "state/phaseline/queue/other/jobs/b.json"))
    assert "it waited for the job a, which failed" in (await forked_phaseline(env, *other)).out
    (tmp_path / "go").touch()
    assert (await phaseline(env, "queue", "restart", "--failed")).code == 0
    with trio.fail_after(90):
        while set((await states(env)).values()) != {"completed"}:  # noqa: ASYNC110 - of another process
            await trio.sleep(0.1)


@pytest.mark.slow
async def test_a_job_that_others_wait_for_is_removed_with_them_only(env: Env) -> None:
    assert (await forked_phaseline(env, "queue", "pause")).code == 0
    await add(env, "a", "true")
    await add(env, "b", "true", "--after", "a")
    refused = await forked_phaseline(env, "queue", "remove", "a")
    assert (refused.code, refused.err) == (1, "phaseline: job 'b' waits for a; remove it as well\n")
    assert (await forked_phaseline(env, "queue", "remove", "a", "b")).code == 0
    assert await states(env) == {}


@pytest.mark.slow
async def test_jobs_that_are_added_at_once_all_run_once(env: Env, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    async with trio.open_nursery() as nursery:
        for job in "abcdef":
            nursery.start_soon(add, env, job, f"echo {job} >> {runs}", "--slots", "2")
    await comes(lambda: len(read(runs).split()) == 6)
    await become(env, **dict.fromkeys("abcdef", "completed"))
    assert sorted(read(runs).split()) == list("abcdef")


@pytest.mark.slow
async def test_a_job_whose_folder_is_gone_fails_and_the_server_has_the_reason(env: Env, tmp_path: Path) -> None:
    async with serving(env, tmp_path) as server:
        assert (await forked_phaseline(env, "queue", "pause")).code == 0
        gone = tmp_path / "gone"
        gone.mkdir()
        added = await phaseline(env, "queue", "add", "--id", "a", "--", "true", cwd=gone)
        assert added.code == 0
        gone.rmdir()
        assert (await phaseline(env, "queue", "resume")).code == 0
        await become(env, a="failed")
        await reaches(server.url, "a", "failed")
        error = (await job_status(server.url, "a"))["result"]["error"]
        assert error == f"it could not be started in {gone}: no such file or directory"


@pytest.mark.slow
async def test_a_damaged_file_of_a_queue_is_named(env: Env, tmp_path: Path) -> None:
    await add(env, "a", "true")
    await become(env, a="completed")
    path = tmp_path / "state/phaseline/queue/default/jobs/b.json"
    path.write_text('{"job_id": ')
    listed = await forked_phaseline(env, "queue", "list")
    assert listed.code == 1
    assert f"the file {path} is damaged" in listed.err


@pytest.mark.slow
async def test_the_server_shows_the_queue_and_cancels_its_jobs(env: Env, tmp_path: Path) -> None:
    async with serving(env, tmp_path) as server, httpx.AsyncClient(verify=False) as client:
        await client.post(f"{server.url}/progress/start", json={"job_id": "elsewhere"})
        await add(env, "a", f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done")
        await add(env, "b", "true")
        await add(env, "c", "true", "--after", "elsewhere")
        await add(env, "d", "true", "--after", "c")
        found = await queued(server.url, "b", "d")
        assert (found["b"]["queue"], found["b"]["position"], found["d"]["position"]) == ("default", 1, 3)
        assert (await forked_phaseline(env, "cancel", "b", "-m", "not needed")).code == 0
        await become(env, b="cancelled")
        await client.post(f"{server.url}/progress/complete", json={"job_id": "elsewhere", "success": False})
        (tmp_path / "go").touch()
        await become(env, a="completed", b="cancelled", c="cancelled", d="cancelled")
        listed = await forked_phaseline(env, "queue", "list")
        assert "it waited for the job elsewhere, which failed" in listed.out
        assert "it waited for the job c, which was cancelled" in listed.out
        for job, state in (("a", "completed"), ("b", "cancelled"), ("c", "cancelled")):
            await reaches(server.url, job, state)
        assert (await job_status(server.url, "b"))["result"] == {"error": "not needed"}
