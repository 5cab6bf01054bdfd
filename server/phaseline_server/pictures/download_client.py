"""The HTTP client for downloads from addresses that a provider names, which must not lead into the server's network."""

import ipaddress
import socket
import ssl
from collections.abc import Collection, Iterable
from functools import partial
from typing import Any, Final

import httpcore
import httpx
import trio

from phaseline_server.pictures.http_client import Unacceptable

__all__ = ["download_client", "is_public"]

_ALLOWED: Final = "public addresses, the host of image_url, and hosts in allow_picture_host"
_GLOBAL_V6: Final = ipaddress.IPv6Network("2000::/3")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
# Services of a cloud for its own machines, at addresses that Python does not know as private: Oracle's and Azure's.
_PRIVATE: Final = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv4Network("168.63.129.16/32"))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: Address) -> bool:
    """Return whether `address` is a unicast address of the Internet.

    An IPv6 address that stands for an IPv4 address is judged by that one: mapped (RFC 4291), 6to4 (RFC 3056), and of a
    NAT64 (RFC 6052).
    """
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and not any(address in network for network in _PRIVATE)
    within = address.ipv4_mapped or address.sixtofour
    if address in _NAT64:
        within = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if within is not None:
        return is_public(within)
    return address.is_global and address in _GLOBAL_V6


def download_client(tls: ssl.SSLContext, allowed: Collection[str]) -> httpx.AsyncClient:
    """Return a client that only connects to public addresses, and to the hosts `allowed`.

    The address is checked that is connected to, for each request, so neither a redirect nor a name that changes its
    address leads elsewhere. Behind a proxy (`HTTPS_PROXY`), only addresses in the URL itself are checked, because the
    proxy resolves names.
    """

    async def check(request: httpx.Request) -> None:
        host = request.url.host
        address = _literal(host)
        if address is not None and not is_public(address) and host not in allowed:
            raise _refused(host, [host])

    client = httpx.AsyncClient(verify=tls, event_hooks={"request": [check]})
    # A transport given to the constructor would disable the proxies of the environment. (httpx 0.28)
    client._transport = _Transport(tls, allowed)  # noqa: SLF001
    return client


class _Transport(httpx.AsyncHTTPTransport):
    def __init__(self, tls: ssl.SSLContext, allowed: Collection[str]) -> None:
        super().__init__(verify=tls)
        # The constructor has no argument for a network backend. (httpx 0.28)
        self._pool = httpcore.AsyncConnectionPool(ssl_context=tls, network_backend=_Backend(allowed))


class _Backend(httpcore.TrioBackend):
    """Resolves names itself, so that the address that was checked is the one that is connected to."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = allowed

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of `host` that is public and answers."""
        connect = partial(super().connect_tcp, local_address=local_address, socket_options=socket_options)
        if host in self._allowed:
            return await connect(host, port, timeout)
        found = await _resolved(host, port, timeout)
        public = [address for address in found if is_public(ipaddress.ip_address(address))]
        if not public:
            raise _refused(host, found)
        share = None if timeout is None else timeout / len(public)
        for address in public[:-1]:
            try:
                return await connect(address, port, share)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await connect(public[-1], port, share)


async def _resolved(host: str, port: int, seconds: float | None) -> list[str]:
    """Return the addresses of `host`, at least one."""
    with trio.move_on_after(float("inf") if seconds is None else seconds):
        try:
            found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        return list(dict.fromkeys(str(place[0]) for *_rest, place in found))
    raise httpcore.ConnectTimeout(f"no address of {host} within {seconds:g} s")


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _refused(host: str, found: list[str]) -> Unacceptable:
    where = host if found == [host] else f"{host} ({found[0]})"
    return Unacceptable(f"{where} is not a public address; allowed: {_ALLOWED}")
