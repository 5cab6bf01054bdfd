"""`/progress/hosts` and `/progress/host`: the machines that do the work, and their load."""

from typing import Final, Literal

import msgspec
from quart import Response, request

from phaseline.errors import InvalidField
from phaseline.wire import HostStatus, decode_object, ignored_fields
from phaseline_server.http.answer_budget import PAGE_BYTES
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.large_answers import hold_for_answer, json_page
from phaseline_server.http.report_notes import notes_of
from phaseline_server.http.routes.common import json_answer, parse_number, read_body
from phaseline_server.http.services import Services
from phaseline_server.jobs.hosts import HostItem, HostQuery

__all__ = ["LONGEST_HOST", "MAX_HOSTS", "MAX_HOST_JOBS", "HostList", "HostTaken", "add_handlers"]

MAX_HOSTS: Final = 1000
MAX_HOST_JOBS: Final = 100
LONGEST_HOST: Final = 100


class HostTaken(msgspec.Struct, kw_only=True):
    """The load is recorded. `ignored` names fields that were not understood."""

    success: Literal[True]
    host: str
    ignored: list[str] | msgspec.UnsetType = msgspec.UNSET


class HostList(msgspec.Struct, kw_only=True):
    """A page of machines, by their names. Send `cursor` to get the next page; null on the last one."""

    success: Literal[True]
    hosts: list[HostItem]
    count: int
    cursor: str | None


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handlers of `/progress/hosts` and `/progress/host`."""
    tracker, settings, answers = services.tracker, services.settings, services.answers

    @handlers
    async def report_host() -> Response:
        document = await read_body()
        status = decode_object(document, HostStatus, settings.max_body, settings.max_depth)
        tracker.report_host(status)
        return json_answer(
            {"success": True, "host": status.host} | notes_of(ignored_fields(document, HostStatus), None)
        )

    @handlers
    async def hosts() -> Response:
        arguments = request.args
        after = arguments.get("cursor") or ""
        if len(after) > LONGEST_HOST:
            raise InvalidField("cursor", after, "the cursor of the page before")
        query = HostQuery(
            after=after,
            limit=parse_number("limit", arguments.get("limit"), 100, 1, MAX_HOSTS),
            jobs=parse_number("jobs", arguments.get("jobs"), MAX_HOST_JOBS, 0, MAX_HOST_JOBS),
            most_bytes=PAGE_BYTES,
        )
        hold = await hold_for_answer(answers, PAGE_BYTES)
        async with answers.building:
            page = await tracker.hosts(query)
        fields: dict[str, object] = {"success": True, "count": len(page.documents), "cursor": page.last}
        return json_page(fields, "hosts", page.documents, hold)
