"""Errors that only the server raises.

`phaseline.errors` has those that clients share, `pictures/errors.py` those of the picture API.
"""

from phaseline.errors import PhaselineError, shown

__all__ = [
    "Busy",
    "DataDirError",
    "Deposed",
    "Forbidden",
    "ForbiddenOrigin",
    "JournalFailed",
    "JournalUnusable",
    "LinkEnded",
    "LogReplaced",
    "LogUnavailable",
    "MalformedRequest",
    "Misdirected",
    "NoLink",
    "NoOutput",
    "NotMirrored",
    "NotNeeded",
    "NumberReused",
    "PortInUse",
    "RateLimited",
    "ReadOnlyMirror",
    "SlowSubscriber",
    "StartupFailed",
    "Unauthorized",
    "UnknownClient",
    "UnknownPath",
    "UnsupportedEncoding",
]


class MalformedRequest(PhaselineError):
    """A request is not valid HTTP/1.1, or not a valid handshake of WebSocket version 13."""

    code = "MALFORMED_REQUEST"
    status = 400


class UnknownClient(PhaselineError):
    """No client with this id is polling: it never connected, disconnected or expired, or the server restarted."""

    code = "UNKNOWN_CLIENT"
    status = 404

    def __init__(self, client_id: str) -> None:
        """Show the id."""
        super().__init__(f"client {shown(client_id)} is not known; open a new session (POST /ws/handshake)")


class UnknownPath(PhaselineError):
    """No route and no file has this path."""

    code = "NOT_FOUND"
    status = 404

    def __init__(self, path: str, allowed: str = "GET /openapi.json lists all paths") -> None:
        """Show the path and what is `allowed`."""
        super().__init__(f"no resource has the path {shown(path)}; {allowed}")


class NumberReused(PhaselineError):
    """A producer has used a report's number for another job."""

    code = "NUMBER_REUSED"
    status = 409

    def __init__(self, producer: str, number: int, highest: int) -> None:
        """Name the `producer`, the `number` and the `highest` number that it has used."""
        super().__init__(
            f"producer_seq {number} of producer {shown(producer)} was used for another job; "
            f"allowed: a number above {highest}, or another producer name"
        )


class RateLimited(PhaselineError):
    """A token exceeds its rate limit for reports."""

    code = "RATE_LIMITED"
    status = 429
    temporary = True


class Unauthorized(PhaselineError):
    """No valid token was sent."""

    code = "UNAUTHORIZED"
    status = 401

    def __init__(self, seen: str) -> None:
        """Describe what was `seen` in place of a valid token; never include the token itself."""
        super().__init__(
            f"{seen}; send `Authorization: Bearer <token>`, or over a WebSocket a first message "
            '{"type": "auth", "token": "..."}; create a token with: progress-server token create'
        )


class LinkEnded(Unauthorized):
    """A link to a job was revoked, has expired, or never existed; the error does not reveal which."""

    code = "LINK_ENDED"
    status = 410

    def __init__(self) -> None:
        """Explain what to do."""
        PhaselineError.__init__(self, "the link has expired or was revoked; ask its sender for a new one")


class NoLink(PhaselineError):
    """A job has no link with this id, or no longer."""

    code = "NO_LINK"
    status = 404

    def __init__(self, job_id: str, link_id: str) -> None:
        """Name the job and the link."""
        super().__init__(
            f"the job {shown(job_id)} has no link {shown(link_id)}; GET /progress/job/<id>/link lists its links"
        )


class NotNeeded(PhaselineError):
    """A link is not needed, because every client may read every job."""

    code = "NOT_NEEDED"
    status = 409


class Forbidden(PhaselineError):
    """The token does not allow the request."""

    code = "FORBIDDEN"
    status = 403


class ForbiddenOrigin(PhaselineError):
    """The request comes from a page of an origin that is not allowed."""

    code = "FORBIDDEN_ORIGIN"
    status = 403

    def __init__(self, origin: str) -> None:
        """Show the origin."""
        super().__init__(
            f"the request's origin is {shown(origin)}; allowed: pages of this server and of this machine; "
            "add an origin with --allow-origin"
        )


class Misdirected(PhaselineError):
    """The request names a host that this server does not serve."""

    code = "MISDIRECTED"
    status = 421

    def __init__(self, host: str) -> None:
        """Show the host."""
        super().__init__(
            f"the request's host is {shown(host)}; allowed: localhost and the server's listen addresses; "
            "add a name with --allow-host"
        )


class SlowSubscriber(PhaselineError):
    """A subscriber reads too slowly, and its queue is full. It may reconnect and resume."""

    code = "SLOW_SUBSCRIBER"
    status = 503
    temporary = True


class DataDirError(PhaselineError):
    """The data directory is missing, is not a directory, or is not writable."""

    code = "DATA_DIR_ERROR"


class JournalUnusable(PhaselineError):
    """The journal can't be opened: it is corrupt, of a newer version, or in use by another server."""

    code = "JOURNAL_UNUSABLE"


class JournalFailed(PhaselineError):
    """The journal's disk failed. The server accepts no reports until it is restarted."""

    code = "JOURNAL_FAILED"
    status = 503
    temporary = True


class LogUnavailable(PhaselineError):
    """The database with the log can't be reached at present. The server reconnects by itself.

    Attributes:
        cause: The reason in one line, for the server's own log.
    """

    code = "LOG_UNAVAILABLE"
    status = 503
    temporary = True

    def __init__(self, text: str, cause: str = "") -> None:
        """Show `text` to clients, and `cause`, which may name machines, in the server's own log only."""
        super().__init__(text)
        self.cause = cause or text


class Deposed(PhaselineError):
    """Another server leads the log; this one accepts no reports."""

    code = "DEPOSED"
    status = 503
    temporary = True


class LogReplaced(PhaselineError):
    """The shared log does not continue the events that a follower has read from it."""

    code = "LOG_REPLACED"


class ReadOnlyMirror(PhaselineError):
    """The server is a mirror of another one, so it takes no reports and makes no changes."""

    code = "READ_ONLY_MIRROR"
    status = 403

    def __init__(self, source: str) -> None:
        """Name the mirror's `source`."""
        super().__init__(f"this server is a read-only mirror of {source}; send reports and changes there")


class NotMirrored(PhaselineError):
    """The server is a mirror, and its source does not send it the requested data."""

    code = "NOT_MIRRORED"
    status = 404

    def __init__(self, source: str) -> None:
        """Name the mirror's `source`."""
        super().__init__(f"this server is a mirror of {source}, and does not have this; request it there")


class PortInUse(PhaselineError):
    """A listen address is in use."""

    code = "PORT_IN_USE"


class StartupFailed(PhaselineError):
    """A part of the server failed to start."""

    code = "STARTUP_FAILED"


class UnsupportedEncoding(PhaselineError):
    """A request's body is compressed, or not in UTF-8."""

    code = "UNSUPPORTED_ENCODING"
    status = 415

    def __init__(self, encoding: str) -> None:
        """Name the encoding."""
        super().__init__(f"the body's encoding is {encoding}; allowed: UTF-8, not compressed")


class Busy(PhaselineError):
    """Too many large answers are being sent."""

    code = "BUSY"
    status = 503
    temporary = True


class NoOutput(PhaselineError):
    """No output of a job is kept."""

    code = "NO_OUTPUT"
    status = 404

    def __init__(self, job_id: str) -> None:
        """Name the job."""
        super().__init__(f"job {shown(job_id)} has no stored output; phaseline run sends it, unless it has --no-output")
