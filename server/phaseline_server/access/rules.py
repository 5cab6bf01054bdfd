"""Which right a route needs. The table of all routes is `phaseline_server.http.table`."""

from enum import StrEnum
from typing import NamedTuple

from phaseline.errors import Forbidden, Unauthorized
from phaseline_server.access.grant import Grant

__all__ = ["Need", "Rule"]

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Need(StrEnum):
    """What a client must have been granted to use a route at all."""

    NOTHING = "nothing"
    TOKEN = "token"  # noqa: S105 (a word) # any token; the route checks further what the token may do
    READ = "read"
    REPORT = "report"
    ADMIN = "admin"


class Rule(NamedTuple):
    """The right that one route needs.

    Attributes:
        need: What must have been granted.
        filtered: Whether the answer holds only what the token's prefix covers; if not, a prefix is refused.
        changing: Parameters of the query that make a GET change something; with one of them it needs an admin.
    """

    need: Need
    filtered: bool = True
    changing: frozenset[str] = frozenset()

    def changes(self, method: str, asked: frozenset[str]) -> bool:
        """Return whether a request with this method, and parameters of these names, may change something."""
        return method not in _SAFE_METHODS or not asked.isdisjoint(self.changing)

    def check(self, grant: Grant | None, asked: frozenset[str] = frozenset()) -> None:
        """Raise unless a client with this grant may send a request with parameters of these names.

        Raises:
            Unauthorized: It has shown no token.
            Forbidden: Its token is of another scope, or has a prefix that the route can't keep to.
        """
        need = self.need if asked.isdisjoint(self.changing) else Need.ADMIN
        if need is Need.NOTHING:
            return
        if grant is None:
            raise Unauthorized("no token was shown")
        enough = {
            Need.TOKEN: True,
            Need.READ: grant.reads,
            Need.REPORT: grant.reports,
            Need.ADMIN: grant.is_admin,
        }
        if not enough[need]:
            allowed = f"{need} or admin" if need is not Need.ADMIN else "admin"
            raise Forbidden(f"a token of scope {grant.scope} can't do this; allowed: one of scope {allowed}")
        if grant.prefix and not self.filtered:
            raise Forbidden(f"the token is for jobs of the prefix {grant.prefix!a}; allowed here: one without a prefix")
