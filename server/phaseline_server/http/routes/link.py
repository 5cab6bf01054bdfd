"""`/progress/job/<id>/link`: links that show one job to readers without a token."""

from typing import Final, Literal
from urllib.parse import quote

import msgspec
from quart import Response, request

from phaseline.wire import timestamp
from phaseline_server.access.grant import OPEN, Grant
from phaseline_server.access.keeper import CURRENT
from phaseline_server.access.links import Link
from phaseline_server.errors import NotNeeded
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.routes.common import json_answer, parse_number
from phaseline_server.http.services import Services

__all__ = ["MAX_DAYS", "LinkCreated", "LinkList", "LinksRevoked", "add_handlers"]

MAX_DAYS: Final = 365
_DAYS: Final = 7
_DAY_S: Final = 24 * 3600


class LinkItem(msgspec.Struct, kw_only=True):
    """A link to a job. `token` is the id of the token that created it."""

    id: str
    token: str
    created: str
    expires: str


class LinkCreated(msgspec.Struct, kw_only=True):
    """The link, whose secret can't be read again.

    `path` is the link below the server's address; `secret` alone is accepted in place of a token.
    """

    success: Literal[True]
    job_id: str
    path: str
    secret: str
    link: LinkItem


class LinkList(msgspec.Struct, kw_only=True):
    """The links to a job, oldest first."""

    success: Literal[True]
    job_id: str
    links: list[LinkItem]


class LinksRevoked(msgspec.Struct, kw_only=True):
    """The links that were revoked."""

    success: Literal[True]
    job_id: str
    revoked: list[LinkItem]


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handlers of `/progress/job/<id>/link`."""
    links = services.keeper.links

    async def check(job_id: str) -> Grant:
        """Return the client's grant, if it allows links to the job, and the job is kept."""
        grant = CURRENT.get().known
        if grant is OPEN:
            raise NotNeeded("links are not needed: the server has no tokens, so every client can read /job/<id>")
        grant.check_link(job_id)
        found = await services.tracker.find_reported(job_id)
        grant.check_link(job_id, found.workflow)
        return grant

    @handlers
    async def create_link(job_id: str) -> Response:
        days = parse_number("days", request.args.get("days"), _DAYS, 1, MAX_DAYS)
        grant = await check(job_id)
        secret, link = await links.create(job_id, grant.token, days * _DAY_S)
        path = f"job/{quote(job_id, safe='')}#link={secret}"
        return json_answer(LinkCreated(success=True, job_id=job_id, path=path, secret=secret, link=_item(link)))

    @handlers
    async def links_of_job(job_id: str) -> Response:
        await check(job_id)
        return json_answer(LinkList(success=True, job_id=job_id, links=[_item(link) for link in links.of(job_id)]))

    @handlers
    async def revoke_links(job_id: str) -> Response:
        await check(job_id)
        revoked = await links.revoke(job_id, request.args.get("id"))
        return json_answer(LinksRevoked(success=True, job_id=job_id, revoked=[_item(link) for link in revoked]))


def _item(link: Link) -> LinkItem:
    created, expires = (timestamp(round(second * 1e9)) for second in (link.created, link.expires))
    return LinkItem(id=link.id, token=link.creator, created=created, expires=expires)
