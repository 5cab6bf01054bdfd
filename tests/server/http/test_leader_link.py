"""Reports that a server which follows forwards to the leader."""

from pathlib import Path
from typing import Any

import pytest
from quart import request
from quart_trio import QuartTrio

from phaseline.errors import PhaselineError
from phaseline.model.events import PhotoInfo
from phaseline_server.access.server_pass import ServerPass
from phaseline_server.http.leader_link import _Sender, open_leader_link
from phaseline_server.log.protocol import Standing
from tests.support.certificates import make_certificate
from tests.support.image_servers import running_app


@pytest.mark.parametrize("code", ["DISK_FULL", "LOG_UNAVAILABLE", "RATE_LIMITED"])
async def test_no_part_is_forwarded_after_a_part_that_was_temporarily_rejected(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phaseline_server.http.leader_link._sender", lambda: _Sender("", ""))  # a client without token
    app, received = QuartTrio("leader"), list[int]()

    @app.post("/progress/batch")
    async def report_batch() -> dict[str, Any]:
        numbers = [event["producer_seq"] for event in await request.get_json()]
        received.extend(numbers)
        rejected = {"success": False, "code": code, "error": "not now"}
        return {"success": False, "results": [{"seq": 1}, *[rejected] * (len(numbers) - 1)]}

    reports = [
        PhotoInfo(job_id="a", data={"text": "x" * 300_000}, producer="p", producer_seq=number) for number in range(9)
    ]
    async with (
        running_app(app) as url,
        open_leader_link(lambda: Standing("follower", 1, url), ServerPass(None)) as link,
    ):
        outcomes = await link.report_all(reports)
    assert received == [0, 1, 2]  # a megabyte
    assert outcomes[0] == 1
    assert [isinstance(outcome, PhaselineError) and outcome.code for outcome in outcomes[1:]] == [code] * 8


async def test_a_follower_trusts_the_authorities_in_ssl_cert_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phaseline_server.http.leader_link._sender", lambda: _Sender("", ""))
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
    app = QuartTrio("leader")

    @app.post("/progress/batch")
    async def report_batch() -> dict[str, Any]:
        return {"success": True, "results": [{"seq": 7}]}

    async with (
        running_app(app, certificate=certificate) as url,
        open_leader_link(lambda: Standing("follower", 1, url), ServerPass(None)) as link,
    ):
        assert url.startswith("https://")
        assert await link.report_all([PhotoInfo(job_id="a", data={}, producer="p", producer_seq=1)]) == [7]
