"""Every error that Phaseline raises on purpose.

Each has a stable `code` (clients match on it), the HTTP `status` it is answered with, whether trying again
later can help (`temporary`), and a text of three parts: what happened, the value seen, what is allowed.
"""

from typing import ClassVar

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
    """Return `value` as one short, printable line, so that hostile input is safe in logs and terminals."""
    try:
        text = ascii(value)
    except (RecursionError, ValueError):  # nested without end; an integer of more digits than Python prints
        text = f"a value of type {type(value).__name__} that can't be shown"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


class PhaselineError(Exception):
    """Base of all; never raised itself."""

    code: ClassVar[str] = "ERROR"
    status: ClassVar[int] = 500
    temporary: ClassVar[bool] = False


class InvalidJSON(PhaselineError):
    """A body or frame is not the JSON that it should be, is nested too deeply, or is not an object."""

    code = "INVALID_JSON"
    status = 400


class InvalidField(PhaselineError):
    """A field is missing, or has a wrong type or value."""

    code = "INVALID_FIELD"
    status = 422

    def __init__(self, field: str, value: object, allowed: str) -> None:
        """Name the `field`, show the `value`, say what is `allowed`."""
        super().__init__(f"{field} is {shown(value)}; allowed: {allowed}")
        self.field = field


class MalformedRequest(PhaselineError):
    """What a client sent is not HTTP/1.1, or not a handshake of WebSocket 13."""

    code = "MALFORMED_REQUEST"
    status = 400


class UnknownType(PhaselineError):
    """A message's `type` is none that the receiver takes."""

    code = "UNKNOWN_TYPE"
    status = 422

    def __init__(self, seen: object, allowed: str) -> None:
        """Show the type `seen` and list those that are `allowed`."""
        super().__init__(f"type is {shown(seen)}; allowed: {allowed}")


class InvalidSeries(PhaselineError):
    """A series' name has characters or a length that no series has."""

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
        """Show the name and those that are `known`."""
        super().__init__(
            f"series {shown(series)} is not defined; defined: {', '.join(known)}; "
            "to add it, write series/<name>.json in the data directory"
        )


class BadSeriesFile(PhaselineError):
    """The file that defines a series can't be used."""

    code = "BAD_SERIES_FILE"
    status = 422

    def __init__(self, file: str, problem: str) -> None:
        """Name the `file` and its `problem`, which ends with what is allowed."""
        super().__init__(f"series file {file}: {problem}")


class OutsideDataDir(PhaselineError):
    """A symbolic link in the data directory leads out of the folder that it lies in."""

    code = "OUTSIDE_DATA_DIR"
    status = 403

    def __init__(self, path: str, folder: str) -> None:
        """Name the `path` and the `folder` that it must not leave. Where it leads to is nobody's business."""
        super().__init__(
            f"{shown(path)} leads out of {folder} through a symbolic link; "
            f"allowed: links that stay in {folder}; replace the link by a file"
        )


class UnknownJob(PhaselineError):
    """No job of this id is in memory."""

    code = "UNKNOWN_JOB"
    status = 404

    def __init__(self, job_id: str) -> None:
        """Show the id."""
        super().__init__(f"job {shown(job_id)} is not known; start it with job_started (POST /progress/start)")


class UnknownClient(PhaselineError):
    """No client of this id polls: it never did, it left, or the server forgot it (or was restarted)."""

    code = "UNKNOWN_CLIENT"
    status = 404

    def __init__(self, client_id: str) -> None:
        """Show the id."""
        super().__init__(f"client {shown(client_id)} is not known; shake hands again (POST /ws/handshake)")


class UnknownPath(PhaselineError):
    """No route and no file answers to this path."""

    code = "NOT_FOUND"
    status = 404

    def __init__(self, path: str, allowed: str = "see the README's list of addresses") -> None:
        """Show the path and what is `allowed`."""
        super().__init__(f"nothing is at {shown(path)}; {allowed}")


class NoRun(PhaselineError):
    """Nothing is known of this picture, and a plain GET starts nothing."""

    code = "NO_RUN"
    status = 404

    def __init__(self, series: str, address: str) -> None:
        """Name the picture and say how to start its run."""
        super().__init__(
            f"no run and no picture of {series}/{address}; "
            f"start one with GET /dalle/{series}/{address}?generate=1 or POST /dalle/{series}/{address}"
        )


