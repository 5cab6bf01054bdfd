"""The token for one server, and the errors when the server denies access."""

from typing import Final

from phaseline_tui.model import failures
from phaseline_tui.model.access import Access
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.failures import LinkError
from phaseline_tui.model.frames import Problem

__all__ = ["Credentials"]

_ACCESS_ERRORS: Final = frozenset({"UNAUTHORIZED", "FORBIDDEN", "MISDIRECTED", "FORBIDDEN_ORIGIN"})


class Credentials:
    """The credentials that the view sends to one server.

    Attributes:
        token: The token to send; empty if there is none, or if the connection is not encrypted.
        headers: The headers of a request.
    """

    def __init__(self, server: ServerAddress, access: Access) -> None:
        """Take the token for `server` from `access`."""
        known = access.token_for(server.label)
        # Never send a token over an unencrypted connection.
        self.token = known if server.private else ""
        self.headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        self._withheld = bool(known) and not server.private
        self._server = server

    def denied(self, problem: str) -> LinkError:
        """Return the error for a server that does not accept the token."""
        return failures.refused(self._server, problem, token=bool(self.token), withheld=self._withheld)

    def rejected(self, status: int) -> LinkError:
        """Return the error for a WebSocket handshake that was answered with the HTTP status `status`."""
        return failures.rejected(self._server, status, token=bool(self.token), withheld=self._withheld)

    def check(self, problem: Problem) -> None:
        """Raise if the server denies access; ignore other problems.

        Raises:
            LinkError: The token is missing, invalid or not sufficient.
        """
        if problem.code in _ACCESS_ERRORS:
            raise self.denied(problem.error or problem.code or "")
