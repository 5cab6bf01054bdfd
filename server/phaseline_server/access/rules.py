"""Who may use which route. A route that has no rule here is an admin's alone, and a test asks for its rule."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from phaseline.errors import Forbidden, Unauthorized
from phaseline_server.access.grant import Grant

__all__ = ["RULES", "Need", "Rule", "rule_of"]


class Need(StrEnum):
    """What a client must have been granted to use a route at all."""

    NOTHING = "nothing"
    TOKEN = "token"  # noqa: S105 (a word) # any token: what the route does for it is checked further in
    READ = "read"
    REPORT = "report"
    ADMIN = "admin"


class Rule(NamedTuple):
    """The rule of one route and method.

    Attributes:
        need: What must have been granted.
        filtered: Whether the answer holds only what the token's prefix covers. If not, one with a prefix is refused.
    """

    need: Need
    filtered: bool = True

    def check(self, grant: Grant | None) -> None:
        """Raise unless a client may go on.

        Raises:
            Unauthorized: It has shown no token.
            Forbidden: Its token is of another scope, or has a prefix that the route can't keep to.
        """
        if self.need is Need.NOTHING:
            return
        if grant is None:
            raise Unauthorized("no token was shown")
        enough = {
            Need.TOKEN: True,
            Need.READ: grant.reads,
            Need.REPORT: grant.reports,
            Need.ADMIN: grant.is_admin,
        }
        if not enough[self.need]:
            allowed = f"{self.need} or admin" if self.need is not Need.ADMIN else "admin"
            raise Forbidden(f"a token of scope {grant.scope} can't do this; allowed: one of scope {allowed}")
        if grant.prefix and not self.filtered:
            raise Forbidden(f"the token is for jobs of the prefix {grant.prefix!a}; allowed here: one without a prefix")


_ANYBODY: Final = Rule(Need.NOTHING)
_READ: Final = Rule(Need.READ)
_READ_ALL: Final = Rule(Need.READ, filtered=False)
_REPORT: Final = Rule(Need.REPORT)
_TOKEN: Final = Rule(Need.TOKEN)
_ADMIN: Final = Rule(Need.ADMIN)
_ADMIN_OF_ALL: Final = Rule(Need.ADMIN, filtered=False)

RULES: Final[Mapping[tuple[str, str], Rule]] = {
    # The page as such shows nothing that is not its reader's.
    ("GET", "/"): _ANYBODY,
    ("GET", "/<any('page.css', 'page.js', 'icon.svg'):file>"): _ANYBODY,
    ("GET", "/preview.css"): _ANYBODY,
    ("GET", "/openapi.json"): _ANYBODY,
    # Who watches over the server asks this, and has no token.
    ("GET", "/health"): _ANYBODY,
    ("GET", "/metrics"): _READ_ALL,
    ("GET", "/metrics/phases"): _READ_ALL,
    ("GET", "/metrics/eta"): _READ_ALL,
    ("GET", "/preview"): _READ_ALL,
    ("GET", "/series"): _READ_ALL,
    ("GET", "/files/<anything:path>"): _READ_ALL,
    # With ?generate=1 and the like: see `rule_of`.
    ("GET", "/dalle/<anything:rest>"): _READ,
    ("POST", "/dalle/<anything:rest>"): _ADMIN,
    ("DELETE", "/dalle/<anything:rest>"): _ADMIN,
    ("POST", "/progress/<any(start, report, stage, photo, error):kind>"): _REPORT,
    ("POST", "/progress/complete"): _REPORT,
    ("POST", "/progress/batch"): _REPORT,
    ("GET", "/progress/job/<anything:job_id>"): _READ,
    ("GET", "/progress/active"): _READ,
    ("GET", "/progress/jobs"): _READ,
    ("GET", "/progress/events"): _READ,
    ("GET", "/events"): _READ,
    # A plain GET of it is told that this is a WebSocket's address; what a WebSocket says is checked further in.
    ("GET", "/ws"): _ANYBODY,
    ("WEBSOCKET", "/ws"): _ANYBODY,
    ("POST", "/ws/ticket"): _TOKEN,
    ("POST", "/ws/handshake"): _TOKEN,
    ("POST", "/ws/send"): _TOKEN,
    ("POST", "/ws/disconnect"): _TOKEN,
    ("GET", "/ws/poll"): _READ,
    ("GET", "/ws/clients"): _ADMIN_OF_ALL,
    ("GET", "/ws/status"): _READ_ALL,
    ("POST", "/ws/broadcast"): _ADMIN_OF_ALL,
}
"""Rules by method and path."""

_CHANGING: Final = frozenset({"generate", "remove", "retry"})
_PICTURES: Final = "/dalle/<anything:rest>"


def rule_of(method: str, path: str, asked: frozenset[str] = frozenset()) -> Rule:
    """Return the rule of a request.

    Args:
        method: Its method; WEBSOCKET for an upgrade.
        path: The route's path as it was defined.
        asked: The names of the query's parameters.
    """
    method = "GET" if method == "HEAD" else method
    if method == "GET" and path == _PICTURES and asked & _CHANGING:
        method = "POST"
    return RULES.get((method, path), _ADMIN_OF_ALL)


def changes(method: str, path: str, asked: frozenset[str] = frozenset()) -> bool:
    """Say whether a request may change something, as `rule_of` sees it."""
    return method not in {"GET", "HEAD", "OPTIONS"} or (path == _PICTURES and bool(asked & _CHANGING))
