"""The query for past jobs of a filter: the part that the server applies, and the rest for its answer."""

import datetime as dt
import re
from collections.abc import Callable, Collection
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

from phaseline.filtering import FIELDS, Filter, words_of
from phaseline.model.states import STATES
from phaseline_tui.model.jobs import State

__all__ = ["RANGES", "Query", "query_of", "with_range"]

RANGES: Final = ("", "today", "yesterday", "since:7d", "since:all")
"""The ranges that one key steps through; the first one is the default, which reaches back to last night."""
_DEFAULT_RANGE: Final = (("since", "yesterday"),)
_DAYS: Final = {"today": (("since", "today"),), "yesterday": (("since", "yesterday"), ("until", "today"))}
_TIMES: Final = "today, yesterday, 7d, 12h, 30m, 09:30 or 2026-11-20"
_AGO: Final = re.compile(r"[0-9]{1,6}[dhm]", re.ASCII)
_CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_EVER: Final = "1970-01-01T00:00:00Z"
_PAST: Final = frozenset(state for state in State if not state.unfinished)
_STATE_WORDS: Final = frozenset(" ".join(state.search_words for state in STATES).split())
_MAX_SEARCH: Final = 200
"""Maximum length of the server's `q`."""


class Query(NamedTuple):
    """A question about past jobs."""

    jobs: str
    """The query of `/progress/jobs`, without its page."""
    totals: str
    """The query of `/progress/totals`."""
    rest: Filter
    """The filter for the jobs that the server sends."""
    applied_here: tuple[str, ...]
    """Words that the server does not support, so its totals ignore them."""
    lines: Filter
    """The filter for the server's totals; it has fields of `workflow` and `series` only."""
    servers: tuple[str, ...]
    """Parts of the labels of the servers to ask; none for all."""
    range: str
    """The range as the user sees it."""
    problem: str
    """Error text of an invalid word, which is ignored."""


