"""The protocol of `/ws`: its version and its close codes (RFC 6455, section 7.4)."""

from typing import Final

__all__ = [
    "COME_BACK",
    "GOING_AWAY",
    "HOST_STATUS",
    "PROTOCOL",
    "RATE_LIMITED",
    "SLOW",
    "STAY_AWAY",
    "TOO_BIG",
    "UNAUTHORIZED",
]

PROTOCOL: Final = 1
"""The version of the protocol. A client of another version is not compatible."""

HOST_STATUS: Final = "host_status"
"""The message with the load of a machine, and the feature of a server that accepts it."""

GOING_AWAY: Final = 1001
"""The server is shutting down, begins to lead or to follow, or can't read its log."""
TOO_BIG: Final = 1009
"""A message exceeds the receiver's size limit."""
SLOW: Final = 4008
"""The client reads more slowly than messages arrive."""
RATE_LIMITED: Final = 4429
"""The token exceeds its rate limit for reports."""
UNAUTHORIZED: Final = 4501
"""The client sent no valid token."""

COME_BACK: Final = range(4000, 4500)
"""Phaseline's close codes after which a client may reconnect soon."""
STAY_AWAY: Final = range(4500, 5000)
"""Phaseline's close codes after which a client must not reconnect until its configuration or the server changes."""
