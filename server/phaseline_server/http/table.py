"""Every route, once: its path, method, permission, request body and answers.

The app, the guard and the OpenAPI document are made of this table. A route without a handler, or a handler without a
route, ends the server's start; an answer that the table does not name fails a test.
"""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from phaseline.model.events import (
    ErrorOccurred,
    JobDismissed,
    JobProgress,
    JobQueued,
    JobStarted,
    PhaseCompleted,
    PhotoInfo,
    Report,
)
from phaseline_server.access.rules import Need, Rule
from phaseline_server.http import answers, answers_stream
from phaseline_server.http.parameters import FILTER, Ack, Channels, Page, States, Wait, Where
from phaseline_server.http.route import JSON, REPORTED, Route, json_of, media
from phaseline_server.http.routes.fallback import Broadcast, Disconnect, Handshake, Send
from phaseline_server.http.routes.history import MAX_JOBS, Totals
from phaseline_server.http.routes.progress import MAX_EVENTS, Complete
from phaseline_server.http.routes.statistics import EtaAnswer, PhasesAnswer
from phaseline_server.http.table_hosts import HOSTS
from phaseline_server.http.table_job import JOB
from phaseline_server.http.table_pictures import PICTURES

__all__ = ["JSON", "ROUTES", "Route"]

_OBJECT: Final = {"type": "object"}

_ANYBODY: Final = Rule(Need.NOTHING)
_READ: Final = Rule(Need.READ)
_READ_LINKED: Final = Rule(Need.READ, linked=True)
_READ_ALL: Final = Rule(Need.READ, filtered=False)
_REPORT: Final = Rule(Need.REPORT)
_TOKEN: Final = Rule(Need.TOKEN)
_TOKEN_LINKED: Final = Rule(Need.TOKEN, linked=True)
_ADMIN_OF_ALL: Final = Rule(Need.ADMIN, filtered=False)

_TAKEN: Final = json_of(answers.Taken)
_BODY: Final = (400, 413, 415, 422)
_FILE: Final = (400, 403, 404, 503)

# ------------------------------------------------------------------------------------------ pages and files

_PAGES: Final = (
    # The page itself contains no data; its requests are checked.
    Route("page", "GET", "/", _ANYBODY, "Show all jobs as a page.", media("text/html")),
    Route("page_job", "GET", "/job/{job_id}", _ANYBODY, "Show a job as a page.", media("text/html")),
    Route("page_history", "GET", "/history", _ANYBODY, "Show past jobs as a page.", media("text/html")),
    Route("page_boxes", "GET", "/boxes", _ANYBODY, "Show the machines as a page.", media("text/html")),
    Route(
        "page_file",
        "GET",
        "/page/{name}",
        _ANYBODY,
        "Get a file of the pages.",
        media("text/javascript", "text/css", "image/svg+xml", "image/png", "application/manifest+json") | {304: {}},
        errors=(404,),
    ),
    Route(
        "preview",
        "GET",
        "/preview",
        _ANYBODY,
        "Show the pictures as a page.",
        media("text/html"),
        errors=(403,),
        served="leader",
    ),
    Route(
        "preview_picture",
        "GET",
        "/preview/{picture}",
        _ANYBODY,
        "Show a picture as a page.",
        media("text/html"),
        served="leader",
    ),
    Route(
        "file",
        "GET",
        "/files/{path}",
        _READ_ALL,
        "Get a file of output/.",
        media("*/*"),
        errors=(400, 403, 404, 503),
        served="leader",
    ),
)

# ------------------------------------------------------------------------------------------ the server itself

_SERVER: Final = (
    Route("openapi", "GET", "/openapi.json", _ANYBODY, "Get the OpenAPI document.", json_of(_OBJECT)),
    # Monitoring requests this without a token.
    Route(
        "health",
        "GET",
        "/health",
        _ANYBODY,
        "Check whether the server is running, or ready.",
        json_of(answers.Health) | json_of(answers.Unready, 503),
        query={"check": Literal["liveness", "readiness"]},
        errors=(422,),
    ),
    Route(
        "metrics",
        "GET",
        "/metrics",
        _READ_ALL,
        "Get the metrics for Prometheus.",
        {200: {"text/plain": None, "application/openmetrics-text": None, JSON: _OBJECT}},
        query={"format": Literal["prometheus", "json"]},
        errors=(422,),
    ),
    Route(
        "phase_statistics",
        "GET",
        "/metrics/phases",
        _READ_ALL,
        "Get the durations of phases, the failures by phase, and the slowest runs.",
        json_of(PhasesAnswer),
        errors=(503,),
    ),
    Route(
        "eta_statistics",
        "GET",
        "/metrics/eta",
        _READ_ALL,
        "Get the accuracy of the estimates.",
        json_of(EtaAnswer),
        served="leader",
    ),
)

# ------------------------------------------------------------------------------------------ reports and jobs


def _report(name: str, path: str, summary: str, body: Any, gives: str = "") -> Route:
    return Route(name, "POST", path, _REPORT, summary, _TAKEN, body, errors=REPORTED, gives=gives)


