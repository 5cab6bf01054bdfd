"""The REST part of the photo protocol, `/progress/…`: reports, jobs and past events."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import msgspec
from quart import Response, request

from phaseline.errors import PhaselineError
from phaseline.model.event_fields import Seconds
from phaseline.model.events import (
    Age,
    Count,
    ErrorOccurred,
    Event,
    JobCompleted,
    JobDismissed,
    JobFailed,
    JobId,
    JobProgress,
    JobQueued,
    JobStarted,
    Label,
    PhaseCompleted,
    PhotoId,
    PhotoInfo,
    Report,
)
from phaseline.stream import Position
from phaseline.wire import OrderStatus, decode_object, ignored_fields, ignored_in_array, job_status
from phaseline_server.access.views import JobsView
from phaseline_server.http.answer_budget import PAGE_BYTES
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.large_answers import hold_for_answer, json_page, line_page
from phaseline_server.http.report_notes import Notes, notes_of
from phaseline_server.http.routes.common import (
    json_answer,
    parse_channels,
    parse_number,
    parse_position,
    parse_seconds,
    read_body,
)
from phaseline_server.http.routes.waiting import LONGEST_WAIT_S, read_missed
from phaseline_server.http.services import Services
from phaseline_server.jobs.receipts import Outcome

__all__ = ["MAX_EVENTS", "Complete", "add_handlers"]

_DEFAULT_EVENTS: Final = 1000
MAX_EVENTS: Final = 10_000
_LINES: Final = "application/x-ndjson"


class Complete(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `/progress/complete`. With `success: false` the job failed."""

    job_id: JobId
    success: bool = True
    result: dict[str, Any] = {}
    duration: Seconds | None = None
    producer: Label | None = None
    producer_seq: Count | None = None
    age_seconds: Age = 0.0
    photo_id: PhotoId = None

    def event(self) -> Event:
        """Return the event that the body describes."""
        return (JobCompleted if self.success else JobFailed)(
            job_id=self.job_id,
            success=self.success,
            result=self.result,
            duration=self.duration,
            producer=self.producer,
            producer_seq=self.producer_seq,
            age_seconds=self.age_seconds,
            photo_id=self.photo_id,
        )


