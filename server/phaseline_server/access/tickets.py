"""Tickets: secrets that replace a token once, because a page can't add a header to a WebSocket or an EventSource.

If servers share a log, a ticket is stored there, so that any of them accepts it, and only one of them does. While the
log is not available, a server accepts the tickets that it then issues itself.
"""

from typing import Final, NamedTuple

import msgspec
import trio

from phaseline_server.access.grant import Grant
from phaseline_server.access.secret_files import digest, new_secret
from phaseline_server.access.secret_sources import SharedSecrets
from phaseline_server.access.shares import Shares

__all__ = ["TICKET_S", "Tickets", "is_ticket"]

TICKET_S: Final = 30.0
"""Lifetime of an unused ticket, in seconds."""
_MOST: Final = 10_000
_PREFIX: Final = "pht_"

_grants: Final = msgspec.json.Decoder(Grant)


class _Issued(NamedTuple):
    """A ticket of this server. `in_log` means that the log decides whether it is still valid."""

    expires: float
    grant: Grant
    in_log: bool


def is_ticket(text: str) -> bool:
    """Return whether a secret is a ticket, by its form."""
    return text.startswith(_PREFIX)


class Tickets:
    """The unused tickets; those that this server has issued count for its limits until they expire."""

    def __init__(self, most: int = _MOST, shared: SharedSecrets | None = None) -> None:
        """Allow at most `most` unused tickets; `shared` has those of all servers of a log."""
        self._shares = Shares(most, "unused tickets")
        self._shared = shared
        self._issued: dict[str, _Issued] = {}  # by digest, the oldest first

    async def issue(self, grant: Grant) -> str:
        """Return a ticket for `grant`, valid once and for `TICKET_S` seconds.

        Raises:
            TooMany: Too many tickets are unused, of this token or in total.
        """
        self._drop_expired()
        self._shares.take(grant)
        try:
            text = new_secret(_PREFIX)
            in_log = await self._store(text, grant)
            if not in_log:
                text = new_secret(_PREFIX)  # the log may have the first one, so two servers would accept that
        except BaseException:
            self._shares.give_back(grant)
            raise
        self._issued[digest(text)] = _Issued(trio.current_time() + TICKET_S, grant, in_log)
        return text

    async def _store(self, text: str, grant: Grant) -> bool:
        if self._shared is None:
            return False
        return await self._shared.add_ticket(digest(text), msgspec.json.encode(grant).decode(), TICKET_S)

    async def redeem(self, text: str) -> Grant | None:
        """Return the grant of a ticket and invalidate it; None if there is no such ticket.

        Raises:
            LogUnavailable: The decision needs the log, which is not available.
        """
        self._drop_expired()
        key = digest(text)
        found = self._issued.pop(key, None)
        if found is not None:
            self._shares.give_back(found.grant)
            if not found.in_log:
                return found.grant
        if self._shared is None or not is_ticket(text):
            return None
        holder = await self._shared.take_ticket(key)
        return None if holder is None else _grants.decode(holder)

    def _drop_expired(self) -> None:
        now = trio.current_time()
        while self._issued:
            key, issued = next(iter(self._issued.items()))
            if issued.expires > now:
                break
            del self._issued[key]
            self._shares.give_back(issued.grant)
