"""TLS: every kind of route over it, clients that misuse it, and a certificate that is replaced meanwhile."""

import json
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio_websocket import open_websocket_url

from phaseline.errors import ConfigError
from phaseline.reporting import Reporter
from phaseline_server.config.settings import Settings
from phaseline_server.door import Door, Tls, open_listeners
from phaseline_server.runtime.server import serve
from tests.support.certificates import Certificate, make_certificate
from tests.support.door_clients import FRESH, plain_app, read_all, reset
from tests.support.servers import PATIENT, client_of, server_process

pytestmark = pytest.mark.needs("openssl")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@asynccontextmanager
async def serving(data_dir: Path, certificate: Certificate) -> AsyncIterator[httpx.AsyncClient]:
    """Serve with TLS in this process, and yield a client that trusts the certificate."""
    options: dict[str, Any] = {"tls_cert": str(certificate.certificate), "tls_key": str(certificate.key)}
    settings = Settings(bind=("127.0.0.1:0",), data_dir=str(data_dir), **(PATIENT | options))
    async with trio.open_nursery() as nursery:
        [url] = await nursery.start(lambda task_status: serve(settings, task_status=task_status))
        async with client_of(url, verify=certificate.trusted()) as client:
            yield client
        nursery.cancel_scope.cancel()


async def raw(client: httpx.AsyncClient) -> trio.SocketStream:
    port = client.base_url.port
    assert port is not None
    return await trio.open_tcp_stream("127.0.0.1", port)


async def assert_served(client: httpx.AsyncClient) -> None:
    async with client_of(str(client.base_url), verify=client._transport._pool._ssl_context) as fresh:  # type: ignore[attr-defined]
        assert (await fresh.get("/health")).status_code == 200


async def test_requests_and_websockets_work_over_tls(tmp_path: Path, certificate: Certificate) -> None:
    async with serving(tmp_path, certificate) as client:
        assert client.base_url.scheme == "https"
        own = {"Origin": str(client.base_url).rstrip("/")}
        for _ in range(3):  # on one connection
            answer = await client.post("/progress/start", json={"job_id": "a"}, headers=own)
            assert answer.status_code in {200, 409}
        plain = {"Origin": own["Origin"].replace("https", "http").replace("127.0.0.1", "box.example.org")}
        assert (await client.get("/health", headers=plain)).status_code == 403
        url = str(client.base_url).replace("https", "wss") + "/ws"
        async with open_websocket_url(url, ssl_context=certificate.trusted()) as socket:
            assert "connection_established" in await socket.get_message()
            await socket.send_message('{"type": "subscribe", "snapshot": true}')
            assert "subscription_confirmed" in await socket.get_message()
            assert json.loads(await socket.get_message())["jobs"][0]["job_id"] == "a"


async def test_a_large_response_arrives_whole_and_the_connection_closes_cleanly(
    tmp_path: Path, certificate: Certificate
) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "large.txt").write_bytes(bytes(3_000_000))
    async with serving(tmp_path, certificate) as client:
        assert len((await client.get("/files/large.txt")).content) == 3_000_000
        stream = await raw(client)
        secure = trio.SSLStream(stream, certificate.trusted(), server_hostname="localhost")
        request = b"GET /files/large.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        with trio.fail_after(30):
            await secure.send_all(request)
            received = b"".join([data async for data in secure])  # the end is signed: SSLStream raises otherwise
            await secure.aclose()
        assert received.endswith(bytes(3_000_000))


async def test_a_client_without_tls_affects_no_other_client(tmp_path: Path, certificate: Certificate) -> None:
    async with serving(tmp_path, certificate) as client:
        for sent in (FRESH, b"\x16\x03\x01", b"", bytes(100_000)):
            async with await raw(client) as stream:
                with suppress(trio.BrokenResourceError):
                    await stream.send_all(sent)
                    await stream.send_eof()
                assert b"HTTP" not in await read_all(stream)
            stream = await raw(client)
            with suppress(trio.BrokenResourceError):
                await stream.send_all(sent)
            reset(stream)
        waiting = await raw(client)  # has not begun its handshake
        stream = await raw(client)
        secure = trio.SSLStream(stream, certificate.trusted(), server_hostname="localhost")
        await secure.send_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await secure.receive_some()
        reset(stream)
        await assert_served(client)
        await waiting.aclose()


