"""Who speaks right now, and what they were granted: one `Access` for each request or WebSocket.

Routes don't look here themselves: what they are given of the tracker and the log (`views`) does.
"""

import os
import secrets
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Final

import structlog
import trio

from phaseline.errors import ConfigError, Forbidden, TooMany, Unauthorized
from phaseline_server.access.grant import OPEN, Grant
from phaseline_server.access.tokens import Token, TokenFile, digest

__all__ = ["CURRENT", "TICKET_S", "Access", "Keeper"]

_log = structlog.get_logger(__name__)

TICKET_S: Final = 30.0
_MOST_TICKETS: Final = 10_000
_ROUND_S: Final = 1.0  # between two looks for tokens that were revoked or have expired


class Access:
    """What one client may do.

    Attributes:
        grant: None while it has shown no token, and after its token was revoked or has expired.
        granted: Set once there is a grant.
    """

    def __init__(self, keeper: "Keeper", grant: Grant | None = None) -> None:
        self._keeper = keeper
        self._on_end: set[Callable[[], None]] = set()
        self.grant: Grant | None = None
        self.granted = trio.Event()
        if grant is not None:
            self._take(grant)

    @property
    def known(self) -> Grant:
        """The grant; raises Unauthorized when there is none."""
        if self.grant is None:
            raise Unauthorized("no token was shown, or it is good no longer")
        return self.grant

    def authenticate(self, text: str) -> None:
        """Show a token or a ticket. Raises Unauthorized when it is neither; what was granted before stays."""
        self._take(self._keeper.grant_of(text))

    def reads(self, job_id: str) -> bool:
        """Say whether what is about this job ("" for none) may be seen."""
        return self.grant is not None and self.grant.may_read(job_id)

    def check_says_anything(self) -> None:
        """Raise Forbidden unless any message at all may be published; Unauthorized without a grant."""
        if not self.known.is_admin or self.known.prefix:
            raise Forbidden("the token can't say just anything; allowed: one of scope admin without a prefix")

    def at_end(self, act: Callable[[], None]) -> None:
        """Call `act` when the grant ends while the client is connected."""
        self._on_end.add(act)

    def not_at_end(self, act: Callable[[], None]) -> None:
        """Call it no more."""
        self._on_end.discard(act)

    def end(self) -> None:
        """Take the grant away."""
        self.grant = None
        for act in tuple(self._on_end):
            act()

    def _take(self, grant: Grant) -> None:
        self.grant = grant
        self.granted.set()


class Keeper:
    """Knows the tokens, as they are in the file at the moment; hands out tickets; counts reports."""

    def __init__(self, data_dir: Path, reports_per_second: float) -> None:
        """Read the tokens of `data_dir`; raises ConfigError as `TokenFile.read` does."""
        self._file = TokenFile(data_dir)
        self._path = str(self._file.path)
        self._seen: object = None
        self._tokens: dict[str, Token] | None = None
        self._tickets: dict[str, tuple[float, Grant]] = {}
        self._lasting: set[Access] = set()
        self._buckets: dict[str, tuple[float, float]] = {}  # token id -> reports that it has left, and since when
        self._rate = reports_per_second
        self._load(first=True)

    @property
    def is_open(self) -> bool:
        """Whether no token has ever been made, so that everybody who can connect may do everything."""
        self._load()
        return self._tokens is None

    def access(self, show: Callable[[], str | None]) -> Access:
        """Return the access of somebody who has to `show` a token or a ticket, if there are any, or nothing.

        Raises:
            Unauthorized: What is shown is neither; or whatever `show` raises.
        """
        if self.is_open:
            return Access(self, OPEN)
        text = show()
        return Access(self, None if text is None else self.grant_of(text))

    def grant_of(self, text: str) -> Grant:
        """Return what a token or a ticket grants; a ticket only once. Raises Unauthorized."""
        if self.is_open:
            return OPEN
        self._drop_tickets()
        key = digest(text)
        if key in self._tickets:
            grant = self._tickets.pop(key)[1]
            if self._counts(grant):
                return grant
        token = (self._tokens or {}).get(key)
        if token is None:
            raise Unauthorized("the token is not known; it may have been revoked")
        if token.expired:
            raise Unauthorized("the token has expired")
        return token.grant

    def ticket(self, grant: Grant) -> str:
        """Return a ticket that stands for `grant`, once, within `TICKET_S` seconds. Raises TooMany."""
        self._drop_tickets()
        if len(self._tickets) >= _MOST_TICKETS:
            raise TooMany(f"{len(self._tickets)} tickets are out; allowed: at most {_MOST_TICKETS}; try again later")
        text = "pht_" + secrets.token_urlsafe(32)
        self._tickets[digest(text)] = (trio.current_time() + TICKET_S, grant)
        return text

    def take_turn(self, grant: Grant) -> float:
        """Count one report of `grant`'s token, and return 0; or, if it has none left, in how many seconds it has."""
        if not grant.token:
            return 0.0
        now = trio.current_time()
        left, since = self._buckets.get(grant.token, (self._rate, now))
        left = min(self._rate, left + (now - since) * self._rate)
        if left < 1:
            self._buckets[grant.token] = (left, now)
            return (1 - left) / self._rate
        self._buckets[grant.token] = (left - 1, now)
        return 0.0

    def add(self, access: Access) -> None:
        """Watch over a client that stays connected."""
        self._lasting.add(access)

    def remove(self, access: Access) -> None:
        """Watch over it no more."""
        self._lasting.discard(access)

    async def run(self) -> None:
        """Take grants away from those who stay connected, once their tokens are gone; runs until cancelled."""
        while True:
            await trio.sleep(_ROUND_S)
            self._load()
            for access in tuple(self._lasting):
                if access.grant is not None and not self._counts(access.grant):
                    access.end()

    def _counts(self, grant: Grant) -> bool:
        if self._tokens is None:
            return grant == OPEN
        return any(token.grant == grant and not token.expired for token in self._tokens.values())

    def _load(self, *, first: bool = False) -> None:
        """Read the file if it has changed. One that was there and is gone, or is broken, lets nobody in."""
        try:
            status = os.stat(self._path)  # noqa: PTH116 (at each request; a Path takes twice as long)
            seen: object = (status.st_mtime_ns, status.st_ino, status.st_size)
        except FileNotFoundError:
            seen = None
        except OSError as error:
            seen = error.errno
        if seen == self._seen and not first:
            return
        self._seen = seen
        try:
            tokens = self._file.read()
        except ConfigError as error:
            if first:
                raise
            _log.error("the tokens can't be read; nobody is let in", error=str(error))
            tokens = ()
        if tokens is None and self._tokens is not None:
            _log.error("the tokens are gone; nobody is let in until there are new ones, or a new start")
            tokens = ()
        if tokens is not None:
            if not first:
                _log.info("the tokens have changed", count=len(tokens))
            self._tokens = {token.sha256: token for token in tokens}

    def _drop_tickets(self) -> None:
        now = trio.current_time()
        while self._tickets and next(iter(self._tickets.values()))[0] <= now:
            del self._tickets[next(iter(self._tickets))]


CURRENT: Final[ContextVar[Access]] = ContextVar("access")
"""Whom the present task serves. The guard sets it; without it nothing is given away (LookupError)."""
