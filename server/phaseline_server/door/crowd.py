"""How many there are, in all and from each address."""

import json
from collections import Counter
from enum import StrEnum
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_address

from phaseline.errors import TooMany

__all__ = ["Crowd", "Full"]

_REMEMBERED = 1024  # addresses: to read one takes as long as to accept a connection


class Full(StrEnum):
    """Why somebody can't come in."""

    HOUSE = "as many connections as it is allowed"
    ADDRESS = "as many connections of this address as it is allowed"

    @property
    def status(self) -> HTTPStatus:
        """The status that they are told who have to leave."""
        return HTTPStatus.SERVICE_UNAVAILABLE if self is Full.HOUSE else HTTPStatus.TOO_MANY_REQUESTS

    @property
    def answer(self) -> bytes:
        """What is said to them, in HTTP, as nothing has been heard of them yet."""
        status = f"{self.status} {self.status.phrase}"
        text = f"the server has {self}; try again"
        body = json.dumps({"success": False, "error": text, "code": TooMany.code})
        head = f"HTTP/1.1 {status}\r\nconnection: close\r\nretry-after: 1\r\ncontent-type: application/json\r\n"
        return f"{head}content-length: {len(body)}\r\n\r\n{body}".encode()


class Crowd:
    """Counts who is in. This machine's own addresses have no limit but that of the house: all its tunnels end there."""

    def __init__(self, most: int, most_per_address: int) -> None:
        """Let in at most `most`, and at most `most_per_address` of another machine."""
        self._most = most
        self._most_per_address = most_per_address
        self._present = 0
        self._of: Counter[str] = Counter()

    def enter(self, address: str) -> Full | None:
        """Count somebody, and return None; or return why not."""
        if self._present >= self._most:
            return Full.HOUSE
        if self._of[_part(address)] >= self._most_per_address and not _is_ours(address):
            return Full.ADDRESS
        self._present += 1
        self._of[_part(address)] += 1
        return None

    def leave(self, address: str) -> None:
        """Count somebody no more who has entered."""
        self._present -= 1
        part = _part(address)
        self._of[part] -= 1
        if not self._of[part]:
            del self._of[part]


@lru_cache(maxsize=_REMEMBERED)
def _part(address: str) -> str:
    """Return the part of an address that one client can't change: of version 6, it has 2^64 to choose from."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return ":".join(found.exploded.split(":")[:4]) if found.version == 6 else address  # noqa: PLR2004 (a version)


@lru_cache(maxsize=_REMEMBERED)
def _is_ours(address: str) -> bool:
    try:
        return ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return True  # a socket of this machine's files