_PROGRESS: Final = (
    _report("queue_job", "/progress/queue", "Report that a job waits in a queue.", JobQueued, "job_id"),
    _report("start_job", "/progress/start", "Start a job.", JobStarted, "job_id"),
    _report("report_progress", "/progress/report", "Report a job's progress.", JobProgress),
    _report("end_phase", "/progress/stage", "Report that a phase ended.", PhaseCompleted),
    _report("report_photo", "/progress/photo", "Add facts to a job.", PhotoInfo),
    _report("report_error", "/progress/error", "Report an error of a job.", ErrorOccurred),
    _report("end_job", "/progress/complete", "Report that a job ended.", Complete),
    _report("dismiss_job", "/progress/dismiss", "Dismiss a job that has ended, stalled or is lost.", JobDismissed),
    Route(
        "report_batch",
        "POST",
        "/progress/batch",
        _REPORT,
        "Send several reports at once.",
        json_of(answers.BatchTaken),
        list[Report],
        errors=_BODY,
    ),
    Route("active_jobs", "GET", "/progress/active", _READ, "List the unfinished jobs.", json_of(answers.ActiveJobs)),
    Route(
        "jobs",
        "GET",
        "/progress/jobs",
        _READ,
        "List all jobs that are kept, page by page: the unfinished ones, then the others, newest end first.",
        json_of(answers.JobList),
        query=FILTER
        | {
            "state": States,
            "dismissed": Literal["0", "1"],
            "limit": Annotated[int, Meta(ge=1, le=MAX_JOBS)],
            "cursor": Page,
        },
        errors=(422, 503),
    ),
    Route(
        "totals",
        "GET",
        "/progress/totals",
        _READ,
        "Get the numbers and durations of runs by workflow and series, by default of the server's local day.",
        json_of(Totals),
        query=FILTER,
        errors=(422, 503),
    ),
)

# ------------------------------------------------------------------------------------------ the stream

_STREAM: Final = (
    Route(
        "past_events",
        "GET",
        "/progress/events",
        _READ_LINKED,
        "List past messages of the stream, page by page.",
        {200: {JSON: answers_stream.Missed, "application/x-ndjson": None}},
        query={
            "since": Where,
            "channels": Channels,
            "limit": Annotated[int, Meta(ge=1, le=MAX_EVENTS)],
            "wait": Wait,
        },
        errors=(422, 503),
    ),
    Route(
        "events",
        "GET",
        "/events",
        _READ_LINKED,
        "Follow the stream as Server-Sent Events.",
        media("text/event-stream"),
        query={"channels": Channels, "since": Where, "ticket": str},
        errors=(422,),
    ),
    # The session checks what a client of the WebSocket may do.
    Route("websocket", "WEBSOCKET", "/ws", _ANYBODY, "Follow the stream, and report, over a WebSocket.", {}),
    Route(
        "no_upgrade",
        "GET",
        "/ws",
        _ANYBODY,
        "Answer 426; connect with a WebSocket.",
        {},
        query={"ticket": str},
        errors=(426,),
    ),
    Route(
        "ticket",
        "POST",
        "/ws/ticket",
        _TOKEN_LINKED,
        "Get a ticket for a URL.",
        json_of(answers_stream.Ticket),
        served="here",
    ),
    Route(
        "handshake",
        "POST",
        "/ws/handshake",
        _TOKEN,
        "Open a polling session.",
        json_of(answers_stream.Handshaken),
        Handshake,
        errors=_BODY,
        gives="client_id",
        served="here",
    ),
    Route(
        "send",
        "POST",
        "/ws/send",
        _TOKEN,
        "Send a message.",
        json_of(answers_stream.Replied),
        Send,
        errors=REPORTED,
        served="here",
    ),
    Route(
        "disconnect",
        "POST",
        "/ws/disconnect",
        _TOKEN,
        "Close a polling session.",
        json_of(answers_stream.Disconnected),
        Disconnect,
        errors=(*_BODY, 404),
        served="here",
    ),
    Route(
        "poll",
        "GET",
        "/ws/poll",
        _READ,
        "Receive the messages after the last poll in a polling session.",
        json_of(answers_stream.Polled),
        query={"client_id": str, "ack": Ack, "wait": Wait},
        errors=(404, 422, 503),
    ),
    Route(
        "clients",
        "GET",
        "/ws/clients",
        _ADMIN_OF_ALL,
        "List the connected clients.",
        json_of(answers_stream.ClientList),
    ),
    Route(
        "stream_status",
        "GET",
        "/ws/status",
        _READ_ALL,
        "Get the state of the stream.",
        json_of(answers_stream.StreamStatus),
    ),
    Route(
        "broadcast",
        "POST",
        "/ws/broadcast",
        _ADMIN_OF_ALL,
        "Send a message to every subscriber of a channel.",
        json_of(answers_stream.Published),
        Broadcast,
        errors=REPORTED,
    ),
)

ROUTES: Final = (*_PAGES, *_SERVER, *PICTURES, *_PROGRESS, *JOB, *HOSTS, *_STREAM)
"""Every route of the server."""
