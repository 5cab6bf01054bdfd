"""Requests that a mirror answers, requests that only its source serves, and the access to the source."""

import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio

from phaseline.reporting import Reporter
from tests.server.runtime.test_shared_log import folder
from tests.support.certificates import Certificate, make_certificate
from tests.support.crashing import crashing
from tests.support.listening import listening
from tests.support.mirrors import mirror_of, shows, some_jobs
from tests.support.ports import free_port
from tests.support.resuming import by_sse
from tests.support.servers import SERVER, environment
from tests.support.tokens import make_tokens, shown

PHASELINE = [sys.executable, "-c", "from phaseline_cli.program import main; main()"]


async def test_a_mirror_rejects_requests_that_only_its_source_can_serve(tmp_path: Path) -> None:
    async with crashing(folder(tmp_path, "source")) as source:
        await some_jobs(source)
        async with mirror_of(source.server.url, folder(tmp_path, "mirror")) as mirror:
            await shows(mirror, source)
            url = source.server.url
            answer = await mirror.client.post("/progress/report", json={"job_id": "a", "stage": "one"})
            assert (answer.status_code, answer.json()["code"]) == (403, "READ_ONLY_MIRROR")
            assert answer.json()["error"] == (
                f"this server is a read-only mirror of {url}; send reports and changes there"
            )
            assert "Retry-After" not in answer.headers
            session = (await mirror.post("/ws/handshake"))["client_id"]
            message = {"type": "job_progress", "job_id": "a", "stage": "one"}
            sent = await mirror.client.post("/ws/send", json={"client_id": session, "message": message})
            assert sent.json()["code"] == "READ_ONLY_MIRROR"
            async with listening(mirror.server.url) as listener:
                await listener.send("job_progress", job_id="a", stage="one", producer="p", producer_seq=1)
                refused = await listener.receive("error")
                assert (refused["code"], refused["producer_seq"]) == ("READ_ONLY_MIRROR", 1)
                await listener.send("host_status", host="h", load=1.0, processors=1)
                assert (await listener.receive("error"))["code"] == "READ_ONLY_MIRROR"
                await listener.send("follow")  # nor is it a source
                assert (await listener.receive("error"))["code"] == "READ_ONLY_MIRROR"
            for path in ("/gallery", "/progress/job/a/output", "/series"):
                answer = await mirror.client.get(path)
                assert (answer.status_code, answer.json()["code"]) == (404, "NOT_MIRRORED"), path


async def test_a_mirror_serves_live_streams(tmp_path: Path) -> None:
    async with crashing(folder(tmp_path, "source")) as source:
        await some_jobs(source)
        async with mirror_of(source.server.url, folder(tmp_path, "mirror")) as mirror:
            await shows(mirror, source)
            async with listening(mirror.server.url, "jobs", snapshot=True) as listener:
                state = await listener.receive("snapshot")
                assert {job["job_id"] for job in state["jobs"]} == {"a", "b"}
                seq = await source.report("report", "a", stage="one", progress=77)
                live = await listener.receive("job_progress")
                assert (live["seq"], live["progress"], live["epoch"]) == (seq, 77, state["epoch"])
            async with by_sse(mirror.server.url, state["epoch"], state["seq"]) as resumed:
                assert resumed.recovered is True


@pytest.mark.slow
async def test_the_installed_program_mirrors_by_tls_with_a_token_below_a_path(tmp_path: Path) -> None:
    data, certificate = folder(tmp_path, "source"), make_certificate(tmp_path)
    tokens = make_tokens(data)
    async with crashing(data) as source, below_a_path(source.server.url, "/box", certificate) as url:
        source.client.headers.update(shown(tokens, "admin"))
        await some_jobs(source)
        env = environment(PHASELINE_FOLLOW_TOKEN=tokens["read"], SSL_CERT_FILE=str(certificate.certificate))
        async with crashing(folder(tmp_path, "mirror"), "--follow", f"{url}/", env=env) as mirror:
            await shows(mirror, source)
            assert (await mirror.job("a"))["name"] == "first"
            assert (await mirror.get("/health"))["leader"] == url
            listed = await mirror.get("/progress/servers")
            [itself] = listed["servers"]
            assert (listed["leader"], itself["role"], itself["address"]) == (url, "mirror", mirror.server.url)
            assert not [line for line in mirror.server.log if tokens["read"] in line]