async def test_the_shutdown_does_not_wait_for_a_handshake(certificate: Certificate) -> None:
    door = Door(tls=Tls(str(certificate.certificate), str(certificate.key), 3600, 3600))
    async with trio.open_nursery() as nursery:
        listeners = await open_listeners(["127.0.0.1:0"], explicit=True)
        [url] = await nursery.start(door.serve, plain_app(door), listeners)
        async with await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2])) as stream:
            await stream.send_all(b"\x16\x03\x01")
            while not door.statistics().accepted:
                await trio.lowlevel.checkpoint()
            with trio.fail_after(60):
                await door.close(0)
                assert await read_all(stream) == b""


async def test_old_tls_versions_are_rejected(tmp_path: Path, certificate: Certificate) -> None:
    context = certificate.trusted()
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with serving(tmp_path, certificate) as client, await raw(client) as stream:
        with pytest.raises(trio.BrokenResourceError):
            await trio.SSLStream(stream, context, server_hostname="localhost").do_handshake()


@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256"])
async def test_tls_1_2_has_no_cbc_suites(tmp_path: Path, certificate: Certificate, cipher: str) -> None:
    context = certificate.trusted()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher)
    async with serving(tmp_path, certificate) as client, await raw(client) as stream:
        with nullcontext() if "GCM" in cipher else pytest.raises(trio.BrokenResourceError):
            await trio.SSLStream(stream, context, server_hostname="localhost").do_handshake()


async def test_a_reporter_reports_over_tls(
    tmp_path: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
    async with serving(tmp_path, certificate) as client:
        async with Reporter(str(client.base_url), flush_timeout=60) as reporter:
            with reporter.job("shot", job_id="shot-1"):
                pass
            assert await trio.to_thread.run_sync(reporter.flush, 60)
        assert (await client.get("/progress/job/shot-1")).json()["job_status"]["state"] == "completed"


async def test_sighup_reloads_the_certificate(tmp_path: Path) -> None:
    one = make_certificate(tmp_path)
    flags = ["--tls-cert", str(one.certificate), "--tls-key", str(one.key)]
    async with server_process(tmp_path, *flags) as server:

        async def is_trusted(context: ssl.SSLContext) -> bool:
            async with client_of(verify=context) as client:
                try:
                    return (await client.get(f"{server.url}/health")).status_code == 200
                except httpx.ConnectError:
                    return False

        old = one.trusted()
        assert await is_trusted(old)
        new = make_certificate(tmp_path).trusted()
        assert not await is_trusted(new)
        server.process.send_signal(signal.SIGHUP)
        while not await is_trusted(new):
            assert server.process.poll() is None
        assert not await is_trusted(old)
        one.key.write_text("nonsense")
        server.process.send_signal(signal.SIGHUP)
        while not any("keeping the old one" in line for line in server.log):
            assert await is_trusted(new)
        assert await is_trusted(new)


@pytest.mark.parametrize("wrong", ["missing", "nonsense", "of another"])
def test_the_start_error_names_the_invalid_file(tmp_path: Path, certificate: Certificate, wrong: str) -> None:
    key = tmp_path / "wrong.key"
    if wrong == "nonsense":
        key.write_text("nonsense")
    elif wrong == "of another":
        key.write_bytes(make_certificate(tmp_path, "other").key.read_bytes())
    with pytest.raises(ConfigError, match=r"wrong\.key.*allowed: a certificate and its key without a password"):
        Tls(str(certificate.certificate), str(key), 5, 2)
