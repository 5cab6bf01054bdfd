"""Checks of `Host` and `Origin`, which keep foreign web pages from using the server.

Any web page can make the browser send requests to `localhost`. With DNS rebinding, where the page's own host name
resolves to 127.0.0.1, it can also read the responses. Programs other than browsers send no `Origin` and pass.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from werkzeug.datastructures import Headers

from phaseline_server.config.bind import parse_bind
from phaseline_server.errors import ForbiddenOrigin, Misdirected

__all__ = ["Hosts", "Origins", "is_this_machine"]

_MOST_PASSED: Final = 1000
_CROSS_SITE: Final = "cross-site"
# No user name, as in evil.example@127.0.0.1: a parser that splits elsewhere would see another host.
_AUTHORITY: Final = re.compile(
    r"(?:(?P<name>[A-Za-z0-9_.-]+)|\[(?P<address>[0-9A-Fa-f:.]+)\])(?::[0-9]{0,5})?", re.ASCII
)
_BROWSER: Final = "Mozilla/"  # how every browser's User-Agent begins
# Headers of which every browser sends at least one. Programs that call themselves Mozilla send none.
_OF_BROWSERS: Final = ("Accept-Language", "Referer", "Upgrade-Insecure-Requests")


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_this_machine(host: str) -> bool:
    """Return whether a host, without a port, is a loopback name or address."""
    address = _address(host)
    return host == "localhost" or host.endswith(".localhost") if address is None else address.is_loopback


def _host(authority: str) -> str:
    """Return the host of `host:port`, in lower case and without brackets; "" if it is anything else."""
    found = _AUTHORITY.fullmatch(authority)
    return (found["name"] or found["address"]).lower().removesuffix(".") if found else ""


class Hosts:
    """The hosts that requests may name."""

    def __init__(self, binds: Iterable[str], allowed: Iterable[str]) -> None:
        """Allow the hosts of `binds`, the hosts in `allowed`, and loopback names and addresses."""
        self._names = {parse_bind(bind).host.lower() for bind in binds} | {name.lower() for name in allowed}
        self._passed: set[tuple[str, str | None]] = set()  # a cache: most requests name the same host

    def check(self, authority: str | None, own: str | None) -> None:
        """Raise Misdirected unless the request is for this server.

        Args:
            authority: The `Host` header; None in HTTP/1.0, which no browser uses.
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
        """Allow these origins, written exactly as browsers send them, the server's own, and loopback origins."""
        self._allowed = frozenset(allowed)

    @property
    def any_listed(self) -> bool:
        """Whether any origin is configured, so that CORS headers are needed."""
        return bool(self._allowed)

    def listed(self, origin: str | None) -> bool:
        """Return whether an origin is configured and gets CORS headers."""
        return origin is not None and origin in self._allowed

    def check(self, headers: Headers, scheme: str, own: str | None, *, changing: bool) -> None:
        """Raise ForbiddenOrigin if the request comes from a page of an origin that is not allowed.

        Args:
            headers: The request's headers.
            scheme: http or https.
            own: The address that the client connected to.
            changing: Whether the request may change something.
        """
        origin = headers.get("Origin")
        if origin is None:
            self._check_without(headers, changing=changing)
        elif origin != f"{scheme}://{headers.get('Host')}" and origin not in self._allowed:
            # Programs on this machine can connect anyway, so the pages that they serve may too. The origin `null`,
            # which pages from files have, is rejected: any web page can get it.
            is_local = origin.startswith(("http://", "https://")) and is_this_machine(_host(origin.partition("//")[2]))
            if not is_local or not is_this_machine(own or ""):
                raise ForbiddenOrigin(origin)

    def _check_without(self, headers: Headers, *, changing: bool) -> None:
        """Raise ForbiddenOrigin for a cross-site request without `Origin`, such as for an image or a script.

        A link from another site is allowed if following it changes nothing. Over plain HTTP from another machine,
        browsers don't send `Sec-Fetch-Site`, so there a browser's request must not change anything.
        """
        site = headers.get("Sec-Fetch-Site")
        if site is None and changing and _is_browser(headers):
            raise ForbiddenOrigin("unknown: a browser sent no Origin and no Sec-Fetch-Site")
        if site != _CROSS_SITE:
            return
        if changing or headers.get("Sec-Fetch-Mode") != "navigate" or headers.get("Sec-Fetch-Dest") != "document":
            raise ForbiddenOrigin("another site")


def _is_browser(headers: Headers) -> bool:
    """Return whether a request looks like a browser's."""
    return headers.get("User-Agent", "").startswith(_BROWSER) and (
        any(name in headers for name in _OF_BROWSERS) or "image/" in headers.get("Accept", "")
    )
