"""Shares of a limited number of places, so that one token can't take all of them."""

from collections import Counter

from phaseline.errors import TooMany
from phaseline_server.access.grant import Grant

__all__ = ["Shares"]

_SHARE, _RESERVE = 4, 10  # a token takes a quarter of the places; a tenth is kept for admins


class Shares:
    """Counts the places that each token takes.

    A token takes at most a quarter of all places. The last tenth is kept for tokens of scope `admin` without a prefix,
    which have no share of their own. Without tokens, every client is such an admin.
    """

    def __init__(self, most: int, what: str) -> None:
        """Divide `most` places; `what` names them in errors, in the plural."""
        self._most = most
        self._what = what
        self._share = max(1, most // _SHARE)
        self._unreserved = most - most // _RESERVE
        self._taken: Counter[str] = Counter()
        self._total = 0

    def take(self, grant: Grant) -> None:
        """Take a place for the token of `grant`.

        Raises:
            TooMany: No place is left for this token.
        """
        favored = grant.is_admin and not grant.prefix
        if not favored and self._taken[grant.token] >= self._share:
            raise self._too_many(f"the token has {self._share} {self._what}", f"at most {self._share} a token")
        most = self._most if favored else self._unreserved
        if self._total >= most:
            raise self._too_many(f"there are {self._total} {self._what}", f"at most {most}")
        self._taken[grant.token] += 1
        self._total += 1

    def give_back(self, grant: Grant) -> None:
        """Give back a place that was taken for the token of `grant`."""
        self._total -= 1
        self._taken[grant.token] -= 1
        if not self._taken[grant.token]:
            del self._taken[grant.token]

    @staticmethod
    def _too_many(found: str, allowed: str) -> TooMany:
        return TooMany(f"{found}; allowed: {allowed}; try again later")
