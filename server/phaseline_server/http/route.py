"""One route: its path, method, permission, request body and answers."""

import re
from typing import Any, Final, Literal, NamedTuple

from phaseline_server.access.rules import Rule

__all__ = ["JSON", "REPORTED", "Route", "json_of", "media"]

JSON: Final = "application/json"
REPORTED: Final = (400, 404, 409, 413, 415, 422, 503, 507)
"""The statuses of the errors of a report."""
_VARIABLE: Final = re.compile(r"{(\w+)}")


class Route(NamedTuple):
    """One path with one method.

    Attributes:
        name: The name of its handler, and its `operationId`.
        method: An HTTP method, or WEBSOCKET for an upgrade.
        path: Its path; `{parts}` are variable and may hold slashes.
        rule: The right it needs.
        summary: What it does, in a line.
        answers: For each status that is no error, the media types, each with its type; None for what is no JSON.
        body: The type of its body.
        query: The types of its parameters.
        errors: The statuses of its errors, besides those that any route has.
        body_kind: The media type of its body.
        gives: The name of an id in its answer; the document links it to the routes that have it in their path or query.
        served: Which server of a shared log serves it: the leader, or the one that is asked. By default, that one
            serves what only reads, and the leader the rest.
    """

    name: str
    method: str
    path: str
    rule: Rule
    summary: str
    answers: dict[int, dict[str, Any]]
    body: Any = None
    query: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    errors: tuple[int, ...] = ()
    body_kind: str = JSON
    gives: str = ""
    served: Literal["", "leader", "here"] = ""

    @property
    def is_leaders(self) -> bool:
        """Whether a server that follows forwards it to the leader."""
        return self.served == "leader" or (not self.served and self.method not in {"GET", "WEBSOCKET"})

    @property
    def variables(self) -> list[str]:
        """The names of the variable parts of its path."""
        return _VARIABLE.findall(self.path)

    @property
    def quart_rule(self) -> str:
        """The path as Quart has it."""
        return _VARIABLE.sub(_converted, self.path)


def _converted(variable: re.Match[str]) -> str:
    """Return a variable part with its converter; see `phaseline_server.http.app`."""
    name = variable[1]
    return f"<{'job_id' if name == 'job_id' else 'anything'}:{name}>"


def json_of(answer: Any, status: int = 200) -> dict[int, dict[str, Any]]:
    """Return the `answers` of a route that answers with JSON."""
    return {status: {JSON: answer}}


def media(*kinds: str) -> dict[int, dict[str, Any]]:
    """Return the `answers` of a route that answers with other media types."""
    return {200: dict.fromkeys(kinds)}
