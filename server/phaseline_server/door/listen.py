"""Listen addresses: from `host:port` to open sockets."""

import errno
import socket
import sys
from collections.abc import Iterable

import structlog
import trio

from phaseline.errors import ConfigError, shown
from phaseline_server.config.bind import ALLOWED, Bind, parse_bind
from phaseline_server.errors import PortInUse

__all__ = ["open_listeners", "url_of"]

_log = structlog.get_logger(__name__)

_LOOPBACK = ("127.0.0.1", "::1")
_ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
# Port 0 with several addresses: the port assigned to the first may be in use on another.
_ATTEMPTS_AT_A_COMMON_PORT = 8


async def open_listeners(binds: Iterable[str], explicit: bool) -> list[trio.SocketListener]:  # noqa: FBT001 (always passed by name)
    """Bind every address of `binds` and return the listeners in that order, without accepting clients.

    A name that resolves to several addresses, such as `localhost`, is bound on each address of this machine, all on
    the same port. Duplicates are bound once.

    Args:
        binds: Addresses in the format of `phaseline_server.config.bind.parse_bind`.
        explicit: Whether the user configured the addresses. If not, a default address that is in use is skipped, as
            long as another one is free.

    Raises:
        ConfigError: An address is malformed, cannot be resolved, or cannot be bound on this machine.
        PortInUse: An explicit address is in use, or all default ones are.
    """
    wanted = [_parsed(bind) for bind in dict.fromkeys(binds)]
    if not wanted:
        raise ConfigError("bind is empty; allowed: one or more addresses, e.g. 127.0.0.1:8080")
    opened: list[trio.SocketListener] = []
    taken: list[Bind] = []
    try:
        for bind in wanted:
            try:
                opened += await _open(bind, {_name(listener) for listener in opened})
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise _cannot_listen(bind, error) from error
                if explicit:
                    raise PortInUse(_taken([bind])) from error
                taken.append(bind)
        if taken and not opened:
            raise PortInUse(_taken(taken))  # noqa: TRY301 (inside the try, which closes the listeners)
    except BaseException:
        for listener in opened:
            listener.socket.close()
        raise
    for bind in taken:
        served = ", ".join(url_of(listener) for listener in opened)
        _log.warning(
            "default address in use; listening on the others, set PROGRESS_URL for clients",
            taken=str(bind),
            serving=served,
        )
    return opened


def _parsed(text: str) -> Bind:
    try:
        return parse_bind(text)
    except ValueError:
        raise ConfigError(f"bind is {shown(text)}; allowed: {ALLOWED}") from None


def url_of(listener: trio.SocketListener, *, secure: bool = False) -> str:
    """Return the URL of `listener`, e.g. `http://127.0.0.1:43211` or `https://[::1]:43211`."""
    return f"{'https' if secure else 'http'}://{Bind(*_name(listener))}"


def _name(listener: trio.SocketListener) -> tuple[str, int]:
    host, port = listener.socket.getsockname()[:2]
    return str(host), int(port)


async def _open(bind: Bind, ours: set[tuple[str, int]]) -> list[trio.SocketListener]:
    """Bind each address of `bind`, except `ours`, which are already bound; raises OSError."""
    hosts = _LOOPBACK if bind.host.lower() == "localhost" else await _addresses(bind)
    for attempt in range(_ATTEMPTS_AT_A_COMMON_PORT):
        try:
            return await _open_each(hosts, bind.port, ours)
        except OSError as error:
            last = attempt == _ATTEMPTS_AT_A_COMMON_PORT - 1
            if bind.port != 0 or error.errno != errno.EADDRINUSE or last:
                raise
    raise AssertionError


async def _open_each(hosts: Iterable[str], port: int, ours: set[tuple[str, int]]) -> list[trio.SocketListener]:
    opened: list[trio.SocketListener] = []
    absent: OSError | None = None
    known = False
    try:
        for host in hosts:
            if (host, port) in ours:
                known = True
                continue
            try:
                opened += await trio.open_tcp_listeners(port, host=host)
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
                absent = error
                continue
            port = _name(opened[0])[1]
    except BaseException:
        for listener in opened:
            listener.socket.close()
        raise
    if absent is not None and not opened and not known:
        raise absent
    return opened


async def _addresses(bind: Bind) -> list[str]:
    found = await trio.socket.getaddrinfo(bind.host, bind.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def _taken(binds: list[Bind]) -> str:
    each = " and ".join(str(bind) for bind in binds)
    port = binds[0].port
    find = f"ss -ltnp 'sport = :{port}'" if sys.platform == "linux" else f"lsof -nP -iTCP:{port} -sTCP:LISTEN"
    return (
        f"{each} {'is' if len(binds) == 1 else 'are'} in use by another program, perhaps another progress-server "
        f"(find it with `{find}`); stop it, or choose another port, e.g. any free one with --bind 127.0.0.1:0"
    )


def _cannot_listen(bind: Bind, error: OSError) -> ConfigError:
    return ConfigError(
        f"cannot listen on {bind}: {error.strerror or error}; "
        "allowed: a host name or address of this machine, and a port that this user may bind, e.g. 127.0.0.1:8080"
    )
