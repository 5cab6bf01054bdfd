"""Ports for servers that start later."""

import socket

__all__ = ["free_port"]

# Held until the process ends: a bound port without a listener is not given out for port 0; servers can bind it by its
# number, because they also set SO_REUSEADDR.
_held: list[socket.socket] = []


def free_port() -> int:
    """Return a free loopback port that only callers that know its number will use."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    _held.append(holder)
    return int(holder.getsockname()[1])
