"""Errors that Phaseline raises on purpose.

Each has a stable `code` that clients match on, an HTTP `status`, and a flag `temporary`: whether a later retry can
succeed. Its text has three parts: what failed; the value; what is allowed or what to do.
"""

from typing import ClassVar, Self

__all__ = [
    "ConfigError",
    "DiskFull",
    "IllegalEvent",
    "InvalidAddress",
    "InvalidField",
    "InvalidJSON",
    "InvalidSeries",
    "OrderPending",
    "PhaselineError",
    "Refused",
    "TakesNoOrders",
    "TooLarge",
    "TooMany",
    "UnknownJob",
    "UnknownType",
    "Unrecoverable",
    "WorkerGone",
    "shown",
]

_SHOWN_CHARACTERS = 80


def shown(value: object) -> str:
    """Return `value` as one short, printable line. Hostile input becomes safe for logs and terminals."""
    try:
        text = ascii(value)
    except Exception:  # noqa: BLE001 - infinite nesting, too many digits; a worker's object may raise anything
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


class UnknownJob(PhaselineError):
    """No job with this id is in memory."""

    code = "UNKNOWN_JOB"
    status = 404

    def __init__(self, job_id: str) -> None:
        """Show the id."""
        super().__init__(
            f"job {shown(job_id)} is not known; check the id, or start it with job_started (POST /progress/start)"
        )


class IllegalEvent(PhaselineError):
    """The job's state does not allow this event."""

    code = "ILLEGAL_EVENT"
    status = 409


class TakesNoOrders(PhaselineError):
    """The job's worker does not accept such orders."""

    code = "TAKES_NO_ORDERS"
    status = 409


class WorkerGone(PhaselineError):
    """The job's worker is gone, so orders can't reach it."""

    code = "WORKER_GONE"
    status = 409


class OrderPending(PhaselineError):
    """The same order is already pending."""

    code = "ORDER_PENDING"
    status = 409


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


class DiskFull(PhaselineError):
    """The data directory's file system is full."""

    code = "DISK_FULL"
    status = 507
    temporary = True


class Unrecoverable(PhaselineError):
    """The messages after a position are not available; the server sends a snapshot instead."""

    code = "UNRECOVERABLE"
    status = 410


class Refused(PhaselineError):
    """The server rejected an earlier report. Only a strict reporter raises this."""

    code = "REFUSED"
    status = 409


class ConfigError(PhaselineError):
    """A configuration flag, variable or key is unknown or has an invalid value."""

    code = "CONFIG_ERROR"
