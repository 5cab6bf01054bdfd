"""The types of the fields of events."""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

__all__ = [
    "MAX_AGE_S",
    "MAX_PHASES",
    "ONE_LINE",
    "Age",
    "Amount",
    "Count",
    "Details",
    "JobId",
    "Label",
    "Name",
    "OrderId",
    "OrderKind",
    "OrderKinds",
    "Percent",
    "PhotoId",
    "Seconds",
    "Text",
    "one_line",
]

MAX_PHASES: Final = 500
MAX_AGE_S: Final = 7 * 24 * 3600
ONE_LINE: Final = "one line"


def one_line(least: int, most: int) -> Meta:
    """Return the constraint on a name: `least` to `most` characters on one line.

    A name has no tab or newline; decoding removes all other control characters. `wire.one_line` checks this, because
    a regular expression in msgspec would take longer than the rest of the decoding.
    """
    size = f"{least} to {most}" if least else f"at most {most}"
    return Meta(
        min_length=least or None,
        max_length=most,
        description=f"a string of {size} characters in one line",
        extra={ONE_LINE: True},
        extra_json_schema={"pattern": r"\A[^\t\n]*\Z"},
    )


# Error texts quote the descriptions as what is allowed.
JobId = Annotated[str, one_line(1, 200)]
Name = Annotated[str, one_line(1, 100)]
Label = Annotated[str, one_line(0, 100)]
Age = Annotated[float, Meta(ge=0, le=MAX_AGE_S, description=f"a number of seconds from 0 to {MAX_AGE_S}")]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1, description="an integer from 0 to 2^63 - 1")]
# The limits keep messages short: each one of a job repeats the id.
PhotoId = (
    Annotated[
        int,
        Meta(
            ge=-(2**63),
            le=2**63 - 1,
            description="an integer of 64 bits, a string of at most 200 characters in one line, or null",
        ),
    ]
    | Annotated[str, one_line(0, 200)]
    | None
)
Text = Annotated[str, Meta(max_length=10_000, description="a string of at most 10,000 characters")]
_AMOUNT = Meta(ge=0, le=10**18, description="a number from 0 to 10^18")
Amount = Annotated[int, _AMOUNT] | Annotated[float, _AMOUNT]
Percent = Annotated[float, Meta(ge=0, le=100, description="a number from 0 to 100")]
Seconds = Annotated[float, Meta(ge=0, description="a number of seconds, 0 or more")]
Details = dict[str, Any]
OrderKind = Literal["cancel", "pause", "resume"]
OrderKinds = Annotated[
    tuple[OrderKind, ...], Meta(max_length=3, description="a list of cancel, pause and resume, each at most once")
]
OrderId = Annotated[str, one_line(1, 40)]
