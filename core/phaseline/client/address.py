"""Parse a server's address in the forms that users write."""

import os
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from phaseline.errors import ConfigError, shown

__all__ = ["DEFAULT_URL", "ELSEWHERE", "LOG_AWAY", "Address", "urls_of"]

DEFAULT_URL: Final = "ws://127.0.0.1:5100/ws"
LOG_AWAY: Final = frozenset({"LOG_UNAVAILABLE", "DEPOSED"})
"""Error codes of a server that shares its log with others; another one may accept the request."""
ELSEWHERE: Final = LOG_AWAY | {"READ_ONLY_MIRROR"}
"""Error codes after which the next one of several addresses is used."""
_DEFAULT_PORT: Final = 5100
_ALLOWED: Final = "http://host:port, https://host:port, ws://…, wss://… or host:port"
_SEVERAL: Final = f"{_ALLOWED}; several, separated by commas, if they share a log"
_PORTS: Final = {"ws": 80, "http": 80, "wss": 443, "https": 443}
# Not urllib.parse: its import takes longer than the rest of a reporter's start.
_URL: Final = re.compile(
    r"(?:(?P<scheme>wss?|https?)://)?(?:\[(?P<v6>[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._~-]+)?)\]|(?P<host>[A-Za-z0-9._-]+))"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[A-Za-z0-9._~!$&'()*+;=:@%-]*)*)",
    re.ASCII,
)


class Address(NamedTuple):
    """The address of a server's WebSocket.

    Attributes:
        path: The path of the WebSocket; it ends with `/ws`.
    """

    host: str
    port: int
    tls: bool
    path: str

    @classmethod
    def parse(cls, text: object, allowed: str = _ALLOWED) -> "Address":
        """Parse the URL of a server or of its WebSocket, or `host:port`; the default port is 5100.

        Args:
            text: The user's input.
            allowed: The allowed forms, for the error text.

        Raises:
            ConfigError: `text` is not the address of a server.
        """
        match = _URL.fullmatch(text.strip()) if isinstance(text, str) else None
        port = int(match["port"]) if match and match["port"] else None
        if match is None or (port is not None and not 0 < port < 2**16):
            raise ConfigError(f"the server's URL is {shown(text)}; allowed: {allowed}")
        scheme = match["scheme"]
        path = match["path"].rstrip("/")
        return cls(
            host=(match["v6"] or match["host"]).lower(),
            port=port or (_PORTS[scheme] if scheme else _DEFAULT_PORT),
            tls=scheme in {"wss", "https"},
            path=path if path.endswith("/ws") else f"{path}/ws",
        )

    @classmethod
    def configured(cls, url: str | None) -> tuple["Address", ...]:
        """Parse `url`, else the variable PROGRESS_URL, else the default; raise the errors of `parse`.

        Several addresses, separated by commas, belong to servers that share a log.
        """
        text: object = url if url is not None else os.environ.get("PROGRESS_URL") or DEFAULT_URL
        texts = text.split(",") if isinstance(text, str) else (text,)
        return tuple(dict.fromkeys(cls.parse(each, _SEVERAL) for each in texts))

    @property
    def authority(self) -> str:
        """`host:port`, as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The WebSocket's URL."""
        return f"{'wss' if self.tls else 'ws'}://{self.authority}{self.path}"


def urls_of(addresses: Iterable[Address]) -> str:
    """Return the WebSockets' URLs, separated by commas."""
    return ",".join(address.url for address in addresses)
