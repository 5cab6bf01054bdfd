"""A real server with tokens and TLS: access and its denial."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from phaseline_server.access.grant import Scope
from phaseline_server.access.tokens import TokenFile
from phaseline_tui.link.follower import Follower
from phaseline_tui.link.streams import Dialer
from phaseline_tui.model.access import Access
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import LinkState, Timing
from phaseline_tui.model.failures import refused
from phaseline_tui.model.frames import Snapshot
from tests.support.certificates import Certificate, make_certificate
from tests.support.servers import progress_server
from tests.support.tui_links import NEVER_AGAIN, following
from tests.support.tui_server import PlayedServer

pytestmark = pytest.mark.needs("openssl")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def tokens(data: Path) -> dict[str, str]:
    return {scope.value: TokenFile(data).create(scope)[0] for scope in (Scope.READ, Scope.REPORT, Scope.ADMIN)}


@pytest.fixture(scope="module")
def certificate(data: Path) -> Certificate:
    return make_certificate(data)


@pytest.fixture(scope="module")
def ca_file(certificate: Certificate) -> str:
    return str(certificate.certificate)


@pytest.fixture(scope="module")
def url(data: Path, tokens: dict[str, str], certificate: Certificate) -> Iterator[str]:
    with progress_server(data, "--tls-cert", str(certificate.certificate), "--tls-key", str(certificate.key)) as url:
        yield url


def test_a_read_token_works_over_tls(url: str, tokens: dict[str, str], ca_file: str) -> None:
    access = Access(tokens["read"], ca_file=ca_file)
    with following(url, timing=NEVER_AGAIN, access=access) as (links, recorder):
        recorder.wait_state(LinkState.CONNECTED)
        recorder.wait(lambda: any(isinstance(frame, Snapshot) for frame in recorder.frames))
        assert links.request("127.0.0.1", "GET", "/progress/jobs").result(30).status == 200
        reply = links.request("127.0.0.1", "DELETE", "/dalle/simple/0x1").result(30)
        assert (reply.status, b"FORBIDDEN" in reply.body) == (403, True)


def test_wss_is_the_same_as_https(url: str, tokens: dict[str, str], ca_file: str) -> None:
    access = Access("", (("127.0.0.1", tokens["read"]),), ca_file)
    with following(url.replace("https:", "wss:"), timing=NEVER_AGAIN, access=access) as (_, recorder):
        recorder.wait_state(LinkState.CONNECTED)


def test_an_untrusted_certificate_is_rejected(url: str, tokens: dict[str, str]) -> None:
    with following(url, timing=NEVER_AGAIN, access=Access(tokens["read"])) as (_, recorder):
        assert "is not trusted: self-signed certificate" in recorder.wait_state(LinkState.WAITING).reason


@pytest.mark.parametrize(
    ("token", "words"),
    [("wrong", "the token is not valid; set PROGRESS_TOKEN"), ("", "a token is required; set PROGRESS_TOKEN")],
)
def test_denied_access_is_reported_and_stops_the_link(url: str, ca_file: str, token: str, words: str) -> None:
    with following(url, timing=NEVER_AGAIN, access=Access(token, ca_file=ca_file)) as (_, recorder):
        status = recorder.wait_state(LinkState.STOPPED)
        assert words in status.reason
        assert "wrong" not in status.reason


def test_the_servers_reason_is_shown_without_its_advice() -> None:
    error = refused(ServerAddress.parse("http://box:1"), f"no valid token was sent; send {'x' * 90}", token=False)
    assert "denied access (no valid token was sent): a token is required" in str(error)


def test_a_reporters_token_does_not_read(url: str, tokens: dict[str, str], ca_file: str) -> None:
    with following(url, timing=NEVER_AGAIN, access=Access(tokens["report"], ca_file=ca_file)) as (_, recorder):
        assert "denied access" in recorder.wait_state(LinkState.STOPPED).reason


def test_a_token_is_the_first_message_and_never_sent_unencrypted() -> None:
    with PlayedServer() as server, following(server.url, access=Access("secret")) as (_, recorder):
        recorder.wait_state(LinkState.CONNECTED)
        server.wait_subscribed()
        assert server.received[0] == {"type": "auth", "token": "secret"}

    for address, token in (
        ("http://box:1", ""),
        ("https://box:1", "secret"),
        ("ssh://box", "secret"),
        ("[::1]:1", "secret"),
    ):
        server_address = ServerAddress.parse(address)
        follower = Follower(server_address, "box", Dialer(Timing(), Access("secret")), lambda **_: None)
        assert follower._credentials.token == token, address
