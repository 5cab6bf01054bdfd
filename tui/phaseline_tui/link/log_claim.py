"""Claims of connections to logs, so that several addresses of one log are one server."""

from typing import Final, Generic, TypeVar

__all__ = ["LogClaim"]

_Owner = TypeVar("_Owner")
_ADVICE: Final = "separate the addresses of different logs by a space"


class LogClaim(Generic[_Owner]):
    """The log that a connection follows. Used only in the Trio thread.

    Attributes:
        notice: A text for the user if the servers of the connection have several logs; empty otherwise.
    """

    def __init__(self, owner: _Owner, owners: dict[str, _Owner]) -> None:
        """Claim logs for `owner`; `owners` has the owners of all connections' logs, by epoch."""
        self.notice = ""
        self._owner = owner
        self._owners = owners
        self._epoch = self._url = ""

    def take(self, epoch: str, url: str) -> _Owner | None:
        """Claim the log of `epoch` at the server `url`; return its owner if another one has claimed it.

        An older server has no epoch (""). A connection that already claimed a log may claim any later one.
        """
        other = self._owners.get(epoch)
        if epoch and other is not None and other is not self._owner and not self._epoch:
            return other
        self.notice = ""
        if self._epoch not in {"", epoch} and self._url != url:
            self.notice = f"{url} and {self._url} do not share a log; the jobs of {self._url} are not listed; {_ADVICE}"
        self._epoch, self._url = epoch, url
        if epoch:
            self._owners[epoch] = self._owner
        return None

    def differs(self, epoch: str, url: str) -> bool:
        """Record that the server `url` has the log of `epoch` ("" if unknown); return whether it differs."""
        if not epoch or epoch == self._epoch or not self._epoch:
            return False
        # A switch to another log has its own notice.
        other = f"{url} and {self._url} do not share a log; the jobs of {url} are not listed; {_ADVICE}"
        self.notice = self.notice or other
        return True

    def leave(self) -> None:
        """Give up the claim, because the connection is lost."""
        if self._owners.get(self._epoch) is self._owner:
            del self._owners[self._epoch]
