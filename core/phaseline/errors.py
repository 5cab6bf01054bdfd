"""Errors that Phaseline raises on purpose.

Each has a stable `code` that clients match on, an HTTP `status`, and a flag `temporary`: whether a later retry can
succeed. Its text has three parts: what failed; the value; what is allowed or what to do.
"""

from typing import ClassVar, Self

__all__ = [
    "BadSeriesFile",
    "ConfigError",
    "DataDirError",
    "DiskFull",
    "Forbidden",
    "ForbiddenOrigin",
    "IllegalEvent",
    "InvalidAddress",
    "InvalidField",
    "InvalidJSON",
    "InvalidSeries",
    "JournalFailed",
    "JournalUnusable",
    "MalformedRequest",
    "Misdirected",
    "MissingExtra",
    "NoPicture",
    "NoRun",
    "NumberReused",
    "OutsideDataDir",
    "PhaselineError",
    "PictureError",
    "PortInUse",
    "ProviderError",
    "RateLimited",
    "Refused",
    "SlowSubscriber",
    "StartupFailed",
    "TooLarge",
    "TooMany",
    "Unauthorized",
    "UnknownClient",
    "UnknownJob",
    "UnknownPath",
    "UnknownSeries",
    "UnknownType",
    "Unrecoverable",
    "shown",
]

_SHOWN_CHARACTERS = 80


def shown(value: object) -> str:
    """Return `value` as one short, printable line. Hostile input becomes safe for logs and terminals."""
    try:
        text = ascii(value)
    except Exception:  # noqa: BLE001 - nested without end, too many digits; an object of a worker may raise anything
        text = f"a value of type {type(value).__name__} that can't be shown"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


class PhaselineError(Exception):
    """Base class of all errors; never raised itself."""

    code: ClassVar[str] = "ERROR"
    status: ClassVar[int] = 500
    temporary: ClassVar[bool] = False


class InvalidJSON(PhaselineError):
    """A body or frame is not valid JSON, is nested too deeply, or is not an object."""

    code = "INVALID_JSON"
    status = 400


class InvalidField(PhaselineError):
    """A field is missing, or has a wrong type or value."""

    code = "INVALID_FIELD"
    status = 422

    def __init__(self, field: str, value: object, allowed: str) -> None:
        """Name the `field`, its `value` and what is `allowed`."""
        super().__init__(f"{field} is {shown(value)}; allowed: {allowed}")
        self.field = field

    @classmethod
    def missing(cls, field: str, allowed: str) -> Self:
        """Return the error for a required `field` that was not sent."""
        error = cls(field, None, allowed)
        error.args = (f"{field} is missing; allowed: {allowed}",)
        return error


class MalformedRequest(PhaselineError):
    """A request is not valid HTTP/1.1, or not a valid handshake of WebSocket version 13."""

    code = "MALFORMED_REQUEST"
    status = 400


class UnknownType(PhaselineError):
    """The receiver does not accept messages of this `type`."""

    code = "UNKNOWN_TYPE"
    status = 422

    def __init__(self, seen: object, allowed: str) -> None:
        """Show the type that was `seen` and list the types that are `allowed`."""
        super().__init__(f"type is {shown(seen)}; allowed: {allowed}")


class InvalidSeries(PhaselineError):
    """The name of a series has an invalid length or an invalid character."""

    code = "INVALID_SERIES"
    status = 400

    def __init__(self, series: str) -> None:
        """Show the name."""
        super().__init__(f"series is {shown(series)}; allowed: 1 to 64 of A-Z a-z 0-9 _ -")


class InvalidAddress(PhaselineError):
    """An address is not `0x` and 1 to 64 hexadecimal digits."""

    code = "INVALID_ADDRESS"
    status = 400

    def __init__(self, address: str) -> None:
        """Show the address."""
        super().__init__(f"address is {shown(address)}; allowed: 0x and 1 to 64 hexadecimal digits")


class UnknownSeries(PhaselineError):
    """No file defines this series."""

    code = "UNKNOWN_SERIES"
    status = 404

    def __init__(self, series: str, known: list[str]) -> None:
        """Show the name and list the `known` series."""
        super().__init__(
            f"series {shown(series)} is not defined; defined: {', '.join(known)}; "
            "to add one, create series/<name>.json in the data directory"
        )


