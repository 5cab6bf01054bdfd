"""The protocol of `/ws`: its version, and the codes with which a server closes a connection (RFC 6455, section 7.4)."""

from typing import Final

__all__ = [
    "COME_BACK",
    "GOING_AWAY",
    "PROTOCOL",
    "RATE_LIMITED",
    "SLOW",
    "STAY_AWAY",
    "TOO_BIG",
    "UNAUTHORIZED",
]

PROTOCOL: Final = 1
"""The version. A client of another version can't understand the server."""

GOING_AWAY: Final = 1001
"""The server is shutting down."""
TOO_BIG: Final = 1009
"""A message was over the limit of its receiver."""
SLOW: Final = 4008
"""The client did not read as fast as messages came."""
RATE_LIMITED: Final = 4429
"""The token has reported as much as it may for now."""
UNAUTHORIZED: Final = 4501
"""The client has shown no valid token."""

COME_BACK: Final = range(4000, 4500)
"""Codes of ours after which a client may connect again soon."""
STAY_AWAY: Final = range(4500, 5000)
"""Codes of ours after which a client must not connect again before something has changed."""
