"""Where a reporter reports to."""

import os
import re
from typing import Final, NamedTuple

from phaseline.errors import ConfigError, shown

__all__ = ["DEFAULT_URL", "Address"]

DEFAULT_URL: Final = "ws://127.0.0.1:5100/ws"
_DEFAULT_PORT: Final = 5100
_ALLOWED: Final = "ws://host:port/ws, wss://…, http://host:port, https://… or host:port"
_PORTS: Final = {"ws": 80, "http": 80, "wss": 443, "https": 443}
_URL: Final = re.compile(
    r"(?:(?P<scheme>wss?|https?)://)?(?:\[(?P<v6>[0-9A-Fa-f:.%]+)\]|(?P<host>[A-Za-z0-9._-]+))"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*)",
    re.ASCII,
)


class Address(NamedTuple):
    """A server's WebSocket."""

    host: str
    port: int
    tls: bool
    path: str

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read a URL as people write it: of a WebSocket or of the server, or `host:port` (5100 if it has none).

        Raises:
            ConfigError: It is no address of a server.
        """
        match = _URL.fullmatch(text.strip())
        port = int(match["port"]) if match and match["port"] else None
        if match is None or (port is not None and not 0 < port < 2**16):
            raise ConfigError(f"the server's URL is {shown(text)}; allowed: {_ALLOWED}")
        scheme = match["scheme"]
        path = match["path"].rstrip("/")
        return cls(
            host=match["v6"] or match["host"],
            port=port or (_PORTS[scheme] if scheme else _DEFAULT_PORT),
            tls=scheme in {"wss", "https"},
            path=path if path.endswith("/ws") else f"{path}/ws",
        )

    @classmethod
    def configured(cls, url: str | None) -> "Address":
        """Read `url`, or what PROGRESS_URL says, or the default; raises as `parse` does."""
        return cls.parse(url if url is not None else os.environ.get("PROGRESS_URL") or DEFAULT_URL)

    @property
    def authority(self) -> str:
        """`host:port`, as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The WebSocket's URL."""
        return f"{'wss' if self.tls else 'ws'}://{self.authority}{self.path}"
