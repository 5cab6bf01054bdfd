"""Which hosts and which web pages a server answers: what keeps other people's pages out of it.

A browser lends every page its network: a page of anywhere can send requests to `localhost`, and by giving its own name
the address 127.0.0.1 (DNS rebinding) even read the answers. Programs name themselves by no `Origin`, and are let pass.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

from werkzeug.datastructures import Headers

from phaseline.errors import ForbiddenOrigin, Misdirected
from phaseline_server.config.bind import parse_bind

__all__ = ["Hosts", "Origins", "is_this_machine"]

_MOST_PASSED: Final = 1000
_CROSS_SITE: Final = "cross-site"


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_this_machine(host: str) -> bool:
    """Say whether a host, without a port, is a name or an address by which a machine calls itself."""
    address = _address(host)
    return host == "localhost" or host.endswith(".localhost") if address is None else address.is_loopback


def _host(authority: str) -> str:
    """Return the host in `host:port`, in lower case, without brackets; "" for nonsense."""
    try:
        return (urlsplit(f"//{authority}").hostname or "").removesuffix(".")
    except ValueError:
        return ""


class Hosts:
    """The hosts that the server answers for."""

    def __init__(self, binds: Iterable[str], allowed: Iterable[str]) -> None:
        """Answer for the hosts of `binds` and for those `allowed`, besides this machine's own names and addresses."""
        self._names = {parse_bind(bind).host.lower() for bind in binds} | {name.lower() for name in allowed}
        self._passed: set[tuple[str, str | None]] = set()  # most requests are for one and the same

    def check(self, authority: str | None, own: str | None) -> None:
        """Raise Misdirected unless the request is for this server.

        Args:
            authority: Its `Host`; None in HTTP/1.0, which no browser speaks.
            own: The address that the client connected to.
        """
        if authority is None or (authority, own) in self._passed:
            return
        host = _host(authority)
        if host not in self._names and not is_this_machine(host):
            address = _address(host)
            if address is None or own is None or address != _address(own):
                raise Misdirected(authority)
        if len(self._passed) < _MOST_PASSED:
            self._passed.add((authority, own))


class Origins:
    """The origins whose pages may use the server."""

    def __init__(self, allowed: Iterable[str]) -> None:
        """Allow these, exactly as browsers write them, besides the server's own and this machine's."""
        self._allowed = frozenset(allowed)

    @property
    def any_listed(self) -> bool:
        """Whether there are any to speak CORS with."""
        return bool(self._allowed)

    def listed(self, origin: str | None) -> bool:
        """Say whether an origin was configured, so that CORS is spoken with it."""
        return origin is not None and origin in self._allowed

    def check(self, headers: Headers, scheme: str, own: str | None, *, changing: bool) -> None:
        """Raise ForbiddenOrigin if a page asks that may not.

        Args:
            headers: The request's.
            scheme: http or https.
            own: The address that the client connected to.
            changing: Whether the request may change something.
        """
        origin = headers.get("Origin")
        if origin is None:
            self._check_without(headers, changing=changing)
        elif origin != f"{scheme}://{headers.get('Host')}" and origin not in self._allowed:
            # Programs of this machine can connect anyway, and so may the pages that they serve. `null`, which is
            # what files have, is also what any page of the web can call itself: it is none of these.
            at_home = origin.startswith(("http://", "https://")) and is_this_machine(_host(origin.partition("//")[2]))
            if not at_home or not is_this_machine(own or ""):
                raise ForbiddenOrigin(origin)

    def _check_without(self, headers: Headers, *, changing: bool) -> None:
        """Raise ForbiddenOrigin for what a browser sends without an origin for a page elsewhere: pictures, scripts.

        Following a link to here is fine, unless the link does something.
        """
        if headers.get("Sec-Fetch-Site") != _CROSS_SITE:
            return
        if changing or headers.get("Sec-Fetch-Mode") != "navigate" or headers.get("Sec-Fetch-Dest") != "document":
            raise ForbiddenOrigin("another site")
