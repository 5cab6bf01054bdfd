"""Addresses of the server that a reporter accepts, and servers of another kind."""

import pytest
import trio

from phaseline.errors import ConfigError
from phaseline.model.events import JobStarted
from phaseline.reporting import Reporter


@pytest.mark.parametrize("url", ["ftp://x/ws", "ws://", "ws://x:99999", "http://a b/", "", "a,,b", "a,ftp://x"])
def test_an_invalid_server_url_is_rejected(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROGRESS_URL", raising=False)
    with pytest.raises(ConfigError, match="allowed: http://"):
        Reporter(url)


def test_an_invalid_progress_url_breaks_no_worker(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PROGRESS_URL", "ftp://x")
    with Reporter() as reporter, reporter.job("a"):
        assert reporter.url is None
    assert reporter.flush()
    [record] = caplog.records
    assert "; correct PROGRESS_URL" in record.message
    with pytest.raises(ConfigError):
        Reporter(strict=True)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("127.0.0.1", "ws://127.0.0.1:5100/ws"),
        ("box:80", "ws://box:80/ws"),
        ("http://box/", "ws://box:80/ws"),
        ("https://box/progress", "wss://box:443/progress/ws"),
        ("wss://[::1]:9/ws/", "wss://[::1]:9/ws"),
        ("http://a , b:1,http://a/", "ws://a:80/ws,ws://b:1/ws"),
    ],
)
def test_an_address_is_accepted_in_all_usual_forms(given: str, url: str) -> None:
    assert Reporter(given).url == url


async def test_a_server_of_another_kind_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """One that answers HTTP, but no WebSocket; and one that accepts, and sends nothing."""
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:

        async def answer(stream: trio.SocketStream) -> None:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")

        nursery.start_soon(trio.serve_listeners, answer, [listener])
        port = listener.socket.getsockname()[1]
        async with Reporter(f"ws://127.0.0.1:{port}/ws", flush_timeout=60) as reporter:
            reporter.report(JobStarted(job_id="a"))
        nursery.cancel_scope.cancel()
    assert "no connection to" in caplog.text