class BadSeriesFile(PhaselineError):
    """The file that defines a series can't be used."""

    code = "BAD_SERIES_FILE"
    status = 422

    def __init__(self, file: str, problem: str) -> None:
        """Name the `file` and its `problem`, which ends with what is allowed."""
        super().__init__(f"series file {file}: {problem}")


class OutsideDataDir(PhaselineError):
    """A symbolic link in the data directory leads out of its folder."""

    code = "OUTSIDE_DATA_DIR"
    status = 403

    def __init__(self, path: str, folder: str) -> None:
        """Name the `path` and the `folder` that it must stay in. The link's target is not shown to clients."""
        super().__init__(
            f"{shown(path)} leads out of {folder} through a symbolic link; "
            f"allowed: links that stay in {folder}; replace the link with a file"
        )


class UnknownJob(PhaselineError):
    """No job with this id is in memory."""

    code = "UNKNOWN_JOB"
    status = 404

    def __init__(self, job_id: str) -> None:
        """Show the id."""
        super().__init__(
            f"job {shown(job_id)} is not known; check the id, or start it with job_started (POST /progress/start)"
        )


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


class NoRun(PhaselineError):
    """The picture does not exist and is not being made. A plain GET does not start a run."""

    code = "NO_RUN"
    status = 404

    def __init__(self, series: str, address: str) -> None:
        """Name the picture and explain how to start its run."""
        super().__init__(
            f"{series}/{address} has no run and no picture; "
            f"start one with GET /dalle/{series}/{address}?generate=1 or POST /dalle/{series}/{address}"
        )


class NoPicture(PhaselineError):
    """The annotated picture does not exist, or not yet."""

    code = "NO_PICTURE"
    status = 404

    def __init__(self, series: str, address: str) -> None:
        """Name the picture."""
        super().__init__(
            f"{series}/{address} has no annotated picture yet; poll /dalle/{series}/{address} until done is true"
        )


class IllegalEvent(PhaselineError):
    """The job's state does not allow this event."""

    code = "ILLEGAL_EVENT"
    status = 409


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


class TooLarge(PhaselineError):
    """A body, message or file exceeds its size limit."""

    code = "TOO_LARGE"
    status = 413

    def __init__(self, what: str, size: int, limit: int) -> None:
        """Name `what`, its `size` and the `limit`, both in bytes."""
        super().__init__(f"{what} has {size} bytes; allowed: at most {limit}")


class TooMany(PhaselineError):
    """A limit on a number of things is reached."""

    code = "TOO_MANY"
    status = 429
    temporary = True


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


class DiskFull(PhaselineError):
    """The data directory's file system is full."""

    code = "DISK_FULL"
    status = 507
    temporary = True


class Unrecoverable(PhaselineError):
    """The messages after a position are not available; the server sends a snapshot instead."""

    code = "UNRECOVERABLE"
    status = 410


class SlowSubscriber(PhaselineError):
    """A subscriber reads too slowly, and its queue is full. It may reconnect and resume."""

    code = "SLOW_SUBSCRIBER"
    status = 503
    temporary = True


class PictureError(PhaselineError):
    """The data from a provider is not a complete picture of an allowed size."""

    code = "PICTURE_ERROR"
    status = 502


class ProviderError(PhaselineError):
    """A provider of pictures or prompts rejected a request, failed, or did not answer in time."""

    code = "PROVIDER_ERROR"
    status = 502


class Refused(PhaselineError):
    """The server rejected an earlier report. Only a strict reporter raises this."""

    code = "REFUSED"
    status = 409


class ConfigError(PhaselineError):
    """A configuration flag, variable or key is unknown or has an invalid value."""

    code = "CONFIG_ERROR"


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


class PortInUse(PhaselineError):
    """A listen address is in use."""

    code = "PORT_IN_USE"


class StartupFailed(PhaselineError):
    """A part of the server failed to start."""

    code = "STARTUP_FAILED"


class MissingExtra(PhaselineError):
    """A program's dependencies are not installed."""

    code = "MISSING_EXTRA"
