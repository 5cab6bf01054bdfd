"""Downloads never reach the server's own network, for any address or name that a provider sends."""

import ipaddress
import ssl

import pytest
import trio

from phaseline_server.pictures.download import fetch
from phaseline_server.pictures.download_client import download_client, is_public
from phaseline_server.pictures.errors import PictureError
from phaseline_server.pictures.retry import Retries
from phaseline_server.pictures.sources import RemotePicture
from tests.support.misbehaving import answer, misbehaving, redirect

TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ALLOWED = "allowed: public addresses, the host of image_url, and hosts in allow_picture_host"


async def ignore(_percent: float) -> None:
    pass


async def download(url: str, *allowed: str) -> bytes:
    async with download_client(TLS, allowed) as client:
        return await fetch(RemotePicture(url), 1000, client, ignore, Retries(timeout=60, retries=0))


async def problem(url: str, *allowed: str) -> str:
    with pytest.raises(PictureError) as caught:
        await download(url, *allowed)
    return str(caught.value)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The addresses of names, one set per lookup; the last one is repeated."""
    names: dict[str, list[str]] = {}

    async def getaddrinfo(host: str, port: int, **_options: object) -> list[tuple[object, ...]]:
        await trio.lowlevel.checkpoint()
        if host not in names:
            raise OSError("Name or service not known")
        known = names[host]
        addresses = (known.pop(0) if len(known) > 1 else known[0]).split()
        return [(2, 1, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(trio.socket, "getaddrinfo", getaddrinfo)
    return names


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.1",
            "::ffff:0:0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
        ),
        *("100.64.0.1", "100.100.100.200", "192.0.0.192", "168.63.129.16", "198.18.0.1", "224.0.0.1", "239.1.1.1"),
        *("240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%2", "fc00::1", "fd00:ec2::254", "fec0::1"),
        *("ff02::1", "::ffff:0:0", "ff0e::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1"),
        *("64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1", "2001::1", "2001:db8::1", "4000::1"),
    ],
)
def test_an_address_of_a_local_network_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "151.101.1.69", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"],
)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "0", "[::ffff:127.0.0.1]"])
async def test_no_spelling_of_loopback_is_connected_to(host: str) -> None:
    async with misbehaving(answer(b"secret")) as server:
        text = await problem(f"http://{host}:{server.port}/admin")
    assert server.requests == []
    assert "is not a public address; " in text
    assert text.endswith(ALLOWED)


async def test_an_allowed_host_may_be_private() -> None:
    async with misbehaving(answer(b"picture")) as server:
        assert await download(f"{server.url}/1.png", "127.0.0.1") == b"picture"


async def test_a_redirect_to_a_local_address_is_rejected() -> None:
    async with misbehaving(answer(b"secret")) as inside:
        async with misbehaving(redirect(f"http://localhost:{inside.port}/admin")) as server:
            text = await problem(server.url, "127.0.0.1")
        assert (len(server.requests), inside.requests) == (1, [])
    assert f"cannot fetch {server.url}: localhost (" in text


async def test_a_name_that_changes_its_address_is_rejected(
    names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client connects to the checked address; a further lookup may return another one."""
    connected: list[str] = []

    async def open_tcp_stream(host: str, port: int, **_options: object) -> trio.SocketStream:
        connected.append(host)
        raise OSError("no way there")

    monkeypatch.setattr(trio, "open_tcp_stream", open_tcp_stream)
    names["rebinding.example"] = ["8.8.8.8", "127.0.0.1"]
    assert "could not connect" in await problem("http://rebinding.example/")
    assert connected == ["8.8.8.8"]
    assert "rebinding.example (127.0.0.1) is not a public address" in await problem("http://rebinding.example/")
    names["both.example"] = ["10.0.0.1 8.8.4.4 1.1.1.1"]
    assert "could not connect" in await problem("http://both.example/")
    assert connected == ["8.8.8.8", "8.8.4.4", "1.1.1.1"]


async def test_a_name_without_addresses_is_an_error(names: dict[str, list[str]]) -> None:
    assert names == {}
    assert "could not connect (Name or service not known)" in await problem("http://missing.example/")


async def test_an_environment_proxy_is_used_and_private_addresses_are_still_rejected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with misbehaving(answer(b"picture")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert await download("http://pictures.example/1.png") == b"picture"
        assert "169.254.169.254 is not a public address" in await problem("http://169.254.169.254/latest")
        monkeypatch.setenv("no_proxy", "localhost")
        assert "is not a public address" in await problem(f"http://localhost:{proxy.port}/")
    assert [request.target for request in proxy.requests] == ["http://pictures.example/1.png"]