class _Builder:
    """Collects what the words of one filter mean."""

    def __init__(self, hosts: Collection[str], local: Callable[[float], dt.datetime], wall: float) -> None:
        self.hosts, self.local, self.wall = hosts, local, wall
        self.since: tuple[tuple[str, str], ...] = ()
        self.until: tuple[tuple[str, str], ...] = ()
        self.range: list[str] = []
        self.wanted: set[State] | None = None
        self.unwanted: set[State] = set()
        self.host = ""
        self.search: list[str] = []
        self.rest: list[str] = []
        self.lines: list[str] = []
        self.applied_here: list[str] = []
        self.servers: list[str] = []
        self.problem = ""

    def add(self, found: re.Match[str]) -> None:
        field, inverse = (found["field"] or "").casefold(), bool(found["inverse"])
        value = found["quoted"] if found["quoted"] is not None else found["plain"] or ""
        if found["regex"] is None and not value:
            return  # still being typed
        if not field and not inverse and value.casefold() in _DAYS:
            self._set_day(value.casefold())
        elif field in {"since", "until"} and found["regex"] is None:
            self._set_time(field, value, found.group())
        elif found["regex"] is None and (field == "state" or (not field and value.casefold() in _STATE_WORDS)):
            self._add_state(value.casefold(), inverse=inverse)
        elif field == "server" and found["regex"] is None and not inverse:
            self.servers.append(value.casefold())
        elif found["regex"] is not None or inverse or field in {"phase", "message"}:
            self.rest.append(found.group())
            self.applied_here.append(found.group())
        else:
            self._search_for(field, value, found)

    def _search_for(self, field: str, value: str, found: re.Match[str]) -> None:
        """Search for a text that the server finds in any of its fields; the rest of the filter checks the field."""
        if field == "host" and [host for host in self.hosts if value.casefold() in host.casefold()] == [value]:
            self.host = value
            return
        text = value if field in FIELDS or not field else found.group()
        if len(" ".join((*self.search, text))) <= _MAX_SEARCH:
            self.search.append(text)
        if field in {"workflow", "series"}:
            self.lines.append(found.group())
        elif field in FIELDS:
            self.applied_here.append(found.group())
        if field or " " in value:
            self.rest.append(found.group())

    def _set_day(self, day: str) -> None:
        self.since, self.until = _DAYS[day][:1], _DAYS[day][1:]
        self.range = [day]

    def _set_time(self, name: str, value: str, word: str) -> None:
        moment = _time_of(value, self.local, self.wall)
        if moment is None:
            self.problem = f"{word} has no time; allowed are {_TIMES}"
            return
        setattr(self, name, ((name, moment),))
        words = {"all": "all that the server keeps"} if name == "since" else {}
        self.range = [*(each for each in self.range if not each.startswith(name)), words.get(value, f"{name} {value}")]

    def _add_state(self, value: str, *, inverse: bool) -> None:
        states = set(State) if value == "all" else {state for state in STATES if value in state.search_words}
        if not states:
            self.problem = f"no state contains {value}; the states are {' '.join(sorted(_STATE_WORDS))}"
        elif inverse:
            self.unwanted |= states
        else:
            self.wanted = states if self.wanted is None else self.wanted & states

    def query(self) -> Query:
        since = self.since or (() if self.until else _DEFAULT_RANGE)
        search = (("q", " ".join(self.search)),) if self.search else ()
        host = (("host", self.host),) if self.host else ()
        wanted = (set(_PAST) if self.wanted is None else self.wanted) - self.unwanted
        states = [str(state) for state in STATES if state in wanted]
        if not states:
            self.problem = "the filter excludes every state"
            states = sorted(map(str, _PAST))
        common = (*host, *search, *since, *self.until)
        # The totals cover today unless a longer range is requested.
        totals = common if since else (("since", _EVER), *common)
        return Query(
            jobs=_encoded((("state", ",".join(states)), ("dismissed", "1"), *common)),
            totals=_encoded(totals),
            rest=Filter(" ".join(self.rest)),
            applied_here=tuple(self.applied_here),
            lines=Filter(" ".join(self.lines)),
            servers=tuple(self.servers),
            range=" ".join(self.range) or "since yesterday",
            problem=self.problem or Filter(" ".join(self.rest)).problem,
        )


def query_of(text: str, hosts: Collection[str], local: Callable[[float], dt.datetime], wall: float) -> Query:
    """Return the query that a filter means.

    Args:
        text: The filter, with the words `today` and `yesterday`, and the fields `since` and `until`, for a range.
        hosts: Hosts known so far. A value that is one of them, and part of no other, is asked for as that host.
        local: Returns the local time of a wall time.
        wall: The present in seconds since 1970.
    """
    builder = _Builder(hosts, local, wall)
    for found in words_of(text):
        builder.add(found)
    return builder.query()


def with_range(text: str) -> str:
    """Return the filter with the range that follows its present one in `RANGES`."""
    kept: list[str] = []
    ranges: list[str] = []
    for found in words_of(text):
        word = found.group()
        is_range = (found["field"] or "").casefold() in {"since", "until"} or word.casefold() in _DAYS
        (ranges if is_range else kept).append(word)
    present = " ".join(ranges).casefold()
    at = RANGES.index(present) if present in RANGES else -1
    return " ".join(word for word in (*kept, RANGES[(at + 1) % len(RANGES)]) if word)


def _time_of(value: str, local: Callable[[float], dt.datetime], wall: float) -> str | None:
    """Return a time as the server reads it; None if `value` is none."""
    value = value.casefold()
    if value in _DAYS or _AGO.fullmatch(value):
        return value
    if value == "all":
        return _EVER
    try:
        if clock := _CLOCK.fullmatch(value):
            here = local(wall).replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
            return here.isoformat()
        moment = dt.datetime.fromisoformat(value.upper())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=local(moment.replace(tzinfo=dt.UTC).timestamp()).tzinfo)
    except (ValueError, OverflowError, OSError):
        return None
    return moment.isoformat()


def _encoded(parameters: tuple[tuple[str, str], ...]) -> str:
    return urlencode(parameters, quote_via=quote)
