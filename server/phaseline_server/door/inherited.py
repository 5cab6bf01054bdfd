"""Listening sockets inherited from systemd (https://www.freedesktop.org/software/systemd/man/sd_listen_fds.html).

Systemd keeps them open while the server restarts, so clients that connect meanwhile wait and are served.
"""

import os
import socket
from typing import Final

import trio

from phaseline.errors import ConfigError, shown

__all__ = ["inherited_listeners"]

_FIRST: Final = 3


def inherited_listeners() -> list[trio.SocketListener]:
    """Return a listener for each inherited socket.

    The environment variables are removed, so that child processes do not use them.

    Raises:
        ConfigError: A file descriptor is not a listening TCP socket.
    """
    pid, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not (count.isascii() and count.isdecimal()):
        return []
    return [_listener(fd) for fd in range(_FIRST, _FIRST + int(count))]


def _listener(fd: int) -> trio.SocketListener:
    try:
        os.set_inheritable(fd, False)  # noqa: FBT003 (standard library signature)
        opened = socket.socket(fileno=fd)
    except OSError as error:
        raise ConfigError(_text(fd, error.strerror or "closed")) from None
    listens = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if opened.family not in {socket.AF_INET, socket.AF_INET6} or opened.type != socket.SOCK_STREAM or not listens:
        text = _text(fd, shown(opened))
        opened.close()
        raise ConfigError(text)
    opened.setblocking(False)  # noqa: FBT003 (as above)
    return trio.SocketListener(trio.socket.from_stdlib_socket(opened))


def _text(fd: int, problem: str) -> str:
    return f"LISTEN_FDS: cannot use file descriptor {fd}: {problem}; allowed: listening TCP sockets (phaseline.socket)"
