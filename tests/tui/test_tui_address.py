"""Server addresses, and the error texts of failed connections."""

import errno
import socket
import ssl

import pytest

from phaseline.errors import ConfigError
from phaseline_tui.model import failures
from phaseline_tui.model.address import ServerAddress


@pytest.mark.parametrize(
    ("text", "host", "port", "tls", "path", "url"),
    [
        ("http://127.0.0.1:5100", "127.0.0.1", 5100, False, "/ws", "http://127.0.0.1:5100"),
        ("127.0.0.1:8080", "127.0.0.1", 8080, False, "/ws", "http://127.0.0.1:8080"),
        ("box", "box", 5100, False, "/ws", "http://box:5100"),
        (" http://box/ ", "box", 80, False, "/ws", "http://box:80"),
        ("https://box", "box", 443, True, "/ws", "https://box:443"),
        ("ws://box:1/ws", "box", 1, False, "/ws", "http://box:1"),
        ("wss://box/render/ws", "box", 443, True, "/render/ws", "https://box:443/render"),
        ("http://[::1]:5100", "::1", 5100, False, "/ws", "http://[::1]:5100"),
        ("a , https://b:2,a", "a", 5100, False, "/ws", "http://a:5100,https://b:2"),
    ],
)
def test_an_address_is_parsed(text: str, host: str, port: int, tls: bool, path: str, url: str) -> None:
    server = ServerAddress.parse(text)
    assert (server.host, server.port, server.tls, server.path, server.url) == (host, port, tls, path, url)


@pytest.mark.parametrize(
    "text",
    ["", "http://", "ftp://box", "http://box:0", "http://box:99999", "http://a:b@box", "http://box?x=1", "http://b\nox",
     "http://box/\x1b[2J", "box:port", "http://bo x"],
)  # fmt: skip
def test_an_invalid_address_is_shown_in_the_error(text: str) -> None:
    with pytest.raises(ConfigError, match="allowed: http://host:port") as caught:
        ServerAddress.parse(text)
    assert ascii(text) in str(caught.value)


@pytest.mark.parametrize(("text", "wrong"), [("a,", ""), ("a,ssh://b", "ssh://b"), ("a,ftp://b", "ftp://b")])
def test_an_invalid_address_of_several_is_shown_in_the_error(text: str, wrong: str) -> None:
    with pytest.raises(ConfigError, match="separated by commas") as caught:
        ServerAddress.parse(text)
    assert ascii(wrong) in str(caught.value)


SERVER = ServerAddress.parse("https://box:7")


def caused(error: OSError) -> OSError:
    outer = OSError("all attempts to connect failed")
    outer.__cause__ = ExceptionGroup("several", [error, OSError(errno.EINVAL, "Invalid argument")])
    return outer


def test_each_failure_to_connect_has_its_own_text() -> None:
    untrusted = ssl.SSLCertVerificationError("certificate verify failed")
    untrusted.verify_message = "self-signed certificate"
    for error, words in (
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "no server at https://box:7: start one with progress-server"),
        (OSError(errno.EHOSTUNREACH, "x"), "no route to box: check the network"),
        (TimeoutError(errno.ETIMEDOUT, "x"), "box:7 does not answer: check the address and the firewall"),
        (socket.gaierror(-2, "x"), "DNS: host name box not found; check the spelling and the network"),
        (untrusted, "TLS: the certificate of box:7 is not trusted: self-signed certificate"),
        (OSError(errno.EACCES, "Permission denied"), "https://box:7: permission denied"),
    ):
        assert failures.unreachable(SERVER, error).reason == words
        assert failures.unreachable(SERVER, caused(error)).reason == words


def test_a_servers_close_reason_is_shown_safely() -> None:
    assert (
        failures.closed(SERVER, 3000, "\x1b[2Jbye").reason == "https://box:7 closed the connection (3000): \\x1b[2Jbye"
    )
    assert (
        failures.closed(SERVER, 1006, None).reason == "https://box:7 closed the connection: no close frame was received"
    )
    assert failures.closed(SERVER, 4500, None).final
    assert failures.closed(SERVER, 4008, None).soon
