"""`/progress/jobs` and `/progress/totals`: all jobs that are kept, page by page, and totals of runs."""

import re
from typing import Final, Literal, TypedDict

import msgspec
from quart import Response, request

from phaseline.errors import InvalidField
from phaseline.model.states import STATES, State
from phaseline.text import clean
from phaseline.wire import seconds, timestamp
from phaseline_server.http.answer_budget import PAGE_BYTES
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.large_answers import hold_for_answer, json_page
from phaseline_server.http.routes.common import json_answer, parse_number
from phaseline_server.http.services import Services
from phaseline_server.http.time_range import parse_time
from phaseline_server.jobs.local_day import day_of
from phaseline_server.log.queries import JobQuery, Place, Total, TotalsQuery, search_words

__all__ = ["MAX_JOBS", "MAX_SEARCH", "STATE_WORDS", "Totals", "add_handlers"]

MAX_JOBS: Final = 1000
MAX_SEARCH: Final = 200
_WEEK_NS: Final = 7 * 24 * 3600 * 10**9
_GROUPS: Final = {
    "active": {state for state in State if state.at_work},
    "done": {State.COMPLETED},
    "failed": {state for state in State if state.bad},
    "all": set(State),
}
STATE_WORDS: Final = {str(state): {state} for state in STATES} | _GROUPS
"""The states that each word in `state` stands for."""
_CURSOR: Final = re.compile(r"([0-9]{0,19})\.([0-9]{1,19})", re.ASCII)
_LATEST: Final = 2**63 - 1


class TotalLine(msgspec.Struct, kw_only=True):
    """The runs of a workflow and series. An id that was started again has several.

    Durations are those of completed runs without cache hits, null if there are none. `…_before` are of the seven days
    before `since`.
    """

    workflow: str
    series: str
    runs: int
    completed: int
    failed: int
    cancelled: int
    lost: int
    median_seconds: float | None
    p95_seconds: float | None
    median_before_seconds: float | None
    runs_before: int


class Totals(msgspec.Struct, kw_only=True):
    """The runs that ended, or were lost, from `since` to before `until`; null for the present."""

    success: Literal[True]
    since: str
    until: str | None
    completed: int
    failed: int
    cancelled: int
    lost: int
    workflows: list[TotalLine]


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handlers of `/progress/jobs` and `/progress/totals`."""
    tracker, answers = services.tracker, services.answers

    @handlers
    async def jobs() -> Response:
        arguments = request.args
        now_ns = tracker.clock().wall_ns
        since_ns, until_ns = _range(now_ns, None)
        query = JobQuery(
            **_filter(),
            since_ns=since_ns,
            until_ns=until_ns,
            states=_states(arguments.get("state") or "all"),
            dismissed=_flag("dismissed"),
            after=_place(arguments.get("cursor")),
            limit=parse_number("limit", arguments.get("limit"), 100, 1, MAX_JOBS),
            most_bytes=PAGE_BYTES,
        )
        hold = await hold_for_answer(answers, PAGE_BYTES)
        async with answers.building:
            page = await tracker.history(query)
        fields: dict[str, object] = {
            "success": True,
            "count": len(page.documents),
            "cursor": None if page.last is None else _cursor(page.last),
            **_written(since_ns, until_ns),
        }
        return json_page(fields, "jobs", page.documents, hold)

    @handlers
    async def totals() -> Response:
        now_ns = tracker.clock().wall_ns
        since_ns, until_ns = _range(now_ns, day_of(now_ns).since_ns)
        before_ns = max(0, (since_ns or 0) - _WEEK_NS)
        query = TotalsQuery(**_filter(), since_ns=since_ns, until_ns=until_ns, before_ns=before_ns)
        async with answers.building:
            found = await tracker.totals(query)
        written = _written(since_ns, until_ns)
        return json_answer(
            Totals(
                success=True,
                since=written["since"] or timestamp(0),
                until=written["until"],
                completed=sum(each.completed for each in found),
                failed=sum(each.failed for each in found),
                cancelled=sum(each.cancelled for each in found),
                lost=sum(each.lost for each in found),
                workflows=[_line(each) for each in found],
            )
        )


def _line(total: Total) -> TotalLine:
    return TotalLine(
        workflow=total.workflow,
        series=total.series,
        runs=total.runs,
        completed=total.completed,
        failed=total.failed,
        cancelled=total.cancelled,
        lost=total.lost,
        median_seconds=seconds(total.median_ns),
        p95_seconds=seconds(total.p95_ns),
        median_before_seconds=seconds(total.median_before_ns),
        runs_before=total.runs_before,
    )


class _Filter(TypedDict):
    workflow: str | None
    series: str | None
    host: str | None
    words: tuple[str, ...]


def _filter() -> _Filter:
    """Return the filter in the query of the current request; an empty parameter is as none.

    Texts are cleaned as those of reports are, since a database may reject the removed characters.
    """
    text = clean(request.args.get("q") or "")
    if len(text) > MAX_SEARCH:
        raise InvalidField("q", f"{len(text)} characters", f"at most {MAX_SEARCH}")
    workflow, series, host = (clean(request.args.get(name) or "") or None for name in ("workflow", "series", "host"))
    return {"workflow": workflow, "series": series, "host": host, "words": search_words(text)}


def _range(now_ns: int, default_ns: int | None) -> tuple[int | None, int | None]:
    """Return the times from `since` to `until` of the current request."""
    since_ns = parse_time("since", request.args.get("since"), now_ns)
    until_ns = parse_time("until", request.args.get("until"), now_ns)
    return default_ns if since_ns is None else since_ns, until_ns


def _written(since_ns: int | None, until_ns: int | None) -> dict[str, str | None]:
    return {
        "since": None if since_ns is None else timestamp(since_ns),
        "until": None if until_ns is None else timestamp(until_ns),
    }


def _states(text: str) -> frozenset[State]:
    words = text.split(",")
    if not STATE_WORDS.keys() >= set(words):
        raise InvalidField("state", text, f"{', '.join(STATE_WORDS)}; several are separated by commas")
    return frozenset().union(*(STATE_WORDS[word] for word in words))


def _flag(name: str) -> bool:
    text = request.args.get(name)
    if text not in {None, "", "0", "1"}:
        raise InvalidField(name, text, "0 or 1")
    return text == "1"


def _cursor(place: Place) -> str:
    return f"{'' if place.ended_ns is None else place.ended_ns}.{place.seq}"


def _place(text: str | None) -> Place | None:
    """Return the place after which a page begins."""
    if not text:
        return None
    found = _CURSOR.fullmatch(text)
    numbers = [int(number) for number in found.groups() if number] if found is not None else []
    if found is None or max(numbers) > _LATEST:
        raise InvalidField("cursor", text, "the cursor of the page before")
    return Place(numbers[0] if found[1] else None, numbers[-1])
