"""The `Host` and `Origin` headers that the server accepts, also on loopback."""

from pathlib import Path

import httpx
import pytest
import trio
from trio_websocket import open_websocket_url

from tests.support.door_clients import read_until
from tests.support.raw_http import send
from tests.support.servers import serving

BODY = b'{"job_id": "b"}'


async def ask(client: httpx.AsyncClient, *headers: str, target: str = "/health", method: str = "GET") -> int:
    lines = "".join(f"{header}\r\n" for header in headers)
    body = BODY if method == "POST" else b""
    head = f"{method} {target} HTTP/1.1\r\nConnection: close\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
    return (await send(client, head.encode() + body)).status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:5100", 200),
        ("localhost", 200),
        ("LOCALHOST.:80", 200),
        ("jobs.localhost:8080", 200),
        ("127.0.0.1", 200),
        ("127.9.9.9:1", 200),
        ("[::1]:5100", 200),
        ("box.example.org:9", 200),
        ("192.0.2.7", 200),
        ("evil.example", 421),
        ("evil.example:5100", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("127.1", 421),
        ("192.0.2.8", 421),
        ("[::2]", 421),
        ("[", 421),
        ("", 421),
        ("a@localhost.evil.example", 421),
        ("evil.example@127.0.0.1", 421),
        ("localhost:80@evil.example", 421),
        ("localhost:80:80", 421),
        ("localhost/evil.example", 421),
        ("localhost evil.example", 421),
    ],
)
async def test_a_foreign_host_gets_421(tmp_path: Path, host: str, status: int) -> None:
    async with serving(tmp_path, allow_host=("box.example.org", "192.0.2.7")) as client:
        assert await ask(client, f"Host: {host}") == status


async def test_http_1_0_needs_no_host_and_a_foreign_one_still_gets_421(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        assert (await send(client, b"GET /health HTTP/1.0\r\n\r\n")).status == 200
        assert (await send(client, b"GET /health HTTP/1.0\r\nHost: evil.example\r\n\r\n")).status == 421


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://evil.example/health", "localhost", 421),
        ("http://localhost@evil.example/health", "localhost", 421),
        ("http://localhost/health", "evil.example", 200),
        ("HTTP://127.0.0.1:5100/health?check=liveness", "localhost", 200),
        ("http://localhost", "localhost", 200),
        ("http:///health", "localhost", 400),
        ("ftp://localhost/health", "localhost", 400),
    ],
)
async def test_the_host_of_an_absolute_target_wins(tmp_path: Path, target: str, host: str, status: int) -> None:
    async with serving(tmp_path) as client:
        assert await ask(client, f"Host: {host}", target=target) == status


async def test_an_absolute_target_opens_a_websocket_of_its_host_only(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for authority, status in (("localhost", 101), ("evil.example", 421)):
            request = UPGRADE.format(host="localhost", origin="http://localhost").replace(
                "/ws", f"http://{authority}/ws"
            )
            with trio.move_on_after(60):
                assert (await first_line(client, request)).split()[1] == str(status)


async def first_line(client: httpx.AsyncClient, request: str) -> str:
    port = client.base_url.port
    assert port is not None
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(request.encode())
        return (await read_until(stream, b"\r\n")).decode().partition("\r\n")[0]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/progress/jobs", 200),
        ("//progress/jobs", 404),
        ("/progress%2fjobs", 404),
        ("/%70rogress/jobs", 404),
        ("///health", 404),
        ("/dalle/simple/0x1", 404),
        ("//dalle/simple/0x1", 404),
        ("/progress/job/a%2fb", 404),
    ],
)
async def test_only_the_exact_path_is_answered(tmp_path: Path, target: str, status: int) -> None:
    async with serving(tmp_path) as client:
        assert await ask(client, "Host: localhost", target=target) == status
        request = UPGRADE.format(host="localhost", origin="http://localhost").replace("/ws", "//ws")
        assert (await send(client, request.encode())).json["code"] == "NOT_FOUND"


