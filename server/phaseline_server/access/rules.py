"""The permission that a route needs. The table of all routes is `phaseline_server.http.table`."""

from enum import StrEnum
from typing import NamedTuple

from phaseline_server.access.grant import Grant
from phaseline_server.errors import Forbidden, Unauthorized

__all__ = ["Need", "Rule"]

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Need(StrEnum):
    """The grant that a client needs to use a route."""

    NOTHING = "nothing"
    TOKEN = "token"  # noqa: S105 (not a password) # any token; the route checks the details
    READ = "read"
    REPORT = "report"
    ADMIN = "admin"


class Rule(NamedTuple):
    """The permission that one route needs.

    Attributes:
        need: The needed grant.
        filtered: Whether the response is limited to the token's prefix. If not, a token with a prefix is rejected.
        changing: Query parameters that make a GET change something. With one of them, it needs `admin`.
        linked: Whether the holder of a link to a job may use it.
    """

    need: Need
    filtered: bool = True
    changing: frozenset[str] = frozenset()
    linked: bool = False

    def changes(self, method: str, parameters: frozenset[str]) -> bool:
        """Return whether a request with this method and these query parameters may change something."""
        return method not in _SAFE_METHODS or not parameters.isdisjoint(self.changing)

    def check(self, grant: Grant | None, parameters: frozenset[str] = frozenset()) -> None:
        """Check that a client with this grant may send a request with these query parameters.

        Raises:
            Unauthorized: The client sent no token.
            Forbidden: The token's scope is not sufficient, it has a prefix and the route is not filtered, or it is a
                link and the route is not for links.
        """
        need = self.need if parameters.isdisjoint(self.changing) else Need.ADMIN
        if need is Need.NOTHING:
            return
        if grant is None:
            raise Unauthorized("no token was sent")
        if grant.job is not None and not self.linked:
            raise Forbidden("a link shows one job only; allowed here: a token")
        enough = {
            Need.TOKEN: True,
            Need.READ: grant.reads,
            Need.REPORT: grant.reports,
            Need.ADMIN: grant.is_admin,
        }
        if not enough[need]:
            allowed = f"{need} or admin" if need is not Need.ADMIN else "admin"
            raise Forbidden(f"token scope {grant.scope} does not allow this request; allowed: scope {allowed}")
        if grant.prefix and not self.filtered:
            raise Forbidden(f"the token has the job prefix {grant.prefix!a}; allowed here: a token without a prefix")
