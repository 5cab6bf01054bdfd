"""Ports for servers that come later."""

import socket

__all__ = ["free_port"]

# Held until the process ends: a port that is bound, if not listened on, is given to nobody who asks for any; whoever
# asks for this one gets it, since servers bind with SO_REUSEADDR as well.
_held: list[socket.socket] = []


def free_port() -> int:
    """Return a free loopback port that only callers that know its number will use."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    _held.append(holder)
    return int(holder.getsockname()[1])