class NoPicture(PhaselineError):
    """The annotated picture does not exist (yet)."""

    code = "NO_PICTURE"
    status = 404

    def __init__(self, series: str, address: str) -> None:
        """Name the picture."""
        super().__init__(
            f"no annotated picture of {series}/{address} yet; poll /dalle/{series}/{address} until done is true"
        )


class IllegalEvent(PhaselineError):
    """The job's state does not take this event."""

    code = "ILLEGAL_EVENT"
    status = 409


class TooLarge(PhaselineError):
    """A body, message or file is over its limit."""

    code = "TOO_LARGE"
    status = 413

    def __init__(self, what: str, size: int, limit: int) -> None:
        """Name `what`, its `size` and the `limit`, both in bytes."""
        super().__init__(f"{what} has {size} bytes; allowed: at most {limit}")


class TooMany(PhaselineError):
    """A count is at its limit."""

    code = "TOO_MANY"
    status = 429
    temporary = True


class RateLimited(PhaselineError):
    """A token reports more in a second than it may."""

    code = "RATE_LIMITED"
    status = 429
    temporary = True


class Unauthorized(PhaselineError):
    """Who asks did not show a token that counts."""

    code = "UNAUTHORIZED"
    status = 401

    def __init__(self, seen: str) -> None:
        """Say what was `seen` in place of a token, without repeating it."""
        super().__init__(
            f"{seen}; allowed: `Authorization: Bearer <token>`, or over a WebSocket a first message "
            '{"type": "auth", "token": "..."}; make a token with: progress-server token create'
        )


class Forbidden(PhaselineError):
    """A token does not allow this."""

    code = "FORBIDDEN"
    status = 403


class ForbiddenOrigin(PhaselineError):
    """A page of another origin asks."""

    code = "FORBIDDEN_ORIGIN"
    status = 403

    def __init__(self, origin: str) -> None:
        """Show the origin."""
        super().__init__(
            f"a page of the origin {shown(origin)} asks; allowed: pages of this server and of this machine; "
            "add another with --allow-origin"
        )


class Misdirected(PhaselineError):
    """The request is for a host that this server does not answer for."""

    code = "MISDIRECTED"
    status = 421

    def __init__(self, host: str) -> None:
        """Show the host."""
        super().__init__(
            f"the request is for the host {shown(host)}; allowed: localhost and the addresses that the server "
            "listens on; add a name with --allow-host"
        )


class DiskFull(PhaselineError):
    """The data directory's file system takes no more."""

    code = "DISK_FULL"
    status = 507
    temporary = True


class Unrecoverable(PhaselineError):
    """The messages after a position can't be had; a snapshot is sent instead."""

    code = "UNRECOVERABLE"
    status = 410


class SlowSubscriber(PhaselineError):
    """A subscriber did not keep up, and its queue is full. It may come back and resume."""

    code = "SLOW_SUBSCRIBER"
    status = 503
    temporary = True


class PictureError(PhaselineError):
    """What a provider sent is not a whole picture of an allowed size."""

    code = "PICTURE_ERROR"
    status = 502


class ProviderError(PhaselineError):
    """A provider of pictures or prompts refused, failed, or did not answer in time."""

    code = "PROVIDER_ERROR"
    status = 502


class Refused(PhaselineError):
    """A server did not take an earlier report; raised by a strict reporter alone."""

    code = "REFUSED"
    status = 409


class ConfigError(PhaselineError):
    """A flag, variable or key of the configuration is unknown or has a wrong value."""

    code = "CONFIG_ERROR"


class DataDirError(PhaselineError):
    """The data directory is missing, is no directory, or can't be written."""

    code = "DATA_DIR_ERROR"


class JournalUnusable(PhaselineError):
    """The journal can't be opened: it is corrupt, newer than this program, or another server has it."""

    code = "JOURNAL_UNUSABLE"


class JournalFailed(PhaselineError):
    """The disk failed under the journal: nothing can be promised any more until the server was restarted."""

    code = "JOURNAL_FAILED"
    status = 503
    temporary = True


class PortInUse(PhaselineError):
    """An address to listen on is taken."""

    code = "PORT_IN_USE"


class StartupFailed(PhaselineError):
    """A part of the server could not be started."""

    code = "STARTUP_FAILED"


class MissingExtra(PhaselineError):
    """A program's dependencies are not installed."""

    code = "MISSING_EXTRA"
