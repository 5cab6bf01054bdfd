"""`phaseline watch a1111`, against a stand-in: each generation is a job that counts images and steps."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from quart_trio import QuartTrio

from tests.support.commands import PHASELINE, phaseline, running, status_when
from tests.support.image_servers import WebUI, running_app
from tests.support.servers import server_process

Env = dict[str, str]


@pytest.fixture
async def here(env: Env, tmp_path: Path) -> AsyncIterator[Env]:
    async with server_process(tmp_path) as server:
        yield env | {"PROGRESS_URL": server.url}


@pytest.mark.slow
async def test_generations_are_jobs_that_count_images_and_steps(here: Env) -> None:
    web_ui = WebUI()
    web_ui.run("1", job_count=-1)  # it does not know yet
    web_ui.waiting = ["task(2)"]
    async with (
        running_app(web_ui.app) as url,
        running([PHASELINE, "watch", "a1111", url, "--until-idle"], here) as watching,
    ):
        started = await status_when(here, "a1111-task(1)", lambda status: status["state"] == "active")
        assert (started["name"], started["workflow"]) == ("web UI txt2img", "a1111")
        web_ui.run("1", job_count=4, job_no=1, sampling_step=10, sampling_steps=20)
        half = await status_when(here, "a1111-task(1)", lambda status: "image 2" in status["message"])
        assert half["message"] == "image 2 of 4, step 10 of 20, 1 waiting"
        assert half["stages"][0]["progress"] == 37.5
        web_ui.run("1", job_count=4, job_no=4, sampling_step=20, sampling_steps=20)
        await status_when(here, "a1111-task(1)", lambda status: status["stages"][0]["progress"] == 100)
        web_ui.waiting = []
        web_ui.run("2", job_count=1, job_no=0, sampling_step=1, sampling_steps=20)
        assert (await status_when(here, "a1111-task(1)", lambda status: status["state"] != "active"))["state"] == (
            "completed"
        )
        await status_when(here, "a1111-task(2)", lambda status: "step 1" in status["message"])
        web_ui.run("2", job_count=1, job_no=0, sampling_step=2, sampling_steps=20, interrupted=True)
        await status_when(here, "a1111-task(2)", lambda status: "step 2" in status["message"])
        web_ui.idle()
        stopped = await status_when(here, "a1111-task(2)", lambda status: status["state"] == "cancelled")
        assert stopped["result"] == {"error": "interrupted"}
        assert await watching.wait() == 0


@pytest.mark.slow
async def test_a_generation_that_ends_long_before_its_last_step_is_not_done(here: Env) -> None:
    web_ui = WebUI()
    web_ui.run("1", job_count=100, job_no=0, sampling_step=0, sampling_steps=20)
    async with running_app(web_ui.app) as url, running([PHASELINE, "watch", "a1111", url, "--until-idle"], here):
        await status_when(here, "a1111-task(1)", lambda status: "image 1" in status["message"])
        web_ui.run("1", job_count=100, job_no=1, sampling_step=0, sampling_steps=20)
        await status_when(here, "a1111-task(1)", lambda status: "image 2" in status["message"])
        web_ui.idle()
        stopped = await status_when(here, "a1111-task(1)", lambda status: status["state"] != "active")
        assert stopped["result"] == {"error": "ended at 1%: it failed or was stopped"}


async def test_a_web_ui_without_its_api_is_named(env: Env) -> None:
    async with running_app(QuartTrio("no-api")) as url:
        ran = await phaseline(env, "watch", "a1111", url)
    where = url.removeprefix("http://")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"phaseline: {where} has no /sdapi/v1/progress; start it with --api\n"
