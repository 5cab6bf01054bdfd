"""`/progress/…`: seed B's REST addresses, by which any worker reports and anybody asks."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from quart import Blueprint, Response, request

from phaseline.errors import InvalidField, PhaselineError
from phaseline.events import (
    ErrorOccurred,
    Event,
    JobCompleted,
    JobFailed,
    JobId,
    JobProgress,
    JobStarted,
    PhaseCompleted,
    PhotoInfo,
    Report,
    Seconds,
)
from phaseline.snapshot import Snapshot, State
from phaseline.wire import decode_object, job_status
from phaseline_server.routes.answer import json_answer, read_body
from phaseline_server.services import Services

__all__ = ["blueprint"]

_MOST: Final = 1000
_DIGITS: Final = 20  # Python refuses to read numbers of thousands
_STATES: Final = {
    "active": {State.ACTIVE, State.STALLED},
    "done": {State.COMPLETED},
    "failed": {State.FAILED, State.CANCELLED, State.LOST},
    "stalled": {State.STALLED},
    "all": set(State),
}


class _Complete(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `/progress/complete`: with `success: false` the job has failed."""

    job_id: JobId
    success: bool = True
    result: dict[str, Any] = {}
    duration: Seconds | None = None
    producer: Annotated[str, Meta(max_length=100)] | None = None
    producer_seq: Annotated[int, Meta(ge=0)] | None = None

    def event(self) -> Event:
        """Return what the body states."""
        return (JobCompleted if self.success else JobFailed)(
            job_id=self.job_id,
            success=self.success,
            result=self.result,
            duration=self.duration,
            producer=self.producer,
            producer_seq=self.producer_seq,
        )


# Path, and what its body states.
_REPORTS: Final[dict[str, type[Event]]] = {
    "start": JobStarted,
    "report": JobProgress,
    "stage": PhaseCompleted,
    "photo": PhotoInfo,
    "error": ErrorOccurred,
}


def blueprint(services: Services) -> Blueprint:
    """Return the routes of this family."""
    routes = Blueprint("progress", __name__, url_prefix="/progress")
    _add_reports(routes, services)
    _add_questions(routes, services)
    return routes


def _add_reports(routes: Blueprint, services: Services) -> None:
    tracker, settings = services.tracker, services.settings

    async def take(event: Event) -> Response:
        position = await tracker.report(event)
        return json_answer({"success": True, "job_id": event.job_id, "seq": position.seq, "epoch": position.epoch})

    @routes.post("/<any(start, report, stage, photo, error):kind>")
    async def report(kind: str) -> Response:
        return await take(decode_object(await read_body(), _REPORTS[kind], settings.max_body, settings.max_depth))

    @routes.post("/complete")
    async def complete() -> Response:
        return await take(decode_object(await read_body(), _Complete, settings.max_body, settings.max_depth).event())

    @routes.post("/batch")
    async def batch() -> Response:
        events = decode_object(await read_body(), list[Report], settings.max_body, settings.max_depth)
        results: list[dict[str, object]] = []
        for event in events:
            try:
                position = await tracker.report(event)
                results.append({"success": True, "seq": position.seq})
            except PhaselineError as error:
                results.append({"success": False, "error": str(error), "code": error.code})
        good = sum(result["success"] is True for result in results)
        answer = {"success": good == len(results), "accepted": good, "refused": len(results) - good, "results": results}
        return json_answer(answer | {"epoch": tracker.log.top.epoch})


def _add_questions(routes: Blueprint, services: Services) -> None:
    tracker = services.tracker

    @routes.get("/job/<anything:job_id>")
    async def job(job_id: str) -> Response:
        return json_answer({"success": True, "job_status": job_status(tracker.snapshot(job_id))})

    @routes.get("/active")
    async def active() -> Response:
        jobs = {s.job_id: job_status(s) for s in tracker.snapshots() if s.state in _STATES["active"]}
        return json_answer({"success": True, "active_jobs": jobs, "count": len(jobs)})

    @routes.get("/jobs")
    async def jobs() -> Response:
        wanted = request.args.get("state", "all")
        if wanted not in _STATES:
            raise InvalidField("state", wanted, ", ".join(_STATES))
        limit = _number("limit", 100, 1, _MOST)
        after = _number("cursor", 0, 0, 2**63)
        # Jobs are listed in the order of their latest event; the cursor is that event's number.
        found = sorted((s for s in tracker.snapshots() if s.state in _STATES[wanted] and s.seq > after), key=_seq)
        page = found[:limit]
        more = str(page[-1].seq) if len(found) > limit else None
        return json_answer({"success": True, "jobs": [job_status(s) for s in page], "count": len(page), "cursor": more})


def _seq(snapshot: Snapshot) -> int:
    return snapshot.seq


def _number(name: str, default: int, least: int, most: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS and least <= int(text) <= most):
        raise InvalidField(name, text, f"a whole number from {least} to {most}")
    return int(text)