async def test_an_encoded_slash_is_a_part_of_a_job_id_only(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await client.post("/progress/start", json={"job_id": "a/b"})
        assert await ask(client, "Host: localhost", target="/progress/job/a%2Fb") == 200
        assert await ask(client, "Host: localhost", target="/progress/job/a/b") == 200
        answer = await client.get("/dalle/simple%2F0x1")
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("part", ["output", "link", "orders", "estimates"])
async def test_a_job_is_read_by_an_id_that_ends_as_a_path_of_jobs(tmp_path: Path, part: str) -> None:
    async with serving(tmp_path) as client:
        for job_id in ("a", f"a/{part}"):
            await client.post("/progress/start", json={"job_id": job_id})
        answer = await client.get(f"/progress/job/a%2F{part}")
        assert answer.json()["job_status"]["job_id"] == f"a/{part}"
        answer = await client.get(f"/progress/job/%61%2f{part}")
        assert answer.json()["job_status"]["job_id"] == f"a/{part}"
        answer = await client.get(f"/progress/job/a%2F{part}/estimates")
        assert answer.json()["job_id"] == f"a/{part}"
        answer = await client.delete(f"/progress/job/a%2F{part}")
        assert (answer.status_code, answer.json()["error"].partition(";")[0]) == (
            405,
            f"/progress/job/a/{part} does not accept DELETE",
        )
        assert (await client.get(f"/progress/job/b%2F{part}")).status_code == 404


async def test_the_error_for_a_foreign_host_names_a_remedy_on_every_path(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        answer = await client.get("/none", headers={"Host": "evil.example"})
        assert (answer.status_code, answer.json()["code"]) == (421, "MISDIRECTED")
        assert "--allow-host" in answer.json()["error"]


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://{own}", 200),
        ("http://localhost:3000", 200),
        ("https://[::1]", 200),
        ("https://dash.example.org", 200),
        ("http://dash.example.org", 403),
        ("https://dash.example.org:8443", 403),
        ("https://dash.example.org.evil.example", 403),
        ("https://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("http://localhost@evil.example", 403),
        ("null", 403),
        ("", 403),
        ("file://", 403),
        ("chrome-extension://localhost", 403),
        ("http://[", 403),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_pages_of_other_origins_get_403(tmp_path: Path, origin: str, status: int, method: str) -> None:
    async with serving(tmp_path, allow_origin=("https://dash.example.org",)) as client:
        own = client.base_url.netloc.decode()
        target = "/health" if method == "GET" else "/progress/start"
        headers = (f"Host: {own}", f"Origin: {origin.format(own=own)}")
        assert await ask(client, *headers, target=target, method=method) == status


UPGRADE = (
    "GET /ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: c2l4dGVlbiBieXRlcyAhIQ==\r\nOrigin: {origin}\r\n\r\n"
)


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("localhost", "https://evil.example", 403),
        ("localhost", "null", 403),
        ("evil.example", "http://evil.example", 421),
    ],
)
async def test_upgrades_from_other_origins_get_403(tmp_path: Path, host: str, origin: str, status: int) -> None:
    async with serving(tmp_path) as client:
        answer = await send(client, UPGRADE.format(host=host, origin=origin).encode())
        assert (answer.status, answer.json["success"]) == (status, False)


async def test_a_page_from_this_machine_may_open_a_websocket(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        url = str(client.base_url).replace("http", "ws") + "/ws"
        async with open_websocket_url(url, extra_headers=[(b"Origin", b"http://localhost:3000")]) as socket:
            assert "connection_established" in await socket.get_message()


@pytest.mark.parametrize(
    ("target", "mode", "dest", "status"),
    [
        ("/dalle/simple/0x1", "navigate", "document", 404),  # a link to here is fine
        ("/dalle/simple/0x1?generate=1", "navigate", "document", 403),  # but not one that starts work
        ("/dalle/simple/0x1?remove=1", "no-cors", "image", 403),
        ("/health", "no-cors", "script", 403),
        ("/health", "navigate", "iframe", 403),
    ],
)
async def test_a_page_of_another_site_cannot_embed_pictures_or_scripts(
    tmp_path: Path, target: str, mode: str, dest: str, status: int
) -> None:
    async with serving(tmp_path) as client:
        fetched = [f"Sec-Fetch-Mode: {mode}", f"Sec-Fetch-Dest: {dest}"]
        assert await ask(client, "Host: localhost", "Sec-Fetch-Site: cross-site", *fetched, target=target) == status
        assert await ask(client, "Host: localhost", "Sec-Fetch-Site: none", *fetched, target="/health") == 200


FIREFOX = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CURL = "User-Agent: curl/8.14.1"
POWERSHELL = "User-Agent: Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.20348.1"
IMAGE = "Accept: image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"


@pytest.mark.parametrize(
    ("headers", "target", "method", "status"),
    [
        ((FIREFOX, IMAGE, "Accept-Language: en"), "/dalle/none/0x1?generate=1&retry=1", "GET", 403),
        ((FIREFOX, IMAGE), "/dalle/none/0x1?remove=1", "GET", 403),
        ((FIREFOX, "Referer: http://evil.example/"), "/dalle/none/0x1?generate=1", "GET", 403),
        ((FIREFOX, "Upgrade-Insecure-Requests: 1"), "/progress/start", "POST", 403),
        ((FIREFOX, "Accept-Language: en"), "/dalle/none/0x1", "GET", 404),  # it changes nothing
        ((FIREFOX, "Accept-Language: en", "Sec-Fetch-Site: same-origin"), "/dalle/none/0x1?generate=1", "GET", 404),
        ((FIREFOX, "Accept-Language: en", "Origin: http://localhost"), "/progress/start", "POST", 200),
        ((CURL, "Accept: */*"), "/dalle/none/0x1?generate=1", "GET", 404),
        ((POWERSHELL,), "/dalle/none/0x1?generate=1", "GET", 404),
        ((), "/dalle/none/0x1?generate=1", "GET", 404),
    ],
)
async def test_a_browser_without_an_origin_changes_nothing(
    tmp_path: Path, headers: tuple[str, ...], target: str, method: str, status: int
) -> None:
    async with serving(tmp_path) as client:
        assert await ask(client, "Host: localhost", *headers, target=target, method=method) == status


async def test_only_configured_origins_get_cors_headers(tmp_path: Path) -> None:
    listed = {"Origin": "https://dash.example.org"}
    async with serving(tmp_path, allow_origin=("https://dash.example.org",)) as client:
        answer = await client.get("/health", headers=listed)
        assert answer.headers["Access-Control-Allow-Origin"] == "https://dash.example.org"
        assert "Origin" in answer.headers["Vary"]
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        preflight = await client.options("/progress/start", headers=listed | asked)
        assert preflight.status_code == 204
        assert preflight.headers["Access-Control-Allow-Origin"] == "https://dash.example.org"
        assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
        for origin in (str(client.base_url), "http://localhost:1"):
            answer = await client.get("/health", headers={"Origin": origin})
            assert answer.status_code == 200
            assert "Access-Control-Allow-Origin" not in answer.headers
        missing = await client.get("/none", headers=listed)
        assert missing.headers["Access-Control-Allow-Origin"] == "https://dash.example.org"


async def test_rejected_requests_are_counted(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await client.get("/health", headers={"Host": "evil.example"})
        await client.get("/health", headers={"Origin": "https://evil.example"})
        await client.get("/progress/job/none")
        figures = (await client.get("/metrics")).text
        for code in ("MISDIRECTED", "FORBIDDEN_ORIGIN", "UNKNOWN_JOB"):
            assert f'phaseline_refused_total{{code="{code}"}} 1.0' in figures


async def test_an_upgrade_at_an_unknown_path_gets_404(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        request = UPGRADE.format(host="localhost", origin="http://localhost").replace("/ws", "/none")
        answer = await send(client, request.encode())
        assert (answer.status, answer.json["code"]) == (404, "NOT_FOUND")