@asynccontextmanager
async def below_a_path(url: str, prefix: str, certificate: Certificate) -> AsyncIterator[str]:
    """Run a proxy with TLS that serves another server below a path."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate, certificate.key)

    async def handle(near: trio.SSLStream[trio.SocketStream]) -> None:
        head = bytes(await near.receive_some())
        assert head.startswith(f"GET {prefix}/ws ".encode())
        async with await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2])) as far:
            await far.send_all(head.replace(prefix.encode(), b"", 1))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pump, near, far)
                await pump(far, near)
                nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_ssl_over_tcp, handle, 0, context, host="127.0.0.1", https_compatible=True)
        [listener] = await nursery.start(serve)
        yield f"https://localhost:{listener.transport_listener.socket.getsockname()[1]}{prefix}"
        nursery.cancel_scope.cancel()


async def pump(source: trio.abc.ReceiveStream, to: trio.abc.SendStream) -> None:
    """Pass on what arrives."""
    with suppress(trio.BrokenResourceError):
        async for chunk in source:
            await to.send_all(chunk)


async def test_a_mirror_without_a_copy_names_the_reason(tmp_path: Path) -> None:
    address, data = f"127.0.0.1:{free_port()}", folder(tmp_path, "source")
    async with crashing(data) as source:
        await source.report("start", "a")
        await source.kill()
    async with mirror_of(address, folder(tmp_path, "mirror")) as mirror:
        while "source is unreachable" not in (answer := await mirror.client.get("/progress/jobs")).json()["error"]:
            await trio.lowlevel.checkpoint()
        assert (answer.status_code, answer.json()["code"]) == (503, "LOG_UNAVAILABLE")
        assert address in answer.json()["error"]
        health = await mirror.get("/health")
        assert (health["role"], health["leader"]) == ("mirror", f"http://{address}")
        assert (await mirror.client.get("/health", params={"check": "readiness"})).status_code == 503
        async with crashing(data, "--bind", address) as again:
            await shows(mirror, again)
            assert (await mirror.job("a"))["state"] == "active"


async def test_mirrors_of_each_other_and_of_a_mirror_are_named(tmp_path: Path) -> None:
    async with crashing(folder(tmp_path, "source")) as source:
        await source.report("start", "a")
        async with mirror_of(source.server.url, folder(tmp_path, "one")) as one:
            await shows(one, source)
            async with mirror_of(one.server.url, folder(tmp_path, "two")) as two:
                while "read-only mirror" not in (answer := await two.client.get("/progress/jobs")).json()["error"]:
                    await trio.lowlevel.checkpoint()
                assert source.server.url in answer.json()["error"]


async def test_a_server_does_not_mirror_itself(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    arguments = [*SERVER, "--data-dir", str(tmp_path), "--bind", address, "--follow", f"http://{address}"]
    done = await trio.run_process(arguments, env=environment(), check=False, capture_stderr=True)
    assert done.returncode == 2
    assert done.stderr.decode() == (
        f"progress-server: error: follow is {address}, which is this server's own address; "
        "allowed: that of another server\n"
    )


@pytest.mark.parametrize("transport", ["/ws", "HTTP"])
async def test_a_reporter_with_the_addresses_of_both_uses_the_source(tmp_path: Path, transport: str) -> None:
    async with crashing(folder(tmp_path, "source")) as source:
        await source.report("start", "first")
        async with mirror_of(source.server.url, folder(tmp_path, "mirror")) as mirror:
            await shows(mirror, source)
            urls = f"{mirror.server.url},{source.server.url}"
            if transport == "HTTP":
                command = [*PHASELINE, "start", "a", "--strict"]
                await trio.run_process(command, env=environment(PROGRESS_URL=urls, HOME=str(tmp_path)))
            else:
                await trio.to_thread.run_sync(report_with, urls)
            assert {job["name"] for job in (await source.get("/progress/jobs"))["jobs"]} == {"a", "first"}


def report_with(urls: str) -> None:
    """Report a job."""
    with Reporter(urls) as reporter, reporter.job("a") as job:
        job.phase("x")
