"""`/progress/job/<id>/output`: the last output of a job."""

from typing import Final

from quart import Response, request

from phaseline.errors import InvalidField
from phaseline_server.errors import NoOutput
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.routes.common import json_answer, parse_number, read_text
from phaseline_server.http.services import Services
from phaseline_server.jobs.output import Output, as_drawn

__all__ = ["MAX_AT", "add_handlers"]

MAX_AT: Final = 2**53
"""Characters of output that are counted."""


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handlers of `/progress/job/<id>/output`."""
    jobs = services.tracker

    @handlers
    async def add_output(job_id: str) -> Response:
        at = _number("at")
        end = await jobs.add_output(job_id, at, await read_text())
        return json_answer({"success": True, "job_id": job_id, "end": end})

    @handlers
    async def job_output(job_id: str) -> Response:
        form = request.args.get("format", "text")
        if form not in {"text", "json"}:
            raise InvalidField("format", form, "text or json")
        after = _number("after")
        output = await jobs.output(job_id)
        if output is None and after is None:
            raise NoOutput(job_id)
        # A client that follows a job asks before there is any, too.
        output = output or Output(0, "")
        if after is not None:
            output = output.after(after)
        if form == "json":
            fields = {"success": True, "job_id": job_id, "at": output.at, "end": output.end, "text": output.text}
            return json_answer(fields)
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return Response(as_drawn(output.text), headers=headers, content_type="text/plain; charset=utf-8")


def _number(name: str) -> int | None:
    """Return a number of characters from a query parameter, or None if it is missing."""
    text = request.args.get(name)
    return None if text is None else parse_number(name, text, 0, 0, MAX_AT)
