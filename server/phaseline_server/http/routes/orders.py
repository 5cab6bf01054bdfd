"""`/progress/job/<id>/orders`: orders of users to a job's worker."""

import secrets
from typing import Final

import msgspec
from quart import Response

from phaseline.model.event_fields import OrderKind, Text
from phaseline.model.events import OrderGiven
from phaseline.wire import decode_object, ignored_fields
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.report_notes import notes_of
from phaseline_server.http.routes.common import json_answer, read_body
from phaseline_server.http.services import Services

__all__ = ["GivenOrder", "add_handlers"]

_ID_BYTES: Final = 8


class GivenOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `/progress/job/<id>/orders`: an order to the job's worker, and its reason."""

    order: OrderKind
    reason: Text = ""


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handler of `/progress/job/<id>/orders`."""
    jobs, settings = services.tracker, services.settings

    @handlers
    async def order_job(job_id: str) -> Response:
        document = await read_body()
        body = decode_object(document, GivenOrder, settings.max_body, settings.max_depth)
        event = OrderGiven(job_id=job_id, order_id=secrets.token_hex(_ID_BYTES), order=body.order, reason=body.reason)
        position = await jobs.order(event)
        answer = {"success": True, "job_id": job_id, "order_id": event.order_id}
        answer |= {"seq": position.seq, "epoch": position.epoch}
        return json_answer(answer | notes_of(ignored_fields(document, GivenOrder), None))
