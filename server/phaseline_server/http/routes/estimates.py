"""`GET /progress/job/<id>/estimates`: how the estimate of a job moved."""

from typing import Literal

import msgspec
from quart import Response

from phaseline_server.http.handlers import Handlers
from phaseline_server.http.routes.common import json_answer
from phaseline_server.http.services import Services

__all__ = ["EstimateList", "add_handlers"]


class EstimatePoint(msgspec.Struct, kw_only=True):
    """An estimate at a time since the start: the remaining time and its band, in seconds."""

    elapsed_seconds: float
    eta_seconds: float | None
    eta_low_seconds: float | None
    eta_high_seconds: float | None


class EstimateList(msgspec.Struct, kw_only=True):
    """At most 64 estimates of a job, evenly spread over its run, oldest first."""

    success: Literal[True]
    job_id: str
    estimates: list[EstimatePoint]


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handler of `GET /progress/job/<id>/estimates`."""

    @handlers
    async def estimates_of_job(job_id: str) -> Response:
        await services.tracker.find(job_id)
        points = [
            EstimatePoint(elapsed_seconds=elapsed, eta_seconds=left, eta_low_seconds=low, eta_high_seconds=high)
            for elapsed, left, low, high in services.courses.of(job_id)
        ]
        return json_answer(EstimateList(success=True, job_id=job_id, estimates=points))
