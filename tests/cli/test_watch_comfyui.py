"""`phaseline watch comfyui`, against a stand-in: each prompt is a job, its nodes are phases, the history its end."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.support.commands import PHASELINE, job_status, phaseline, running, status_when
from tests.support.image_servers import ComfyUI, running_app
from tests.support.ports import free_port
from tests.support.servers import server_process
from tests.support.waiting import until

Env = dict[str, str]


@pytest.fixture
async def here(env: Env, tmp_path: Path) -> AsyncIterator[Env]:
    async with server_process(tmp_path) as server:
        yield env | {"PROGRESS_URL": server.url}


def stages(status: dict[str, Any]) -> list[tuple[str, str]]:
    return [(stage["name"], stage["state"]) for stage in status["stages"]]


@pytest.mark.slow
async def test_prompts_are_jobs_with_a_place_in_the_queue_and_nodes(here: Env) -> None:
    comfyui = ComfyUI()
    comfyui.running, comfyui.pending = ["a"], [(7, "c"), (3, "b")]
    async with (
        running_app(comfyui.app) as url,
        running([PHASELINE, "watch", "comfyui", url, "--until-idle"], here) as watching,
    ):
        behind = await status_when(here, "comfyui-c", lambda status: bool(status["message"]))
        assert (behind["message"], stages(behind)) == ("2 ahead", [("queue", "current")])
        assert (behind["name"], behind["workflow"]) == ("ComfyUI harbour", "comfyui")
        assert behind["photo_info"] == {"steps": 20, "width": 640, "height": 480, "batch_size": 1}
        assert "640" in behind["series"]
        await comfyui.tell("execution_start", timestamp=1)
        await comfyui.tell("executing", node="4", display_node="4")
        await comfyui.tell("progress", node="3", value=5, max=20)
        sampling = await status_when(here, "comfyui-a", lambda status: status["done"] == 5)
        assert (sampling["current_stage"], sampling["total"], sampling["unit"]) == ("Sample", 20, "steps")
        nodes = {"3": {"value": 15, "max": 20, "state": "running"}, "4": {"value": 1, "max": 1, "state": "finished"}}
        await comfyui.tell("progress_state", nodes=nodes)
        await status_when(here, "comfyui-a", lambda status: status["done"] == 15)
        await comfyui.end("success", ["execution_success", {"prompt_id": "a"}])
        done = await status_when(here, "comfyui-a", lambda status: status["state"] == "completed")
        assert ("Sample", "done") in stages(done)
        ahead = await status_when(here, "comfyui-c", lambda status: status["message"] == "1 ahead")
        assert ahead["state"] == "active"
        error = {"node_type": "VAEDecode", "exception_message": "out of memory\n", "node_id": "8"}
        await comfyui.end("error", ["execution_error", error])
        failed = await status_when(here, "comfyui-b", lambda status: status["state"] == "failed")
        assert failed["result"] == {"error": "VAEDecode: out of memory"}
        await comfyui.end("error", ["execution_interrupted", {"node_id": "3"}])
        stopped = await status_when(here, "comfyui-c", lambda status: status["state"] == "cancelled")
        assert stopped["result"] == {"error": "interrupted"}
        assert await watching.wait() == 0


@pytest.mark.slow
async def test_a_prompt_that_disappears_from_the_queue_is_cancelled(here: Env) -> None:
    comfyui = ComfyUI()
    comfyui.running, comfyui.pending = ["a"], [(3, "b")]
    async with running_app(comfyui.app) as url, running([PHASELINE, "watch", "comfyui", url], here):
        await status_when(here, "comfyui-b", lambda status: status["state"] == "active")
        comfyui.pending.clear()
        await comfyui.queue_changed()
        removed = await status_when(here, "comfyui-b", lambda status: status["state"] == "cancelled")
        assert removed["result"] == {"error": "it was removed from the queue"}
        comfyui.running.clear()  # and its history was cleared
        await comfyui.queue_changed()
        unknown = await status_when(here, "comfyui-a", lambda status: status["state"] == "cancelled")
        assert unknown["result"] == {"error": "ended; its outcome is not in ComfyUI's history"}


@pytest.mark.slow
async def test_invalid_answers_do_not_stop_the_watch(here: Env) -> None:
    comfyui = ComfyUI()
    comfyui.running = ["a"]
    async with running_app(comfyui.app) as url, running([PHASELINE, "watch", "comfyui", url], here):
        await status_when(here, "comfyui-a", lambda status: status["state"] == "active")
        await comfyui.send({"type": "status"})
        await comfyui.tell("progress", node=["x"], value="five", max=None)
        await comfyui.tell("progress", node="3", value=-3, max=10**400)
        await comfyui.tell("progress_state", nodes={"3": None, "4": {"state": "running", "max": {}}})
        await comfyui.tell("progress", node="3", value=9, max=20)
        await status_when(here, "comfyui-a", lambda status: status["done"] == 9)


@pytest.mark.slow
async def test_a_server_that_is_down_is_watched_once_it_starts_and_after_a_restart(here: Env, tmp_path: Path) -> None:
    port, words = free_port(), tmp_path / "words"
    comfyui = ComfyUI()
    comfyui.running = ["a"]
    command = ["sh", "-c", 'exec "$0" watch comfyui "$1" 2> "$2"', PHASELINE, f"127.0.0.1:{port}", str(words)]
    async with running(command, here):
        await until(lambda: words.exists() and "reconnecting" in words.read_text())
        async with running_app(comfyui.app, port):
            await status_when(here, "comfyui-a", lambda status: status["state"] == "active")
        await until(lambda: words.read_text().count("reconnecting") == 2)
        comfyui.running.clear()
        comfyui.history["a"] = {"status": {"status_str": "success", "completed": True, "messages": []}}
        async with running_app(comfyui.app, port):
            await status_when(here, "comfyui-a", lambda status: status["state"] == "completed")
    assert [line.partition(": ")[2] for line in words.read_text().splitlines()[:4]] == [
        f"127.0.0.1:{port}: all attempts to connect to 127.0.0.1:{port} failed; reconnecting",
        f"watching 127.0.0.1:{port}",
        f"127.0.0.1:{port}: the connection was lost; reconnecting",
        f"127.0.0.1:{port} is back",
    ]


@pytest.mark.slow
async def test_the_end_of_the_watch_cancels_the_remaining_jobs(here: Env) -> None:
    comfyui = ComfyUI()
    comfyui.running = ["a"]
    async with (
        running_app(comfyui.app) as url,
        running([PHASELINE, "watch", "comfyui", url], here) as watching,
    ):
        await status_when(here, "comfyui-a", lambda status: status["state"] == "active")
        watching.terminate()
        assert await watching.wait() == -15
    status = await job_status(here["PROGRESS_URL"], "comfyui-a")
    assert (status["state"], status["result"]) == ("cancelled", {"error": "it is no longer watched"})


async def test_an_invalid_address_is_rejected(env: Env) -> None:
    ran = await phaseline(env, "watch", "comfyui", "http://not a host")
    assert (ran.code, ran.out) == (2, "")
    assert "allowed: http://host:port" in ran.err
    with trio.fail_after(60):
        assert (await phaseline(env, "watch", "comfyui", "--until-idle", "1", "2")).code == 2
