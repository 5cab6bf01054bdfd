"""Listen addresses as users write them, and addresses in use."""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import trio
from structlog.testing import capture_logs

from phaseline.errors import ConfigError
from phaseline_server.config.bind import Bind, parse_bind
from phaseline_server.door import open_listeners, url_of
from phaseline_server.errors import PortInUse


def has_v6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_v6 = pytest.mark.skipif(not has_v6_loopback(), reason="this machine has no ::1")


@pytest.fixture
def free() -> Iterator[int]:
    """Return a free port of both loopbacks that only this test will use, see `ports`."""
    hosts = [(socket.AF_INET, "127.0.0.1"), *([(socket.AF_INET6, "::1")] if has_v6_loopback() else [])]
    with ExitStack() as held:
        while True:
            port = 0
            try:
                for family, host in hosts:
                    holder = held.enter_context(socket.socket(family))
                    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    holder.bind((host, port))
                    port = holder.getsockname()[1]
            except OSError:  # another program has the other loopback's
                continue
            break
        yield port


@pytest.fixture
def taken() -> Iterator[int]:
    """Return a port of 127.0.0.1 that another program listens on."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def close(listeners: list[trio.SocketListener]) -> None:
    for listener in listeners:
        listener.socket.close()


@pytest.mark.parametrize(
    ("text", "bind"),
    [
        ("127.0.0.1:8080", Bind("127.0.0.1", 8080)),
        ("localhost:0", Bind("localhost", 0)),
        (" 0.0.0.0:65535 ", Bind("0.0.0.0", 65535)),  # noqa: S104 (not opened)
        ("[::1]:5100", Bind("::1", 5100)),
        ("a-host.example:1", Bind("a-host.example", 1)),
    ],
)
def test_an_address_is_parsed(text: str, bind: Bind) -> None:
    assert parse_bind(text) == bind
    assert parse_bind(str(bind)) == bind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8080",
        ":8080",
        "localhost",
        "localhost:",
        "localhost:http",
        "localhost:-1",
        "localhost:65536",
        "localhost:８０",
        "::1:8080",
        "[::1]",
        "[127.0.0.1]:80",
        "[]:80",
        "http://localhost:80",
        "a b:80",
        "user@host:80",
    ],
)
async def test_an_invalid_address_is_shown_with_the_allowed_format(text: str) -> None:
    with pytest.raises(ConfigError, match=r"allowed: host:port or \[IPv6 address\]:port") as caught:
        await open_listeners([text], explicit=True)
    assert ascii(text) in str(caught.value)


async def test_port_0_binds_a_free_port_and_reports_it() -> None:
    listeners = await open_listeners(["127.0.0.1:0", "127.0.0.1:0"], explicit=True)
    [url] = [url_of(listener) for listener in listeners]
    assert url.startswith("http://127.0.0.1:")
    assert not url.endswith(":0")
    close(listeners)


@needs_v6
async def test_localhost_binds_both_loopback_addresses_on_one_port() -> None:
    listeners = await open_listeners(["localhost:0"], explicit=True)
    port = listeners[0].socket.getsockname()[1]
    assert [url_of(listener) for listener in listeners] == [f"http://127.0.0.1:{port}", f"http://[::1]:{port}"]
    close(listeners)


@needs_v6
async def test_a_duplicate_address_is_bound_once(free: int) -> None:
    listeners = await open_listeners([f"127.0.0.1:{free}", f"localhost:{free}", f"[::1]:{free}"], explicit=True)
    assert [url_of(listener) for listener in listeners] == [f"http://127.0.0.1:{free}", f"http://[::1]:{free}"]
    close(listeners)


async def test_an_address_can_be_bound_again_at_once(free: int) -> None:
    listeners = await open_listeners([f"127.0.0.1:{free}"], explicit=True)
    client = await trio.open_tcp_stream("127.0.0.1", free)
    served = await listeners[0].accept()
    await served.aclose()  # the server closes first, and its side stays in TIME_WAIT
    await client.aclose()
    close(listeners)
    close(await open_listeners([f"127.0.0.1:{free}"], explicit=True))


async def test_an_explicit_address_in_use_is_an_error_and_leaves_no_socket_open(free: int, taken: int) -> None:
    with pytest.raises(PortInUse) as caught:
        await open_listeners([f"127.0.0.1:{free}", f"127.0.0.1:{taken}"], explicit=True)
    assert str(caught.value).startswith(f"127.0.0.1:{taken} is in use")
    assert "--bind 127.0.0.1:0" in str(caught.value)
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", free)):
        pass


async def test_a_default_address_in_use_is_skipped(taken: int) -> None:
    with capture_logs() as logs:
        listeners = await open_listeners([f"127.0.0.1:{taken}", "127.0.0.1:0"], explicit=False)
    assert len(listeners) == 1
    [warning] = logs
    assert warning["log_level"] == "warning"
    assert warning["taken"] == f"127.0.0.1:{taken}"
    assert warning["serving"] == url_of(listeners[0])
    close(listeners)


async def test_all_default_addresses_in_use_is_an_error(taken: int) -> None:
    with socket.socket() as second:
        second.bind(("127.0.0.1", 0))
        second.listen()
        also = second.getsockname()[1]
        with pytest.raises(PortInUse, match=f"127.0.0.1:{taken} and 127.0.0.1:{also} are in use"):
            await open_listeners([f"127.0.0.1:{taken}", f"127.0.0.1:{also}"], explicit=False)


@needs_v6
async def test_localhost_is_in_use_if_either_loopback_address_is(free: int) -> None:
    with socket.socket(socket.AF_INET6) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("::1", free))
        other.listen()
        with pytest.raises(PortInUse, match=f"localhost:{free} is in use"):
            await open_listeners([f"localhost:{free}"], explicit=True)
        close(await open_listeners([f"127.0.0.1:{free}"], explicit=True))  # and the IPv4 address was released


@pytest.mark.parametrize("bind", ["192.0.2.1:0", "no-such-host.invalid:0"])
async def test_an_address_of_another_machine_is_an_error(bind: str) -> None:
    with pytest.raises(ConfigError, match="allowed: a host name or address of this machine"):
        await open_listeners([bind], explicit=True)


async def test_no_address_at_all_is_an_error() -> None:
    with pytest.raises(ConfigError, match="bind is empty"):
        await open_listeners([], explicit=True)


def test_a_port_in_use_raises_eaddrinuse(taken: int) -> None:
    with socket.socket() as second, pytest.raises(OSError, match="in use") as caught:
        second.bind(("127.0.0.1", taken))
    assert caught.value.errno == errno.EADDRINUSE
