"""`/ws/…`: the stream for clients without WebSockets: handshake, poll, send, disconnect; and the list of clients.

A polling client has a position in the stream instead of a queue, so nothing overflows. With `ack`, a lost answer loses
no messages.
"""

import re
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Annotated, Any, Final, TypeVar, get_args

import msgspec
import trio
from msgspec import Meta
from quart import Response, request

from phaseline.errors import InvalidField, PhaselineError
from phaseline.model.events import BaseEvent, Report, one_line
from phaseline.protocol import PROTOCOL
from phaseline.stream import HOSTS, JOBS, PHOTOS, SYSTEM, Position
from phaseline.wire import (
    Auth,
    ClientMessage,
    Follow,
    HostStatus,
    Ping,
    Register,
    Subscribe,
    Unsubscribe,
    decode_client,
    decode_object,
    ignored_fields,
    timestamp,
)
from phaseline_server.access.keeper import CURRENT
from phaseline_server.http.answer_budget import PAGE_BYTES
from phaseline_server.http.clients import MAX_CHANNELS, Client
from phaseline_server.http.handlers import Handlers
from phaseline_server.http.large_answers import hold_for_answer, json_page
from phaseline_server.http.report_notes import notes_of
from phaseline_server.http.routes.common import json_answer, parse_number, parse_position, parse_seconds, read_body
from phaseline_server.http.routes.waiting import LONGEST_WAIT_S, read_missed
from phaseline_server.http.services import Services
from phaseline_server.jobs.tracker import now

__all__ = ["Broadcast", "Disconnect", "Handshake", "Send", "add_handlers"]

T = TypeVar("T")

_MOST_MESSAGES: Final = 1000
_MOST_LISTED: Final = 1000
"""Maximum number of channels in a list of them; clients choose their names, and may have hundreds of thousands."""
_COMMON: Final = (JOBS, PHOTOS, SYSTEM, HOSTS)
_TYPE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_REPORTS: Final = frozenset(kind.__struct_config__.tag for kind in get_args(Report))


Channels = Annotated[
    tuple[Annotated[str, one_line(1, 210)], ...],
    Meta(max_length=MAX_CHANNELS, description=f"a list of at most {MAX_CHANNELS} channels"),
]


