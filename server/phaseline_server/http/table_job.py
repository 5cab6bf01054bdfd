"""The routes about one job, a part of the table of routes."""

from typing import Annotated, Final, Literal

from msgspec import Meta

from phaseline_server.access.rules import Need, Rule
from phaseline_server.http import answers
from phaseline_server.http.route import JSON, REPORTED, Route, json_of
from phaseline_server.http.routes.estimates import EstimateList
from phaseline_server.http.routes.link import MAX_DAYS, LinkCreated, LinkList, LinksRevoked
from phaseline_server.http.routes.orders import GivenOrder
from phaseline_server.http.routes.output import MAX_AT

__all__ = ["JOB"]

_LINK: Final = "/progress/job/{job_id}/link"
_READ: Final = Rule(Need.READ, linked=True)
_REPORT: Final = Rule(Need.REPORT)

JOB: Final = (
    Route("job", "GET", "/progress/job/{job_id}", _READ, "Get a job.", json_of(answers.JobAnswer), errors=(404, 503)),
    Route(
        "estimates_of_job",
        "GET",
        "/progress/job/{job_id}/estimates",
        _READ,
        "Get the history of a job's estimate.",
        json_of(EstimateList),
        errors=(404, 503),
        served="leader",
    ),
    Route(
        "order_job",
        "POST",
        "/progress/job/{job_id}/orders",
        _REPORT,
        "Order a job's worker to cancel, pause or resume the job; a `report` token needs a job prefix.",
        json_of(answers.Ordered),
        GivenOrder,
        errors=REPORTED,
    ),
    Route(
        "job_output",
        "GET",
        "/progress/job/{job_id}/output",
        _READ,
        "Get the end of a job's output.",
        {200: {"text/plain": None, JSON: answers.JobOutput}},
        query={"after": Annotated[int, Meta(ge=0, le=MAX_AT)], "format": Literal["text", "json"]},
        errors=(404, 422, 503),
        served="leader",
    ),
    Route(
        "add_output",
        "POST",
        "/progress/job/{job_id}/output",
        _REPORT,
        "Append to a job's output. With `at`, repeating a request has no effect.",
        json_of(answers.OutputTaken),
        {"type": "string"},
        query={"at": Annotated[int, Meta(ge=0, le=MAX_AT)]},
        errors=(404, 413, 415, 422, 503),
        body_kind="text/plain",
    ),
    Route(
        "create_link",
        "POST",
        _LINK,
        _REPORT,
        "Create a link that shows only this job, without a token [7 days]; a `report` token needs a job prefix.",
        json_of(LinkCreated),
        query={"days": Annotated[int, Meta(ge=1, le=MAX_DAYS, description="Lifetime in days. [7]")]},
        errors=(404, 409, 422, 429, 503, 507),
        served="here",
    ),
    Route(
        "links_of_job",
        "GET",
        _LINK,
        _REPORT,
        "List the links to a job.",
        json_of(LinkList),
        errors=(404, 409, 429),
    ),
    Route(
        "revoke_links",
        "DELETE",
        _LINK,
        _REPORT,
        "Revoke a link to a job, or all of them.",
        json_of(LinksRevoked),
        query={"id": Annotated[str, Meta(max_length=100, description="The `id` of one link.")]},
        errors=(404, 409, 429, 503, 507),
        served="here",
    ),
)
