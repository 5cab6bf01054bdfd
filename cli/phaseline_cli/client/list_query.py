"""Split a filter into a query for the server and a rest that is applied to the answer."""

import re
from typing import Final, NamedTuple

from phaseline.filtering import FIELDS, Filter, words_of
from phaseline.model.states import STATES

__all__ = ["ListQuery", "query_of"]

_STATE_WORDS: Final = frozenset(" ".join(state.search_words for state in STATES).split())
_SEARCHED: Final = frozenset({"name", "id", "workflow", "series", "host"})
"""The fields in which the server searches a word."""
_MOST_SEARCH: Final = 200
"""Characters of the server's `q`."""


class ListQuery(NamedTuple):
    """A question for jobs."""

    parameters: dict[str, str]
    """The query of `/progress/jobs`, without its page."""
    rest: Filter
    """The filter for the jobs that the server sends."""


def query_of(text: str) -> ListQuery:
    """Return the query for a filter. A word without a field is sent to the server's search, or is a state."""
    states = set(STATES)
    search: list[str] = []
    rest: list[str] = []
    for found in words_of(text):
        field, value = (found["field"] or "").casefold(), _value_of(found)
        if value is None:
            rest.append(found.group())
            continue
        if field and field not in FIELDS:  # a text with a colon
            field, value = "", f"{field}:{value}"
        if field == "state" or (not field and value in _STATE_WORDS):
            inverse = bool(found["inverse"])
            states &= {state for state in STATES if (value in state.search_words) is not inverse}
            rest.append(f"{found['inverse']}state:{value}")  # some of the server's words mean several states
        elif value and (found["inverse"] or (field and field not in _SEARCHED)):
            rest.append(found.group())
        elif value:
            if len(" ".join((*search, value))) <= _MOST_SEARCH:
                search.append(value)
            if field or " " in value or value not in search:
                rest.append(found.group())
    parameters = {"q": " ".join(search)} if search else {}
    if 0 < len(states) < len(STATES):
        parameters["state"] = ",".join(sorted(states))
    return ListQuery(parameters, Filter(" ".join(rest)))


def _value_of(found: re.Match[str]) -> str | None:
    """Return the text of a word; None for a regular expression."""
    if found["regex"] is not None:
        return None
    text: str = found["quoted"] if found["quoted"] is not None else (found["plain"] or "").removeprefix("/")
    return text.casefold()
