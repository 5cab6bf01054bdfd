"""Sockets that systemd opened for us (https://www.freedesktop.org/software/systemd/man/sd_listen_fds.html).

It keeps them while the server is started anew, so who connects meanwhile waits, and is served.
"""

import os
import socket
from typing import Final

import trio

from phaseline.errors import ConfigError, shown

__all__ = ["inherited_listeners"]

_FIRST: Final = 3


def inherited_listeners() -> list[trio.SocketListener]:
    """Return a listener for each socket that this process was started with; none if it was started without.

    The variables that tell of them are taken away, lest a process of ours takes them for its own.

    Raises:
        ConfigError: One of them is no listening TCP socket.
    """
    pid, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not (count.isascii() and count.isdecimal()):
        return []
    return [_listener(fd) for fd in range(_FIRST, _FIRST + int(count))]


def _listener(fd: int) -> trio.SocketListener:
    try:
        os.set_inheritable(fd, False)  # noqa: FBT003 (the standard library's)
        opened = socket.socket(fileno=fd)
    except OSError as error:
        raise ConfigError(_text(fd, error.strerror or "it is closed")) from None
    listens = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if opened.family not in {socket.AF_INET, socket.AF_INET6} or opened.type != socket.SOCK_STREAM or not listens:
        text = _text(fd, f"it is {shown(opened)}")
        opened.close()
        raise ConfigError(text)
    opened.setblocking(False)  # noqa: FBT003 (as above)
    return trio.SocketListener(trio.socket.from_stdlib_socket(opened))


def _text(fd: int, seen: str) -> str:
    return f"LISTEN_FDS names the descriptor {fd}, and {seen}; allowed: listening TCP sockets, as of phaseline.socket"
