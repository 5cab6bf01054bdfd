"""Types of query parameters, for the table of routes."""

from typing import Annotated, Final, Literal

from msgspec import Meta

from phaseline_server.http.routes.history import MAX_SEARCH, STATE_WORDS
from phaseline_server.http.routes.waiting import LONGEST_WAIT_S
from phaseline_server.http.time_range import When

__all__ = ["FILTER", "Ack", "Channels", "Flag", "Page", "States", "Wait", "Where"]

Flag = Literal["1"]
Channels = Annotated[str, Meta(max_length=1000, description="Channel names, separated by commas.")]
Where = Annotated[str, Meta(pattern=r"^[^/]{1,100}/[0-9]{1,15}$", description="A position: <epoch>/<seq>.")]
_ACK: Final = "The `ack` of the last answer, or a position: <epoch>/<seq>."
Ack = Annotated[str, Meta(pattern=r"^([^/]{1,100}/)?[0-9]{1,15}$", description=_ACK)]
_ANY_STATE: Final = "|".join(STATE_WORDS)
_STATES: Final = (
    f"States, separated by commas: {', '.join(STATE_WORDS)}; active includes stalled, failed includes lost."
)
States = Annotated[str, Meta(pattern=f"^({_ANY_STATE})(,({_ANY_STATE})){{0,9}}$", description=_STATES)]
Search = Annotated[
    str, Meta(max_length=MAX_SEARCH, description="Words that occur in its name, id, workflow, series or host.")
]
FILTER: Final = {"workflow": str, "series": str, "host": str, "q": Search, "since": When, "until": When}
Wait = Annotated[float, Meta(ge=0, le=LONGEST_WAIT_S, description="Seconds to wait for the first message.")]
Page = Annotated[str, Meta(pattern=r"^[0-9]{0,18}\.[0-9]{1,18}$", description="The `cursor` of the page before.")]
