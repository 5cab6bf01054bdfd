"""A reporter behind a proxy that blocks WebSockets: its reports are sent by HTTP."""

from pathlib import Path

import pytest

from phaseline.model.events import JobStarted, PhaseCompleted
from phaseline.reporting import Reporter
from tests.support.proxies import plain_proxy
from tests.support.reporting import job_status
from tests.support.servers import server_process


async def test_reports_go_by_http_through_a_proxy_without_websockets(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        server_process(tmp_path) as server,
        plain_proxy(server.url) as url,
        Reporter(url, flush_timeout=60) as reporter,
    ):
        with reporter.job("a", job_id="a", phases=["load", "render"]) as job:
            for n in job.track(range(300), phase="load"):
                job.info(n=n)
            assert await reporter.aflush()
            reporter.report(PhaseCompleted(job_id="a", phase="nowhere" * 20))
        assert await reporter.aflush()
        status = await job_status(server.url, "a")
    assert (status["state"], status["photo_info"]["n"]) == ("completed", 299)
    assert [each["stage"] for each in status["stages_completed"]] == ["load"]
    assert "blocks WebSockets; reports are sent by HTTP" in caplog.text
    assert caplog.text.count("blocks WebSockets") == 1


async def test_each_request_through_the_proxy_may_use_a_new_connection(tmp_path: Path) -> None:
    async with (
        server_process(tmp_path) as server,
        plain_proxy(server.url) as url,
        Reporter(url, flush_timeout=60) as reporter,
    ):
        for n in range(3):
            reporter.report(JobStarted(job_id=str(n)))
            assert await reporter.aflush()
        assert (await job_status(server.url, "2"))["state"] == "active"
