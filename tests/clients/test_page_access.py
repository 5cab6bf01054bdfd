"""The web page with tokens, over TLS and ssh, and behind a proxy: below a path, and without WebSocket."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getuser
from pathlib import Path

import httpx
import pytest

from phaseline_server.access.grant import Scope
from phaseline_server.access.tokens import TokenFile
from tests.support.browser import Browser, browser
from tests.support.certificates import make_certificate
from tests.support.ports import free_port
from tests.support.servers import client_of, server_process, serving
from tests.support.sshd import SSHD, SshBox, ssh_box
from tests.support.waiting import until
from tests.support.web_page import LIVE, column, press, report

pytestmark = pytest.mark.needs("chromium")

_NGINX = """
daemon off;
pid {directory}/pid;
error_log {directory}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location /jobs/board/ {{
      proxy_pass {upstream}/;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      {more}
      proxy_read_timeout 75s;
    }}
  }}
}}
"""
_CADDY = """
{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port} {{
  handle_path /jobs/board/* {{
    reverse_proxy {upstream}
  }}
}}
"""
_UPGRADE = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
_NO_STREAMS = "location /jobs/board/events { return 503; }"


@contextmanager
def nginx(directory: Path, upstream: str, more: str) -> Iterator[str]:
    """Run nginx in front of a server, below a path, and yield the path's address."""
    directory.mkdir()
    port = free_port()
    config = directory / "nginx.conf"
    config.write_text(_NGINX.format(directory=directory, port=port, upstream=upstream, more=more))
    with subprocess.Popen(["nginx", "-c", str(config), "-e", str(directory / "error.log")]) as process:
        try:
            yield f"http://127.0.0.1:{port}/jobs/board/"
        finally:
            process.terminate()


async def follow(tab: Browser, url: str, server: str, way: str) -> None:
    """Follow a job through the proxy, open it, and come back."""
    async with client_of(server) as client:
        await report(client, "start", job_id="a/b", name="Shot 7", workflow="w", phases=["render"])
        await tab.go(url)
        await tab.until(LIVE)
        await tab.until(f"phaseline.link.way === '{way}'")
        await tab.until(f"{column('name')} === 'Shot 7'")
        await report(client, "report", job_id="a/b", stage="render", progress=40)
        await tab.until(f"{column('percent')}.length > 0 && phaseline.store.jobs.get('a/b').phase === 'render'")
        await tab.evaluate("document.querySelector('.row.job a').click()")
        await tab.until("location.pathname === '/jobs/board/job/a%2Fb'")
        await tab.until("document.querySelectorAll('.gantt li').length === 1")
        await tab.call("Page.reload")
        await tab.until("document.querySelectorAll('.gantt li').length === 1")
        await tab.evaluate("document.querySelector('a[data-page=history]').click()")
        await tab.until("location.pathname === '/jobs/board/history'")


@pytest.mark.slow
@pytest.mark.needs("nginx")
@pytest.mark.parametrize(
    ("more", "way"), [(_UPGRADE, "ws"), ("", "sse"), (_NO_STREAMS, "poll")], ids=["websocket", "events", "polling"]
)
async def test_the_page_works_below_a_path_with_the_routes_that_the_proxy_allows(
    tmp_path: Path, more: str, way: str
) -> None:
    (tmp_path / "data").mkdir()
    async with server_process(tmp_path / "data") as server, browser(tmp_path / "chromium") as tab:
        with nginx(tmp_path / "nginx", server.url, more) as url:
            await follow(tab, url, server.url, way)
        # Chromium logs the attempts that the proxy rejects.
        assert [each for each in tab.problems if "/ws" not in each and "status of 503" not in each] == []


@contextmanager
def caddy(directory: Path, upstream: str) -> Iterator[str]:
    """Run Caddy in front of a server, below a path, and yield the path's address."""
    directory.mkdir()
    port = free_port()
    config = directory / "Caddyfile"
    config.write_text(_CADDY.format(port=port, upstream=upstream))
    environment = os.environ | dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(directory))
    with subprocess.Popen(["caddy", "run", "--config", str(config)], env=environment) as process:
        try:
            yield f"http://127.0.0.1:{port}/jobs/board/"
        finally:
            process.terminate()


async def until_open(port: int | None) -> None:
    """Wait until a program listens on a port."""

    def opens() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port or 0)).close()
        except OSError:
            return False
        return True

    await until(opens)


@pytest.mark.slow
@pytest.mark.needs("caddy")
async def test_the_page_works_below_a_path_of_caddy(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    async with server_process(tmp_path / "data") as server, browser(tmp_path / "chromium") as tab:
        with caddy(tmp_path / "caddy", server.url) as url:
            await until_open(httpx.URL(url).port)
            await follow(tab, url, server.url, "ws")
        assert [each for each in tab.problems if "/ws" not in each] == []


@pytest.mark.slow
@pytest.mark.needs("openssl")
async def test_the_page_works_over_tls(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    made = make_certificate(tmp_path)
    flags = ("--tls-cert", str(made.certificate), "--tls-key", str(made.key))
    async with (
        server_process(tmp_path / "data", *flags) as server,
        client_of(server.url, verify=made.trusted()) as client,
        browser(tmp_path / "chromium", f"--ignore-certificate-errors-spki-list={made.key_hash()}") as tab,
    ):
        await report(client, "start", job_id="a", name="Shot 7")
        await tab.go(server.url)
        await tab.until(f"{LIVE} && location.protocol === 'https:' && phaseline.link.way === 'ws'")
        await tab.until(f"{column('name')} === 'Shot 7'")
        await tab.until("navigator.serviceWorker.controller?.state === 'activated'")
        assert tab.problems == []


@contextmanager
def forwarded(box: SshBox, far: int | None) -> Iterator[int]:
    """Forward a free port to a port of a box, and yield it."""
    port = free_port()
    command = [*box.client.split(), "-N", "-L", f"127.0.0.1:{port}:127.0.0.1:{far}"]
    with subprocess.Popen([*command, "-p", str(box.port), f"{getuser()}@127.0.0.1"]) as process:
        try:
            yield port
        finally:
            process.terminate()


@pytest.mark.needs("ssh", "ssh-keygen", "ps", SSHD)
@pytest.mark.slow
async def test_the_page_works_through_a_forwarded_port_of_ssh(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    async with (
        server_process(tmp_path / "data") as server,
        client_of(server.url) as client,
        browser(tmp_path / "chromium") as tab,
    ):
        with ssh_box(tmp_path / "box") as box, forwarded(box, httpx.URL(server.url).port) as port:
            await until_open(port)
            await report(client, "start", job_id="a", name="Shot 7")
            await tab.go(f"http://localhost:{port}/")
            await tab.until(f"{LIVE} && phaseline.link.way === 'ws' && {column('name')} === 'Shot 7'")
            assert tab.problems == []


async def test_the_page_asks_for_a_token_and_shows_the_reason(tmp_path: Path) -> None:
    file = TokenFile(tmp_path)
    admin, (reader, token), (reporter, _) = (
        file.create(Scope.ADMIN)[0],
        file.create(Scope.READ),
        file.create(Scope.REPORT),
    )
    alert = "document.querySelector('#token [role=alert]')?.innerText"
    async with serving(tmp_path) as client, browser(tmp_path / "chromium") as tab:
        client.headers["Authorization"] = f"Bearer {admin}"
        await report(client, "start", job_id="a", name="Shot 7")
        await tab.go(str(client.base_url))
        for text, words in (
            ("phl_wrong", "This server needs a token with scope read."),
            (reporter, "The token is unknown, has expired or was revoked. Enter another one."),
            (reader, "token scope report does not allow reading; allowed: scope read or admin"),
        ):
            await tab.until(f"{alert} === '{words}'")
            assert "Shot 7" not in await tab.evaluate("document.body.innerText")
            await tab.evaluate(f"document.querySelector('#token input').value = '{text}'")
            await tab.evaluate("document.querySelector('#token button').click()")
        await tab.until(LIVE)
        await tab.until(f"{column('name')} === 'Shot 7'")
        await tab.evaluate("document.querySelector('.row.job a').click()")
        await tab.until("document.querySelector('h2').innerText.endsWith('Shot 7')")
        file.revoke(token.id)
        await tab.until(f"{alert} === 'The token is unknown, has expired or was revoked. Enter another one.'")
        assert "Shot 7" not in await tab.evaluate("document.body.innerText")


@pytest.mark.slow
async def test_a_link_shows_its_job_below_a_path_until_it_is_revoked(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    admin = TokenFile(tmp_path / "data").create(Scope.ADMIN)[0]
    async with server_process(tmp_path / "data") as server, browser(tmp_path / "chromium") as tab:
        with nginx(tmp_path / "nginx", server.url, _UPGRADE) as url:
            async with client_of(server.url) as client:
                client.headers["Authorization"] = f"Bearer {admin}"
                await report(client, "start", job_id="a/b", name="Shot 7", workflow="w", phases=["render"])
                await report(client, "start", job_id="c", name="Secret 8", workflow="w", phases=["render"])
                await tab.go(f"{url}job/a%2Fb")
                await tab.until("document.querySelector('#token input') !== null")
                await tab.evaluate(f"document.querySelector('#token input').value = '{admin}'")
                await tab.evaluate("document.querySelector('#token button').click()")
                await tab.until("document.querySelector('.actions button[name=share]') !== null")
                await tab.evaluate("document.querySelector('.actions button[name=share]').click()")
                link = await tab.until("document.querySelector('.sharing input')?.value")
                assert link.startswith(f"{url}job/a%2Fb#link=phl_link_")
                await tab.evaluate("sessionStorage.clear()")
                await tab.go("about:blank")
                await tab.go(link)
                await tab.until(f"{LIVE} && document.querySelector('h2').innerText.endsWith('Shot 7')")
                await report(client, "report", job_id="a/b", stage="render", progress=40, message="frame 96")
                await report(client, "report", job_id="c", stage="render", progress=41)
                await tab.until("document.querySelector('.message').innerText === 'frame 96'")
                assert await tab.evaluate("[...phaseline.store.jobs.keys()].join()") == "a/b"
                assert await tab.evaluate("phaseline.store.today") is None
                assert await tab.evaluate("document.querySelector('nav').offsetHeight") == 0
                assert await tab.evaluate("document.querySelectorAll('.actions button').length") == 0
                await press(tab, "1")
                assert "/job/" in await tab.evaluate("location.pathname")
                await client.delete("/progress/job/a%2Fb/link")
                ended = "This link has expired or was revoked. Ask its sender for a new one."
                await tab.until(f"document.getElementById('token')?.innerText === '{ended}'")
                assert "Shot 7" not in await tab.evaluate("document.body.innerText")
                assert [each for each in tab.problems if "410" not in each] == []  # Chromium reports each 4xx
                await tab.call("Page.reload")
                await tab.until(f"document.getElementById('token')?.innerText === '{ended}'")
