"""The token store, tickets, rate limits, and the `Access` of the current request or WebSocket.

Routes do not check permissions themselves; the views of the tracker and the log (`views`) do.
"""

from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Final

import structlog
import trio

from phaseline.errors import ConfigError
from phaseline_server.access.grant import OPEN, Grant
from phaseline_server.access.links import DOCUMENT as LINKS
from phaseline_server.access.links import PREFIX, Links
from phaseline_server.access.secret_files import digest
from phaseline_server.access.secret_sources import Secrets
from phaseline_server.access.server_pass import ServerPass, is_server_pass
from phaseline_server.access.tickets import Tickets, is_ticket
from phaseline_server.access.tokens import DOCUMENT as TOKENS
from phaseline_server.access.tokens import Token, Tokens
from phaseline_server.errors import Forbidden, LinkEnded, LogUnavailable, Unauthorized

__all__ = ["CURRENT", "Access", "Keeper"]

_log = structlog.get_logger(__name__)

_ROUND_S: Final = 1.0  # interval of the check for revoked and expired tokens


class Access:
    """The permissions of one client.

    Attributes:
        grant: The grant; None before the client sends a token, and after that token is revoked or expires.
        granted: Set once there is a grant.
        secret: The token that the client sent, to be shown to the leader of a shared log; "" if there is none, or if
            the client sent a ticket, which is used up.
    """

    def __init__(self, keeper: "Keeper", grant: Grant | None = None, secret: str = "") -> None:
        self.secret = "" if is_ticket(secret) else secret
        self._keeper = keeper
        self._on_end: set[Callable[[], None]] = set()
        self.grant: Grant | None = None
        self.granted = trio.Event()
        if grant is not None:
            self._take(grant)

    @property
    def known(self) -> Grant:
        """The grant.

        Raises:
            Unauthorized: There is no grant.
        """
        if self.grant is None:
            raise Unauthorized("no valid token was sent, or it was revoked or has expired")
        return self.grant

    async def authenticate(self, text: str) -> None:
        """Replace the grant by that of a token or ticket.

        Raises:
            Unauthorized: `text` is neither; the previous grant stays.
            LogUnavailable: As of `Keeper.grant_of`.
        """
        self._take(await self._keeper.grant_of(text, tickets=True))
        self.secret = "" if is_ticket(text) else text

    def reads(self, job_id: str) -> bool:
        """Return whether data about this job may be read; "" stands for data about no job."""
        return self.grant is not None and self.grant.may_read(job_id)

    def check_may_broadcast(self) -> None:
        """Check that the client may broadcast any message.

        Raises:
            Unauthorized: There is no grant.
            Forbidden: The token's scope is not `admin`, or it has a prefix.
        """
        if not self.known.is_admin or self.known.prefix:
            raise Forbidden("broadcasting needs an admin token without a job prefix")

    def at_end(self, act: Callable[[], None]) -> None:
        """Call `act` when the grant ends while the client is connected."""
        self._on_end.add(act)

    def not_at_end(self, act: Callable[[], None]) -> None:
        """Undo `at_end`."""
        self._on_end.discard(act)

    def end(self) -> None:
        """Remove the grant and call the functions of `at_end`."""
        self.grant = None
        for act in tuple(self._on_end):
            act()

    def _take(self, grant: Grant) -> None:
        self.grant = grant
        self.granted.set()


