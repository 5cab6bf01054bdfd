"""The pass with which a server proves to the leader that it shares the log.

A follower forwards the reports of a client that has shown a ticket. The ticket is used up, so the follower shows its
own pass, and names the client's token. The log has only the hash of the pass, which expires.
"""

from typing import Final

import trio

from phaseline.errors import DiskFull
from phaseline_server.access.secret_files import digest, new_secret
from phaseline_server.access.secret_sources import SharedSecrets
from phaseline_server.errors import JournalFailed, LogUnavailable

__all__ = ["ServerPass", "is_server_pass"]

_PREFIX: Final = "php_"
_LIFETIME_S: Final = 600.0
_RENEW_S: Final = 300.0
_CACHED_S: Final = 60.0  # the leader caches the log's answer for this time
_MOST_CACHED: Final = 1000


def is_server_pass(text: str) -> bool:
    """Return whether a secret is a pass, by its form."""
    return text.startswith(_PREFIX)


class ServerPass:
    """The pass of this server, and those of others that it has seen."""

    def __init__(self, shared: SharedSecrets | None) -> None:
        """Use the secrets of a shared log; None if the log is not shared."""
        self._shared = shared
        self._text = ""
        self._made_s = 0.0
        self._making = trio.Lock()
        self._seen: dict[str, float] = {}  # by digest: until when it is accepted

    async def show(self) -> str:
        """Return the pass of this server; raise LogUnavailable if a new one can't be stored."""
        if self._shared is None:
            raise LogUnavailable("the log is not shared")
        async with self._making:
            if not self._text or trio.current_time() - self._made_s > _RENEW_S:
                text, made_s = new_secret(_PREFIX), trio.current_time()
                try:
                    await self._shared.add_server_ticket(digest(text), _LIFETIME_S)
                except (DiskFull, JournalFailed) as error:
                    raise LogUnavailable("this server could not store its pass for the leader; retry later") from error
                self._text, self._made_s = text, made_s
            return self._text

    def forget(self, text: str) -> None:
        """Make a new pass instead of one that the leader rejects: a crash of the database loses passes."""
        if text == self._text:
            self._text = ""

    async def accepts(self, text: str) -> bool:
        """Return whether this is the pass of a server of the log."""
        key, now = digest(text), trio.current_time()
        if self._seen.get(key, now) > now:
            return True
        if self._shared is None or not await self._shared.has_server_ticket(key):
            return False
        if len(self._seen) >= _MOST_CACHED:
            self._seen.clear()
        self._seen[key] = now + _CACHED_S
        return True
