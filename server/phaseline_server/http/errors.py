"""Errors of the HTTP API alone."""

from phaseline.errors import PhaselineError

__all__ = ["Busy", "UnsupportedEncoding"]


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
