"""Where a server is, as a person writes it."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from phaseline.errors import ConfigError, shown

__all__ = ["ServerAddress"]

_DEFAULT_PORT: Final = 5100
_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_HOST: Final = re.compile(r"[A-Za-z0-9._:%-]+")
_PATH: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_ALLOWED: Final = "http://host:port, https://host:port, ws://…, wss://… or host:port"


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A server: where to connect to, and how to show it."""

    host: str
    port: int
    tls: bool
    path: str
    """Of the WebSocket, such as `/ws`."""

    @classmethod
    def parse(cls, text: str) -> "ServerAddress":
        """Read a URL, or `host:port`; the port of a bare host is 5100.

        Raises:
            ConfigError: it is no address of a server.
        """
        given = text.strip()
        bare = "://" not in given
        if not given.isprintable():  # `urlsplit` would drop line ends in silence.
            raise _wrong(text)
        try:
            parts = urlsplit(f"http://{given}" if bare else given)
            port = parts.port
        except ValueError as error:
            raise _wrong(text) from error
        host = parts.hostname or ""
        if (
            parts.scheme not in _PORTS
            or parts.username is not None
            or parts.query
            or parts.fragment
            or port == 0
            or not _HOST.fullmatch(host)
            or not _PATH.fullmatch(parts.path)
        ):
            raise _wrong(text)
        path = parts.path.rstrip("/")
        return cls(
            host=host,
            port=port if port is not None else _DEFAULT_PORT if bare else _PORTS[parts.scheme],
            tls=parts.scheme in {"https", "wss"},
            path=path if path.endswith("/ws") else f"{path}/ws",
        )

    @property
    def authority(self) -> str:
        """Return `host:port`, as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Return the server's URL for people and for curl, without a slash at its end."""
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.path.removesuffix('/ws')}"


def _wrong(text: str) -> ConfigError:
    return ConfigError(f"the server's URL is {shown(text)}; allowed: {_ALLOWED}")
