"""`/progress/servers`: the servers that share the log."""

from typing import Literal

import msgspec
from quart import Response

from phaseline import __version__
from phaseline.wire import timestamp
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.routes.common import json_answer
from phaseline_server.http.services import Services
from phaseline_server.jobs.tracker import now
from phaseline_server.log.protocol import Member

__all__ = ["ServerList", "add_handlers"]


class ServerItem(msgspec.Struct, kw_only=True):
    """A server. `lagSeconds` is null while it is unknown.

    A server that has not registered for more than 3 s is `away`. Ten minutes later it is not listed any more.
    """

    address: str
    role: Literal["single", "leader", "follower", "mirror", "away"]
    term: int
    lagSeconds: float | None  # noqa: N815 (as in `/health`)
    version: str
    seen: str
    silentSeconds: float  # noqa: N815
    answers: bool


class ServerList(msgspec.Struct, kw_only=True):
    """The servers that share the log, by address; one if the log is not shared, as that of a mirror.

    `leader` is the address of the leader, or of a mirror's source; "" while there is none. Servers with the same
    `epoch` share a log. `answers` marks the server that sent this list.
    """

    success: Literal[True]
    leader: str
    epoch: str
    servers: list[ServerItem]
    count: int


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handler of `/progress/servers`."""
    log = services.tracker.log

    @handlers
    async def servers() -> Response:
        wall_ns = now().wall_ns
        items = [_item(member, wall_ns) for member in _members(services)]
        answer = {"leader": log.standing.leader, "epoch": log.top.epoch, "servers": items, "count": len(items)}
        return json_answer({"success": True} | answer)


def _members(services: Services) -> list[Member]:
    """Return the servers; the one that answers as it is now."""
    standing = services.tracker.log.standing
    registered = next((member.address for member in standing.members if member.answers), services.address)
    own = Member(registered, standing.role, standing.term, standing.lag_s, __version__, answers=True)
    others = [member for member in standing.members if not member.answers]
    return sorted([own, *others], key=lambda member: member.address)


def _item(member: Member, wall_ns: int) -> ServerItem:
    return ServerItem(
        address=member.address,
        role=member.role,
        term=member.term,
        lagSeconds=member.lag_s,
        version=member.version,
        seen=timestamp(wall_ns - round(member.silent_s * 1e9)),
        silentSeconds=round(member.silent_s, 3),
        answers=member.answers,
    )
