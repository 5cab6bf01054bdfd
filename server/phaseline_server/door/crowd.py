"""Limits of concurrent connections, in total and per remote address."""

import json
from collections import Counter
from enum import StrEnum
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_address

from phaseline.errors import TooMany

__all__ = ["Crowd", "Full"]

_CACHED = 1024  # addresses: parsing one takes as long as accepting a connection


class Full(StrEnum):
    """The limit that a new connection exceeds."""

    TOTAL = "connection limit reached"
    ADDRESS = "connection limit per address reached"

    @property
    def status(self) -> HTTPStatus:
        """The status of the response."""
        return HTTPStatus.SERVICE_UNAVAILABLE if self is Full.TOTAL else HTTPStatus.TOO_MANY_REQUESTS

    @property
    def answer(self) -> bytes:
        """The response, in HTTP, because the client has not sent anything yet."""
        status = f"{self.status} {self.status.phrase}"
        text = f"{self}; close other connections or try again later"
        body = json.dumps({"success": False, "error": text, "code": TooMany.code})
        head = f"HTTP/1.1 {status}\r\nconnection: close\r\nretry-after: 1\r\ncontent-type: application/json\r\n"
        return f"{head}content-length: {len(body)}\r\n\r\n{body}".encode()


class Crowd:
    """Counts connections. Only the total limit applies to loopback addresses, because all tunnels come from there."""

    def __init__(self, most: int, most_per_address: int) -> None:
        """Allow at most `most` connections, and at most `most_per_address` from one remote address."""
        self._most = most
        self._most_per_address = most_per_address
        self._present = 0
        self._of: Counter[str] = Counter()

    def enter(self, address: str) -> Full | None:
        """Count a new connection and return None, or return the limit that it exceeds."""
        if self._present >= self._most:
            return Full.TOTAL
        if self._of[_part(address)] >= self._most_per_address and not _is_ours(address):
            return Full.ADDRESS
        self._present += 1
        self._of[_part(address)] += 1
        return None

    def leave(self, address: str) -> None:
        """Remove a connection that `enter` counted."""
        self._present -= 1
        part = _part(address)
        self._of[part] -= 1
        if not self._of[part]:
            del self._of[part]


@lru_cache(maxsize=_CACHED)
def _part(address: str) -> str:
    """Return the part of an address that a client cannot vary: for IPv6 the /64 network."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return ":".join(found.exploded.split(":")[:4]) if found.version == 6 else address  # noqa: PLR2004 (IP version)


@lru_cache(maxsize=_CACHED)
def _is_ours(address: str) -> bool:
    try:
        return ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return True  # a Unix socket