# The event type of each route's body, by route name.
_REPORTS: Final[dict[str, type[Event]]] = {
    "queue_job": JobQueued,
    "start_job": JobStarted,
    "report_progress": JobProgress,
    "end_phase": PhaseCompleted,
    "report_photo": PhotoInfo,
    "report_error": ErrorOccurred,
}


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handlers of `/progress/…`."""
    _add_reports(handlers, services)
    _add_jobs(handlers, services)
    _add_events(handlers, services)


def _add_reports(handlers: Handlers, services: Services) -> None:
    tracker, settings = services.tracker, services.settings

    async def take(event: Event, document: bytes, kind: object) -> Response:
        position = await tracker.report(event)
        notes = notes_of(ignored_fields(document, kind), services.fractions.hint(event))
        if pending := tracker.pending_orders(event.job_id):
            notes["orders"] = pending
        return _taken(event, position, notes)

    async def report(kind: type[Event]) -> Response:
        document = await read_body()
        return await take(decode_object(document, kind, settings.max_body, settings.max_depth), document, kind)

    for name, kind in _REPORTS.items():
        handlers.add(name, partial(report, kind))

    @handlers
    async def end_job() -> Response:
        document = await read_body()
        body = decode_object(document, Complete, settings.max_body, settings.max_depth)
        return await take(body.event(), document, Complete)

    @handlers
    async def dismiss_job() -> Response:
        document = await read_body()
        event = decode_object(document, JobDismissed, settings.max_body, settings.max_depth)
        return _taken(event, await tracker.dismiss(event), notes_of(ignored_fields(document, JobDismissed), None))

    @handlers
    async def report_batch() -> Response:
        document = await read_body()
        events = decode_object(document, list[Report], settings.max_body, settings.max_depth)
        taken = await tracker.take_all(events)
        try:
            await taken.wait()
        except PhaselineError:
            if not taken.kept_in_part:
                raise
            taken = taken.settled()
        results = _results(taken.outcomes, ignored_in_array(document), services.fractions.hints(events))
        _add_orders(results, events, tracker)
        good = sum(isinstance(outcome, int) for outcome in taken.outcomes)
        answer = {"success": good == len(results), "accepted": good, "refused": len(results) - good, "results": results}
        return json_answer(answer | {"epoch": tracker.log.top.epoch})


def _taken(event: Event, position: Position, notes: Notes) -> Response:
    answer = {"success": True, "job_id": event.job_id, "seq": position.seq, "epoch": position.epoch}
    return json_answer(answer | notes)


class _Kept(msgspec.Struct):
    seq: int
    success: bool = True
    ignored: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    hint: str | msgspec.UnsetType = msgspec.UNSET
    orders: list[OrderStatus] | msgspec.UnsetType = msgspec.UNSET


class _Refused(msgspec.Struct, frozen=True):
    error: str
    code: str
    success: bool = False


def _results(
    outcomes: Sequence[Outcome], ignored: Sequence[tuple[str, ...]], hints: dict[int, str]
) -> list[_Kept | _Refused]:
    results = [
        _Kept(outcome) if isinstance(outcome, int) else _Refused(str(outcome), outcome.code) for outcome in outcomes
    ]
    for index, names in enumerate(ignored):
        if names:
            _note(results[index], "ignored", names)
    for index, hint in hints.items():
        _note(results[index], "hint", hint)
    return results


def _add_orders(results: Sequence[_Kept | _Refused], events: Sequence[Event], tracker: JobsView) -> None:
    """Add the pending orders of each job to the result of its last accepted report."""
    last = {event.job_id: result for event, result in zip(events, results, strict=True) if isinstance(result, _Kept)}
    for job_id, result in last.items():
        if pending := tracker.pending_orders(job_id):
            result.orders = pending


def _note(result: _Kept | _Refused, name: str, note: object) -> None:
    if isinstance(result, _Kept):
        setattr(result, name, note)


def _add_jobs(handlers: Handlers, services: Services) -> None:
    tracker = services.tracker

    @handlers
    async def job(job_id: str) -> Response:
        return json_answer({"success": True, "job_status": job_status(await tracker.find(job_id))})

    @handlers
    async def active_jobs() -> Response:
        jobs = [job for job in tracker.jobs() if job.state.at_work]
        documents = await tracker.statuses(jobs)
        by_id = {job.job_id: msgspec.Raw(document) for job, document in zip(jobs, documents, strict=True)}
        return json_answer({"success": True, "active_jobs": by_id, "count": len(jobs)})


def _add_events(handlers: Handlers, services: Services) -> None:
    tracker = services.tracker

    @handlers
    async def past_events() -> Response:
        query = request.args
        position = parse_position("since", query.get("since")) or tracker.log.oldest
        channels = parse_channels(query.get("channels"))
        limit = parse_number("limit", query.get("limit"), _DEFAULT_EVENTS, 1, MAX_EVENTS)
        wait_s = parse_seconds("wait", query.get("wait"), LONGEST_WAIT_S)
        hold = await hold_for_answer(services.answers, PAGE_BYTES)
        missed = await read_missed(
            tracker.log,
            position,
            channels,
            most=limit,
            wait_s=wait_s,
            closing=services.closing,
            budget=services.answers,
            hold=hold,
        )
        state = None if missed.recovered else await tracker.state()
        at = missed.position if state is None else state.position
        documents = [message.payload for message in missed.messages]
        if request.accept_mimetypes.best_match(("application/json", _LINES)) == _LINES:
            headers = {"Phaseline-Position": f"{at.epoch}/{at.seq}"}
            return line_page(documents if state is None else [state.frame(recovered=False)], hold, _LINES, headers)
        answer: dict[str, object] = {
            "success": True,
            "recovered": missed.recovered,
            "position": at,
            "count": len(documents),
        }
        if state is not None:
            return json_page(answer | {"messages": [], "today": state.today}, "jobs", state.statuses, hold)
        return json_page(answer, "messages", documents, hold)
