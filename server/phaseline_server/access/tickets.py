"""Tickets: secrets that replace a token once, because a page can't add a header to a WebSocket or an EventSource."""

from typing import Final

import trio

from phaseline_server.access.grant import Grant
from phaseline_server.access.secret_files import digest, new_secret
from phaseline_server.access.shares import Shares

__all__ = ["TICKET_S", "Tickets"]

TICKET_S: Final = 30.0
"""Lifetime of an unused ticket, in seconds."""
_MOST: Final = 10_000


class Tickets:
    """The unused tickets."""

    def __init__(self, most: int = _MOST) -> None:
        """Allow at most `most` unused tickets."""
        self._shares = Shares(most, "unused tickets")
        self._grants: dict[str, tuple[float, Grant]] = {}  # by digest, the oldest first: the time of expiry, the grant

    def issue(self, grant: Grant) -> str:
        """Return a ticket for `grant`, valid once and for `TICKET_S` seconds.

        Raises:
            TooMany: Too many tickets are unused, of this token or in total.
        """
        self._drop_expired()
        self._shares.take(grant)
        text = new_secret("pht_")
        self._grants[digest(text)] = (trio.current_time() + TICKET_S, grant)
        return text

    def redeem(self, text: str) -> Grant | None:
        """Return the grant of a ticket and invalidate it; None if there is no such ticket."""
        self._drop_expired()
        found = self._grants.pop(digest(text), None)
        if found is None:
            return None
        self._shares.give_back(found[1])
        return found[1]

    def _drop_expired(self) -> None:
        now = trio.current_time()
        while self._grants:
            key, (expires, grant) = next(iter(self._grants.items()))
            if expires > now:
                break
            del self._grants[key]
            self._shares.give_back(grant)
