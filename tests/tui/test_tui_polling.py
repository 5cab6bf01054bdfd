"""The view behind a proxy that passes no WebSockets: it polls by HTTP."""

from functools import partial
from pathlib import Path

import httpx
import trio

from phaseline_tui.model.connection import LinkState
from phaseline_tui.model.frames import ConvertedSnapshot
from tests.support.ports import free_port
from tests.support.proxies import plain_proxy
from tests.support.servers import progress_server, server_process
from tests.support.tui_links import Recorder, following
from tests.support.tui_screen import ENVIRONMENT, PROGRAM


async def send(url: str, path: str, **fields: object) -> None:
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        (await client.post(f"{url}{path}", json=fields)).raise_for_status()


async def test_jobs_and_later_messages_arrive_through_a_proxy_without_websockets(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server, plain_proxy(server.url) as url:
        await send(server.url, "/progress/start", job_id="early", phases=["a"])

        def follow() -> None:
            with following(url) as (_, recorder):
                assert recorder.wait_state(LinkState.CONNECTED).polling
                recorder.wait(lambda: any(isinstance(each, ConvertedSnapshot) for each in recorder.frames))
                snapshot = next(each for each in recorder.frames if isinstance(each, ConvertedSnapshot))
                assert [job.job_id for job in snapshot.views] == ["early"]
                assert snapshot.today is not None
                trio.from_thread.run(partial(send, server.url, "/progress/start", job_id="late", phases=["a"]))
                recorder.wait(lambda: any(getattr(each, "job_id", None) == "late" for each in recorder.frames))
                assert len([each for each in recorder.frames if isinstance(each, ConvertedSnapshot)]) == 1
                assert recorder.ignored == 0

        await trio.to_thread.run_sync(follow)


def has_received(recorder: Recorder, job_id: str) -> bool:
    """Return whether the job has arrived: in a message, or in the snapshot if it started before the first poll."""
    return any(
        job_id in {job.job_id for job in each.views}
        if isinstance(each, ConvertedSnapshot)
        else getattr(each, "job_id", None) == job_id
        for each in recorder.frames
    )


async def test_a_restarted_server_is_followed_again_through_the_proxy(tmp_path: Path) -> None:
    port = free_port()
    async with plain_proxy(f"http://127.0.0.1:{port}") as url:

        def serve_and_report(recorder: Recorder, job_id: str) -> None:
            with progress_server(tmp_path, bind=f"127.0.0.1:{port}") as direct:
                recorder.wait(lambda: recorder.statuses[-1].state is LinkState.CONNECTED)
                httpx.post(f"{direct}/progress/start", json={"job_id": job_id}, trust_env=False, verify=False)
                recorder.wait(lambda: has_received(recorder, job_id))
            recorder.wait(lambda: recorder.statuses[-1].state is not LinkState.CONNECTED)

        def follow() -> None:
            with following(url) as (_, recorder):
                serve_and_report(recorder, "first")
                serve_and_report(recorder, "second")

        await trio.to_thread.run_sync(follow)


async def test_the_installed_view_lists_jobs_through_the_proxy(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server, plain_proxy(server.url) as url:
        await send(server.url, "/progress/start", job_id="a", name="shot 12", phases=["render"])
        done = await trio.run_process([*PROGRAM, "--once", url], env=ENVIRONMENT, capture_stdout=True)
    assert "shot 12" in done.stdout.decode()