class Keeper:
    """Follows the tokens, issues tickets and limits the rate of reports.

    Attributes:
        links: The links to single jobs.
        server_pass: The pass of this server among those that share a log.
    """

    def __init__(self, secrets: Secrets, reports_per_second: float) -> None:
        """Read the tokens, or read them later if the log that has them is not available.

        Args:
            secrets: The tokens and links.
            reports_per_second: Rate limit of each token.

        Raises:
            ConfigError: The token file is not readable or not valid.
        """
        self._secrets = secrets
        self._stored = Tokens(secrets.document(TOKENS))
        self._seen: object = None
        self._tokens: dict[str, Token] | None = None
        self._tickets = Tickets(shared=secrets.shared)
        self._lasting: set[Access] = set()
        self._buckets: dict[str, tuple[float, float]] = {}  # token bucket by token id: reports left, at which time
        self._rate = reports_per_second
        with suppress(LogUnavailable):
            self._load(first=True)
        self.links = Links(secrets.document(LINKS), self._is_token)
        self.server_pass = ServerPass(secrets.shared)

    @property
    def is_open(self) -> bool:
        """Whether no token exists, so that every client has full access.

        Raises:
            LogUnavailable: This is not known yet, because the log with the tokens is not available.
        """
        self._load()
        return self._tokens is None

    async def access(
        self, read_token: Callable[[], str | None], *, tickets: bool, forwarded: str | None = None
    ) -> Access:
        """Return the access of a client.

        Args:
            read_token: Returns the token or ticket that the client sent, or None; called only if tokens exist.
            tickets: Whether a ticket is accepted, which must only open a stream.
            forwarded: The id of the client's token, if another server of the log forwards the request with its pass.

        Raises:
            Unauthorized: The client sent an invalid token or ticket, or `read_token` raised this.
            LogUnavailable: The decision needs the log, which is not available.
        """
        if self.is_open:
            return Access(self, OPEN)
        text = read_token()
        if text is None:
            return Access(self)
        if forwarded is not None and is_server_pass(text):
            return Access(self, await self._forwarded_grant(text, forwarded))
        return Access(self, await self.grant_of(text, tickets=tickets), text)

    async def grant_of(self, text: str, *, tickets: bool) -> Grant:
        """Return the grant of a token or, if `tickets` is true, of a ticket. A ticket is valid once.

        Raises:
            Unauthorized: The token or ticket is unknown or has expired; LinkEnded, if it is a link.
            LogUnavailable: The decision needs the log, which is not available.
        """
        if self.is_open:
            return OPEN
        if tickets and (grant := await self._tickets.redeem(text)) is not None and await self._counts_now(grant):
            return grant
        try:
            return self._known_grant(text)
        except Unauthorized:
            if not await self._secrets.refresh():
                raise
            self._load()
            return self._known_grant(text)

    def _known_grant(self, text: str) -> Grant:
        token = (self._tokens or {}).get(digest(text))
        if token is None and text.startswith(PREFIX):
            if (grant := self.links.grant_of(text)) is None:
                raise LinkEnded
            return grant
        if token is None:
            raise Unauthorized("unknown token; it may have been revoked")
        if token.expired:
            raise Unauthorized("the token has expired")
        return token.grant

    async def _forwarded_grant(self, text: str, token_id: str) -> Grant:
        """Return the grant of the token with this id, for the server with this pass, or raise Unauthorized."""
        if await self.server_pass.accepts(text):
            for _ in range(2):
                if token := self._token(token_id):
                    return token.grant
                if not await self._secrets.refresh():
                    break
                self._load()
        raise Unauthorized("the token was revoked, or the server that forwards the request is unknown")

    async def ticket(self, grant: Grant) -> str:
        """Return a ticket for `grant`; raise TooMany, see `Tickets.issue`."""
        return await self._tickets.issue(grant)

    def take_turn(self, grant: Grant) -> float:
        """Count one report of `grant`'s token.

        Returns:
            0, or the seconds to wait if the rate limit is reached; the report is not counted then.
        """
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
        """Start checking the grant of a long-lived connection."""
        self._lasting.add(access)

    def remove(self, access: Access) -> None:
        """Stop checking the grant of a long-lived connection."""
        self._lasting.discard(access)

    async def run(self) -> None:
        """End the grants of long-lived connections whose tokens are revoked or expired; runs until canceled."""
        while True:
            await trio.sleep(_ROUND_S)
            with suppress(LogUnavailable):
                self._load()
            for access in tuple(self._lasting):
                if access.grant is not None and not self._counts(access.grant):
                    access.end()

    async def _counts_now(self, grant: Grant) -> bool:
        """Return whether a grant is still valid; another server may have learned of its end earlier."""
        if self._counts(grant):
            return True
        changed = await self._secrets.refresh()
        self._load()
        return changed and self._counts(grant)

    def _counts(self, grant: Grant) -> bool:
        if self._tokens is None:
            return grant == OPEN
        if grant.job is not None:
            return self.links.keeps(grant)
        return any(token.grant == grant and not token.expired for token in self._tokens.values())

    def _is_token(self, token_id: str) -> bool:
        return self._token(token_id) is not None

    def _token(self, token_id: str) -> Token | None:
        """Return the token with this id, if it has not expired."""
        return next((each for each in (self._tokens or {}).values() if each.id == token_id and not each.expired), None)

    def _load(self, *, first: bool = False) -> None:
        """Read the tokens if they have changed. If they are deleted or damaged, every client is rejected."""
        seen = self._stored.document.fingerprint()
        if seen == self._seen and not first:
            return
        self._seen = seen
        try:
            tokens = self._stored.read()
        except ConfigError as error:
            if first:
                raise
            _log.error("cannot read the tokens; rejecting all clients", error=str(error))
            tokens = ()
        if tokens is None and self._tokens is not None:
            _log.error("the tokens were deleted; rejecting all clients until a token is created or a restart")
            tokens = ()
        if tokens is not None:
            if not first:
                _log.info("tokens reloaded", count=len(tokens))
            self._tokens = {token.sha256: token for token in tokens}


CURRENT: Final[ContextVar[Access]] = ContextVar("access")
"""The access of the client that the current task serves. Without the guard, which sets it, checks raise LookupError."""
