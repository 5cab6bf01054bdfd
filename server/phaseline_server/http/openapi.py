"""The OpenAPI document, made of the types that the routes decode and answer.

A route without an entry in `OPERATIONS` fails a test; so does an answer that the document does not name.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from phaseline import __version__
from phaseline.model.events import ErrorOccurred, JobProgress, JobStarted, PhaseCompleted, PhotoInfo, Report
from phaseline_server.access.rules import Need, rule_of
from phaseline_server.http import answers
from phaseline_server.http.routes.fallback import Broadcast, Disconnect, Handshake, Send
from phaseline_server.http.routes.progress import Complete
from phaseline_server.http.routes.statistics import EtaAnswer, PhasesAnswer

__all__ = ["OPERATIONS", "Operation", "document"]

JSON: Final = "application/json"
_OBJECT: Final = {"type": "object"}

Flag = Literal["1"]
Channels = Annotated[str, Meta(max_length=1000, description="Channels, with commas between them.")]
Where = Annotated[str, Meta(pattern=r"^[^/]{1,100}/[0-9]{1,15}$", description="A position: <epoch>/<seq>.")]
Pause = Annotated[float, Meta(ge=0, le=55, description="How many seconds to wait for something.")]


class Operation(NamedTuple):
    """One route and method, as its caller sees it.

    Attributes:
        summary: What it does, in a line.
        answers: Of each status that is no error, the media types and what is in them; None for what is no JSON.
        body: The type of its body.
        query: The types of its parameters.
        errors: The statuses of its errors, besides those that any route has.
        path: The type of each variable part of its path; a text by default.
    """

    summary: str
    answers: dict[int, dict[str, Any]]
    body: Any = None
    query: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    errors: tuple[int, ...] = ()


def _json(answer: Any, status: int = 200) -> dict[int, dict[str, Any]]:
    return {status: {JSON: answer}}


def _other(*kinds: str) -> dict[int, dict[str, Any]]:
    return {200: dict.fromkeys(kinds)}


_TAKEN: Final = _json(answers.Taken)
_REPORT: Final = (400, 404, 409, 413, 422, 503, 507)
_BODY: Final = (400, 413, 422)
_PICTURE: Final = (400, 403, 404, 422, 502, 503, 507)
_RUN: Final = {200: {JSON: answers.Run}}
_ASKED: Final = {"generate": Flag, "retry": Flag, "remove": Flag, "format": Literal["json", "png"]}

# By method and path; {parts} are variable.
OPERATIONS: Final[dict[tuple[str, str], Operation]] = {
    ("GET", "/"): Operation("Every job, on a page.", _other("text/html")),
    ("GET", "/page.css"): Operation("The page's style.", _other("text/css")),
    ("GET", "/page.js"): Operation("The page's script.", _other("text/javascript")),
    ("GET", "/icon.svg"): Operation("The page's icon.", _other("image/svg+xml")),
    ("GET", "/preview"): Operation("Every picture, on a page.", _other("text/html"), errors=(403,)),
    ("GET", "/preview.css"): Operation("That page's style.", _other("text/css")),
    ("GET", "/openapi.json"): Operation("This document.", _json(_OBJECT)),
    ("GET", "/health"): Operation(
        "Whether the server lives, and can do its work.",
        _json(answers.Health) | _json(answers.Unready, 503),
        query={"check": Literal["liveness", "readiness"]},
        errors=(422,),
    ),
    ("GET", "/metrics"): Operation(
        "Figures for Prometheus.",
        {200: {"text/plain": None, "application/openmetrics-text": None, JSON: _OBJECT}},
        query={"format": Literal["prometheus", "json"]},
        errors=(422,),
    ),
    ("GET", "/metrics/phases"): Operation(
        "What phases took, where runs failed, which were slow.", _json(PhasesAnswer), errors=(503,)
    ),
    ("GET", "/metrics/eta"): Operation("How well estimates held.", _json(EtaAnswer)),
    ("GET", "/series"): Operation("The names of all series.", _json(answers.SeriesList), errors=(403,)),
    ("GET", "/files/{path}"): Operation("A file under output/.", _other("*/*"), errors=(400, 403, 404)),
    ("GET", "/dalle/{series}/{address}"): Operation(
        "A picture's run, or the picture; starts or removes it if asked.",
        {200: {JSON: {"anyOf": [answers.Run, answers.Removed]}, "image/png": None}},
        query=_ASKED,
        errors=_PICTURE,
    ),
    ("POST", "/dalle/{series}/{address}"): Operation(
        "Start a picture's run.", _RUN, query={"retry": Flag}, errors=_PICTURE
    ),
    ("DELETE", "/dalle/{series}/{address}"): Operation(
        "Cancel a picture's run, or remove the picture.", _json(answers.Removed), errors=_PICTURE
    ),
    ("POST", "/progress/start"): Operation("A job began.", _TAKEN, JobStarted, errors=_REPORT),
    ("POST", "/progress/report"): Operation("A job is so far.", _TAKEN, JobProgress, errors=_REPORT),
    ("POST", "/progress/stage"): Operation("A phase ended.", _TAKEN, PhaseCompleted, errors=_REPORT),
    ("POST", "/progress/photo"): Operation("More is known of a job.", _TAKEN, PhotoInfo, errors=_REPORT),
    ("POST", "/progress/error"): Operation("Something went wrong.", _TAKEN, ErrorOccurred, errors=_REPORT),
    ("POST", "/progress/complete"): Operation("A job ended.", _TAKEN, Complete, errors=_REPORT),
    ("POST", "/progress/batch"): Operation(
        "Several reports at once.", _json(answers.BatchTaken), list[Report], errors=_BODY
    ),
    ("GET", "/progress/job/{job_id}"): Operation("One job.", _json(answers.JobAnswer), errors=(404, 503)),
    ("GET", "/progress/active"): Operation("The jobs that are not finished.", _json(answers.ActiveJobs)),
    ("GET", "/progress/jobs"): Operation(
        "A page of jobs.",
        _json(answers.JobList),
        query={
            "state": Literal["active", "done", "failed", "stalled", "all"],
            "limit": Annotated[int, Meta(ge=1, le=1000)],
            "cursor": Annotated[int, Meta(ge=0)],
        },
        errors=(422,),
    ),
    ("GET", "/progress/events"): Operation(
        "A page of the stream.",
        {200: {JSON: answers.Missed, "application/x-ndjson": None}},
        query={
            "since": Where,
            "channels": Channels,
            "limit": Annotated[int, Meta(ge=1, le=10_000)],
            "wait": Pause,
        },
        errors=(422, 503),
    ),
    ("GET", "/events"): Operation(
        "The stream, as Server-Sent Events.",
        _other("text/event-stream"),
        query={"channels": Channels, "since": Where, "ticket": str},
        errors=(422,),
    ),
    ("GET", "/ws"): Operation("The stream, over a WebSocket.", {}, query={"ticket": str}, errors=(426,)),
    ("POST", "/ws/ticket"): Operation("A ticket for a page.", _json(answers.Ticket)),
    ("POST", "/ws/handshake"): Operation("Begin to poll.", _json(answers.Handshaken), Handshake, errors=_BODY),
    ("POST", "/ws/send"): Operation("Say something.", _json(answers.Replied), Send, errors=_REPORT),
    ("POST", "/ws/disconnect"): Operation(
        "Poll no more.", _json(answers.Disconnected), Disconnect, errors=(*_BODY, 404)
    ),
    ("GET", "/ws/poll"): Operation(
        "What was missed.",
        _json(answers.Polled),
        query={"client_id": str, "ack": Annotated[int, Meta(ge=0)], "wait": Pause},
        errors=(404, 422, 503),
    ),
    ("GET", "/ws/clients"): Operation("Who is connected.", _json(answers.ClientList)),
    ("GET", "/ws/status"): Operation("How the stream does.", _json(answers.StreamStatus)),
    ("POST", "/ws/broadcast"): Operation(
        "Say something to everybody.", _json(answers.Published), Broadcast, errors=_REPORT
    ),
}

# What the guard and the door answer on any path.
_ALWAYS: Final = {
    400: "What came is no HTTP/1.1.",
    401: "No token was shown, or none that counts.",
    403: "The token does not allow it, or a page of another origin asks.",
    405: "Another method is taken there.",
    408: "The head came too slowly.",
    421: "The request is for another host.",
    429: "Too many; Retry-After says when to come back.",
    431: "The head is over its limit.",
}
_REF: Final = "#/components/schemas/{name}"
_ANY_OF: Final = re.compile(r"<any\((?P<words>[^)]*)\):\w+>")
_RENAMED: Final = {"/dalle/<anything:rest>": "/dalle/{series}/{address}"}


def paths_of(rule: str) -> list[str]:
    """Return the document's paths for a route's own."""
    if rule in _RENAMED:
        return [_RENAMED[rule]]
    found = _ANY_OF.search(rule)
    words = [word.strip(" '") for word in found["words"].split(",")] if found else [""]
    paths = [_ANY_OF.sub(word, rule) for word in words]
    return [re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path) for path in paths]


def document(routes: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the OpenAPI document of routes.

    Args:
        routes: Their methods and paths, as the app has them; those that have no entry are left out.
    """
    schemas = _Schemas()
    paths: dict[str, Any] = {}
    for method, rule in sorted(routes):
        for path in paths_of(rule):
            operation = OPERATIONS.get((method, path))
            if operation is not None:
                paths.setdefault(path, {})[method.lower()] = _operation(schemas, method, rule, path, operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Phaseline", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


class _Schemas:
    """Schemas of types; what has a name stands in `components` once."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}

    def of(self, kind: Any) -> Any:
        """Return the schema of a type; what is one already stays."""
        if isinstance(kind, dict):
            return {key: [self.of(one) for one in value] if key == "anyOf" else value for key, value in kind.items()}
        (schema,), components = msgspec.json.schema_components([kind], ref_template=_REF)
        self.components |= components
        return schema


def _operation(schemas: _Schemas, method: str, rule: str, path: str, operation: Operation) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", path)
    ] + [{"name": name, "in": "query", "schema": schemas.of(kind)} for name, kind in operation.query.items()]
    failure = {JSON: {"schema": schemas.of(answers.Failure)}}
    errors = {
        status: {"description": _ALWAYS.get(status, "Refused."), "content": failure} for status in operation.errors
    }
    always = {status: {"description": text, "content": failure} for status, text in _ALWAYS.items()}
    good = {
        status: {
            "description": operation.summary,
            "content": {kind: {} if of is None else {"schema": schemas.of(of)} for kind, of in content.items()},
        }
        for status, content in operation.answers.items()
    }
    described: dict[str, Any] = {
        "summary": operation.summary,
        "parameters": parameters,
        "responses": {str(status): answer for status, answer in sorted((always | errors | good).items())},
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": schemas.of(operation.body)}}}
    if rule_of(method, rule).need is not Need.NOTHING:
        described["security"] = [{"token": []}]
    return described