class Handshake(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `/ws/handshake`: the type of the client and its channels."""

    client_type: Annotated[str, Meta(max_length=100)] = ""
    protocol_version: str | int | float | None = None
    channels: Channels = (JOBS, PHOTOS, SYSTEM)


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `/ws/send`: a message as a WebSocket client would send it."""

    client_id: str
    message: msgspec.Raw


class Disconnect(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `/ws/disconnect`."""

    client_id: str


class Broadcast(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `/ws/broadcast`: a message for all subscribers of a channel."""

    message: dict[str, Any]
    channel: Annotated[str, Meta(min_length=1, max_length=210)] = SYSTEM


class _Fallback:
    """The implementation of the routes."""

    def __init__(self, services: Services) -> None:
        self._tracker = services.tracker
        self._clients = services.clients
        self._settings = services.settings
        self._closing = services.closing
        self._services = services

    async def handshake(self, body: Handshake) -> dict[str, object]:
        client = self._clients.open_session(self._tracker.log.top, CURRENT.get().known, body.client_type)
        try:
            self._clients.subscribe(client, frozenset(body.channels))
        except PhaselineError:
            self._clients.remove(client)
            raise
        return {
            "success": True,
            "client_id": client.client_id,
            "protocol_version": body.protocol_version,
            "protocol": PROTOCOL,
            "server_time": timestamp(now().wall_ns),
            "epoch": client.position.epoch,
            "position": client.position,
            "channels": sorted(client.channels),
        }

    async def poll(self, client_id: str, ack: Position | None, wait_s: float) -> Response:
        """Return the messages after the client's position; if there are none, wait up to `wait_s` seconds."""
        client, log = self._client(client_id), self._tracker.log
        if ack is not None:
            client.position = ack
        answers = self._services.answers
        hold = await hold_for_answer(answers, PAGE_BYTES)
        missed = await read_missed(
            log,
            client.position,
            client.channels,
            most=_MOST_MESSAGES,
            wait_s=wait_s,
            closing=self._closing,
            budget=answers,
            hold=hold,
        )
        self._clients.see(client)
        if ack is None:
            client.position = missed.position
        answer: dict[str, object] = {
            "success": True,
            "epoch": missed.position.epoch,
            "recovered": missed.recovered,
            "count": len(missed.messages),
            "ack": missed.position.seq,
        }
        if not missed.recovered:
            state = await self._tracker.state()
            answer |= {"ack": state.position.seq, "messages": [], "today": state.today}
            if ack is None:
                client.position = state.position
            return json_page(answer, "jobs", state.statuses, hold)
        return json_page(answer, "messages", [message.payload for message in missed.messages], hold)

    async def send(self, body: Send) -> dict[str, object]:
        """Handle a message as from a WebSocket client."""
        client = self._client(body.client_id)
        frame = bytes(body.message)
        message = decode_client(frame, self._settings.max_message, self._settings.max_depth)
        response = await self._take(client, message)
        if isinstance(message, BaseEvent):
            response |= notes_of(ignored_fields(frame), self._services.fractions.hint(message))
        # The fields of the response also stand beside it, where earlier versions had them.
        return {"success": True, "response": response, "timestamp": timestamp(now().wall_ns), **response}

    async def disconnect(self, body: Disconnect) -> dict[str, object]:
        """Close a polling session."""
        self._clients.remove(self._client(body.client_id))
        return {"success": True}

    def _client(self, client_id: str) -> Client:
        return self._clients.polling(client_id, CURRENT.get().known)

    async def _take(self, client: Client, message: ClientMessage) -> dict[str, object]:
        match message:
            case Register():
                client.client_type = message.client_type or client.client_type
                return {"type": "registration_confirmed", "client_id": client.client_id}
            case Subscribe():
                self._clients.subscribe(client, client.channels | frozenset(message.channels))
                client.position = message.since or client.position
                return {
                    "type": "subscription_confirmed",
                    "channels": sorted(client.channels),
                    "position": client.position,
                }
            case Unsubscribe():
                self._clients.subscribe(client, client.channels - frozenset(message.channels))
                return {"type": "unsubscription_confirmed", "channels": sorted(client.channels)}
            case Ping() | Auth():
                return {"type": "pong", "server_time": timestamp(now().wall_ns)}
            case Follow():
                raise InvalidField("type", "follow", "a mirror receives the log over a WebSocket only")
            case HostStatus():
                self._tracker.report_host(message)
                return {"type": "host_status_confirmed", "host": message.host}
            case BaseEvent():
                position = await self._tracker.report(message)
                answer = {"type": "ack", "seq": position.seq, "producer_seq": message.producer_seq}
                pending = self._tracker.pending_orders(message.job_id)
                return {**answer, "orders": pending} if pending else answer

    async def broadcast(self, body: Broadcast) -> dict[str, object]:
        """Publish a client's message to a channel; a message that is a report is handled as a report."""
        kind = body.message.get("type")
        if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
            raise InvalidField("message.type", kind, "1 to 64 of A-Z a-z 0-9 _ -")
        wall_ns = now().wall_ns
        if kind in _REPORTS:
            document = msgspec.json.encode(body.message)
            message = decode_client(document, self._settings.max_message, self._settings.max_depth)
            if isinstance(message, BaseEvent):
                return {"success": True, "seq": (await self._tracker.report(message)).seq}

        def encode(position: Position) -> bytes:
            message = {"timestamp": timestamp(wall_ns), **body.message, "seq": position.seq, "epoch": position.epoch}
            return msgspec.json.encode(message)

        position = await self._tracker.announce(kind, body.channel, encode)
        return {"success": True, "seq": position.seq, "channel": body.channel}

    def clients(self) -> dict[str, object]:
        present, room, clients = trio.current_time(), _MOST_LISTED, []
        for client in self._clients.all():
            listed = sorted(islice(client.channels, room))
            room -= len(listed)
            shown = {
                "client_id": client.client_id,
                "client_type": client.client_type,
                "transport": client.transport,
                "channels": listed,
                "channel_count": len(client.channels),
                "connected_seconds": round(present - client.since, 3),
                "idle_seconds": round(present - client.seen, 3) if client.transport == "polling" else 0.0,
            }
            clients.append(shown)
        return {"success": True, "clients": clients, "count": len(clients)}

    def status(self) -> dict[str, object]:
        subscribers, fan_out = self._clients.subscribers, self._tracker.log.statistics()
        common = {channel: subscribers[channel] for channel in _COMMON if channel in subscribers}
        channels = dict(islice(subscribers.items(), _MOST_LISTED)) | common
        return {
            "success": True,
            "connected_clients": len(self._clients.all()),
            "channels": dict(sorted(channels.items())),
            "channel_count": len(subscribers),
            "queued_messages": fan_out.queued,
            "messages_sent": fan_out.delivered,
            "slow_subscribers": fan_out.ended_slow,
            "position": self._tracker.log.top,
            "uptime_seconds": round(trio.current_time() - self._services.started, 3),
        }


def add_handlers(handlers: Handlers, services: Services) -> None:
    """Register the handlers of `/ws/…`."""
    fallback, settings = _Fallback(services), services.settings

    def takes(kind: type[T], answer: Callable[[T], Awaitable[dict[str, object]]]) -> Callable[[], Awaitable[Response]]:
        async def route() -> Response:
            body = decode_object(await read_body(), kind, settings.max_body, settings.max_depth)
            return json_answer(await answer(body))

        return route

    handlers.add("handshake", takes(Handshake, fallback.handshake))
    handlers.add("send", takes(Send, fallback.send))
    handlers.add("broadcast", takes(Broadcast, fallback.broadcast))
    handlers.add("disconnect", takes(Disconnect, fallback.disconnect))

    @handlers
    async def poll() -> Response:
        wait_s = parse_seconds("wait", request.args.get("wait"), LONGEST_WAIT_S)
        ack = _ack(services.tracker.log.top.epoch)
        return await fallback.poll(request.args.get("client_id", ""), ack, wait_s)

    @handlers
    async def clients() -> Response:
        return json_answer(fallback.clients())

    @handlers
    async def stream_status() -> Response:
        return json_answer(fallback.status())


def _ack(epoch: str) -> Position | None:
    """Return the acknowledged position: a number in the current epoch, or `<epoch>/<seq>` from an earlier one."""
    text = request.args.get("ack")
    if text is None:
        return None
    return parse_position("ack", text) if "/" in text else Position(epoch, parse_number("ack", text, 0, 0, 2**63 - 1))
