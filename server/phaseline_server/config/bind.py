"""Parsing of listen addresses."""

from typing import NamedTuple

__all__ = ["ALLOWED", "Bind", "parse_bind"]

ALLOWED = (
    "host:port or [IPv6 address]:port with a port from 0 to 65535, "
    "e.g. 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080; port 0 is any free port"
)
_HIGHEST_PORT = 65_535


class Bind(NamedTuple):
    """A listen address, not yet resolved. `port` 0 stands for any free port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_bind(text: str) -> Bind:
    """Return the address in `text`: `host:port`, `a.b.c.d:port` or `[IPv6 address]:port`.

    Raises:
        ValueError: `text` is not an address. `ALLOWED` describes the format.
    """
    host, _, digits = text.strip().rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    port = int(digits) if digits.isascii() and digits.isdecimal() else -1
    printable = host.isprintable() and not set(host) & set("[]/@ ")
    if not host or not printable or bracketed != (":" in host) or not 0 <= port <= _HIGHEST_PORT:
        raise ValueError(text)
    return Bind(host, port)
