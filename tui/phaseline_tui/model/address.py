"""Server addresses: URLs, `host:port` and `ssh://` logins."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from phaseline.client.address import Address
from phaseline.errors import ConfigError, shown

__all__ = ["ServerAddress", "SshTarget", "labels"]

_FAR_PORT: Final = 8080
_FAR_HOST: Final = "127.0.0.1"
_LOOPBACK: Final = re.compile(r"localhost|127(\.\d+){3}|::1")
# No leading hyphen, which ssh would parse as an option; no colon in a socket's path, where ssh would end the path.
_SSH_NAME: Final = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._%-]*|[0-9A-Fa-f:]+")
_SSH_USER: Final = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._@%+\\-]*")
_SSH_PORT: Final = re.compile(r"[0-9]{1,5}")
_SSH_SOCKET: Final = re.compile(r"/[A-Za-z0-9._/+=,@-]{1,100}")
_ALLOWED: Final = "http://host:port, https://host:port, ws://…, wss://…, host:port, ssh://[user@]host[:port][/5100]"
_SEVERAL: Final = "http://host:port, https://host:port, ws://…, wss://… or host:port, separated by commas"
_MAX_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class SshTarget:
    """A server behind an SSH login: the login, and the server's address on that machine."""

    host: str
    """Host name, or an alias from ssh's configuration."""
    user: str | None
    port: int | None
    """Port of sshd; None for ssh's default."""
    far: str
    """Address of the server on that machine: `127.0.0.1:8080`, or the path of a Unix socket."""

    @property
    def login(self) -> str:
        """Return `user@host`, or only the host, as the argument of ssh."""
        return self.host if self.user is None else f"{self.user}@{self.host}"

    @property
    def command(self) -> str:
        """Return the shell command that logs in there."""
        return f"ssh {self.login}" if self.port is None else f"ssh -p {self.port} {self.login}"


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """The address of a server, and its names on the screen."""

    host: str
    port: int
    tls: bool
    path: str
    """Path of the WebSocket, such as `/ws`."""
    ssh: SshTarget | None = None
    """SSH login to connect through; `host` and `port` are then relative to that machine."""
    others: tuple["ServerAddress", ...] = ()
    """The other servers that share its log; one of them is used if this one fails."""

    @classmethod
    def parse(cls, text: str) -> "ServerAddress":
        """Parse a URL or `host:port`, or several with commas, of servers that share a log.

        The default port is 5100, or 8080 behind an SSH login.

        Raises:
            ConfigError: The text is not a server address.
        """
        if not text.strip().lower().startswith("ssh://"):
            texts = text.split(",")
            addresses = (Address.parse(each, _SEVERAL if len(texts) > 1 else _ALLOWED) for each in texts)
            first, *others = dict.fromkeys(cls(*address) for address in addresses)
            return replace(first, others=tuple(others))
        if not text.strip().isprintable():  # `urlsplit` drops line ends
            raise _wrong(text)
        try:
            return _behind_ssh(text, urlsplit(text.strip()))
        except ValueError as error:  # the port is not a number
            raise _wrong(text) from error

    @property
    def members(self) -> tuple["ServerAddress", ...]:
        """Return the servers that share the log, each by itself."""
        return (replace(self, others=()), *self.others)

    @property
    def authority(self) -> str:
        """Return `host:port`, as in a URL."""
        return Address(self.host, self.port, self.tls, self.path).authority

    @property
    def url(self) -> str:
        """Return the server's URL without a trailing slash; without SSH, it also works for curl.

        Those of several servers are separated by commas.
        """
        if self.others:
            return ",".join(server.url for server in self.members)
        if self.ssh is not None:
            port = "" if self.ssh.port is None else f":{self.ssh.port}"
            host = f"[{self.ssh.host}]" if ":" in self.ssh.host else self.ssh.host
            user = "" if self.ssh.user is None else f"{self.ssh.user}@"
            far = self.ssh.far
            where = f"?socket={far}" if far.startswith("/") else "" if self.port == _FAR_PORT else f"/{self.port}"
            return f"ssh://{user}{host}{port}{where}"
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.base}"

    @property
    def base(self) -> str:
        """Return the path prefix of the server's other URLs; usually empty."""
        return self.path.removesuffix("/ws")

    @property
    def private(self) -> bool:
        """Return whether the connection can't be read by others: TLS, SSH or loopback."""
        return self.tls or self.ssh is not None or _LOOPBACK.fullmatch(self.host) is not None

    @property
    def label(self) -> str:
        """Return a short name: the host, or several."""
        if self.others:
            return ",".join(dict.fromkeys(server.label for server in self.members))
        return self.host if self.ssh is None else self.ssh.host


def labels(servers: Sequence[ServerAddress]) -> list[str]:
    """Return a unique short name for each server: the host, or host and port or the URL if hosts are equal."""
    given = [server.label for server in servers]
    given = [
        label if given.count(label) == 1 else server.authority if server.ssh is None else server.ssh.login
        for label, server in zip(given, servers, strict=True)
    ]
    given = [label if given.count(label) == 1 else server.url for label, server in zip(given, servers, strict=True)]
    return [
        label if label not in given[:index] else f"{label} ({given[: index + 1].count(label)})"
        for index, label in enumerate(given)
    ]


def _behind_ssh(text: str, parts: SplitResult) -> ServerAddress:
    """Parse `ssh://[user@]host[:port][/far port]`, with `?port=` or `?socket=` for the server's address there."""
    host = parts.hostname or ""
    # `hostname` is lower-case, but host aliases in ssh's configuration are case-sensitive.
    at = parts.netloc.lower().rfind(host)
    host = parts.netloc[at : at + len(host)]
    user = unquote(parts.username) if parts.username is not None else None
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    far_socket = query.pop("socket", None)
    far_port = query.pop("port", None) or parts.path.strip("/") or str(_FAR_PORT)
    if (
        not _SSH_NAME.fullmatch(host)
        or (user is not None and not _SSH_USER.fullmatch(user))
        or parts.password is not None
        or parts.port == 0
        or parts.fragment
        or query
        or not _SSH_PORT.fullmatch(far_port)
        or not 0 < int(far_port) <= _MAX_PORT
        or (far_socket is not None and not _SSH_SOCKET.fullmatch(far_socket))
    ):
        raise _wrong(text)
    far = far_socket or f"{_FAR_HOST}:{int(far_port)}"
    target = SshTarget(host, user, parts.port, far)
    return ServerAddress(host=_FAR_HOST, port=int(far_port), tls=False, path="/ws", ssh=target)


def _wrong(text: str) -> ConfigError:
    return ConfigError(f"the server's URL is {shown(text)}; allowed: {_ALLOWED}")
