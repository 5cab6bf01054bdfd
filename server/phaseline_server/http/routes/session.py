"""One client of `/ws`: its messages and the answers, independent of the WebSocket implementation."""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from itertools import groupby
from typing import Any, Final, NoReturn

import msgspec
import trio

from phaseline.errors import InvalidJSON, PhaselineError
from phaseline.model.events import BaseEvent, Event
from phaseline.protocol import GOING_AWAY, HOST_STATUS, PROTOCOL, RATE_LIMITED, UNAUTHORIZED
from phaseline.wire import (
    Auth,
    ClientMessage,
    Follow,
    HostStatus,
    Ping,
    Register,
    Subscribe,
    Unsubscribe,
    decode_arrays,
    decode_client,
    decode_frames,
    timestamp,
)
from phaseline_server.access.keeper import CURRENT
from phaseline_server.errors import JournalFailed, LogUnavailable, RateLimited, Unauthorized
from phaseline_server.fanout.direct import DirectSubscriber
from phaseline_server.http.report_notes import notes_of_each
from phaseline_server.http.routes.acks import Acks, number_of, refusal
from phaseline_server.http.routes.log_sending import LogSending
from phaseline_server.http.routes.subscription import Subscription
from phaseline_server.http.services import Services
from phaseline_server.jobs.receipts import NOT_STORED
from phaseline_server.jobs.tracker import now

__all__ = ["Ended", "Session"]

_encoder: Final = msgspec.json.Encoder()
_array: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Ended(Exception):
    """The WebSocket must be closed with this code and reason, after all queued messages."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class _Form(Enum):
    """The form of a frame, by its beginning."""

    OBJECT = auto()
    ARRAY = auto()
    BINARY = auto()


def _form(frame: str | bytes) -> _Form:
    if not isinstance(frame, str):
        return _Form.BINARY
    return _Form.ARRAY if frame.startswith("[") else _Form.OBJECT


class Session:
    """One client. Replies and messages go through its subscriber, so they are sent in order.

    Attributes:
        client: The client as the list of clients shows it.
    """

    def __init__(self, services: Services, subscriber: DirectSubscriber, spawn: Callable[[Any], None]) -> None:
        """Serve the client of `subscriber`; `spawn` starts tasks that run until it disconnects."""
        self._services = services
        self._tracker = services.tracker
        self._subscriber = subscriber
        self._acks = Acks(self._send, lambda: spawn(self._acks.run))
        self._asked_for_acks = False
        self._access = CURRENT.get()
        self.client = services.clients.add(services.tracker.log.top)
        self._worker = services.tracker.workers.connect(self.client.client_id, self._order)
        self._subscription = Subscription(services, self.client, subscriber, spawn, self._reply)
        self._log_sending = LogSending(services.tracker, subscriber, spawn, self._send)

    def welcome(self) -> None:
        """Send the greeting: the client's id, and the server's time, epoch, protocol and features."""
        self._reply(
            "connection_established",
            client_id=self.client.client_id,
            server_time=timestamp(now().wall_ns),
            epoch=self._tracker.log.top.epoch,
            protocol=PROTOCOL,
            features=(HOST_STATUS,),
        )

    def leave(self, *, lost: bool) -> None:
        """Record that the client has disconnected, with or without a close frame."""
        self._services.clients.remove(self.client)
        self._worker.close(lost=lost)

    async def wait_granted(self) -> None:
        """Wait until the client has sent a valid token, or return at once if none is needed.

        Raises:
            Ended: No token arrived in time.
        """
        patience_s = self._services.settings.auth_timeout
        with trio.move_on_after(patience_s):
            await self._access.granted.wait()
        if not self._access.granted.is_set():
            self._services.refused[Unauthorized.code] += 1
            raise Ended(UNAUTHORIZED, f"no token was sent within {patience_s:g} s")

    @property
    def granted(self) -> bool:
        """Whether the client has sent a valid token, or none is needed."""
        return self._access.granted.is_set()

    async def wait_settled(self) -> None:
        """Wait until every accepted report is answered."""
        await self._acks.wait_settled()

    async def take(self, frames: Sequence[str | bytes]) -> None:
        """Handle frames of the client: messages and arrays of messages. Each message is answered separately.

        Args:
            frames: Those that have come together.

        Raises:
            Ended: The client must be disconnected; later frames must not be handled.
        """
        await self._acks.wait_room()
        for form, alike in groupby(frames, _form):
            if form is _Form.ARRAY:
                await self._take_arrays([frame for frame in alike if isinstance(frame, str)])
            elif form is _Form.OBJECT:
                await self._take_each(list(alike))
            else:
                for frame in alike:
                    text = f"the frame is binary, of {len(frame)} bytes; allowed: text frames with a JSON object"
                    self._refuse(InvalidJSON(text))

    async def _take_arrays(self, frames: Sequence[str]) -> None:
        """Handle arrays of messages; reports are recorded together, also those of several frames."""
        settings = self._services.settings
        messages = decode_arrays(frames, settings.max_message, settings.max_depth)
        events = [message for message in messages or () if isinstance(message, BaseEvent)]
        if messages is not None and len(events) == len(messages):
            await self._report(events, sum(map(len, frames)), frames)
            return
        if len(frames) > 1:
            for frame in frames:
                await self._take_arrays([frame])
            return
        try:
            documents = _array.decode(frames[0])
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            await self._take_each(frames)
        else:
            await self._take_each([bytes(document) for document in documents])

    async def _take_each(self, documents: Sequence[str | bytes]) -> None:
        """Handle one message per document; consecutive reports are recorded together."""
        settings, reports, size = self._services.settings, list[Event](), 0
        given: list[str | bytes] = []
        texts = [document for document in documents if isinstance(document, str)]
        if len(texts) == len(documents) > 1:
            messages = decode_frames(texts, settings.max_message, settings.max_depth) or ()
            events = [message for message in messages if isinstance(message, BaseEvent)]
            if len(events) == len(documents):
                await self._report(events, sum(map(len, texts)), documents)
                return
        for document in documents:
            message: ClientMessage | PhaselineError
            try:
                message = decode_client(document, settings.max_message, settings.max_depth)
            except PhaselineError as error:
                message = error
            if isinstance(message, BaseEvent):
                reports.append(message)
                size += len(document)
                given.append(document)
                continue
            if reports:
                await self._report(reports, size, given)
                reports, size, given = [], 0, []
            if isinstance(message, PhaselineError):
                self._refuse(message, document)
            else:
                await self._serve(message, document)
        if reports:
            await self._report(reports, size, given)

    def _refuse(self, error: PhaselineError, document: str | bytes = b"") -> None:
        self._services.refused[error.code] += 1
        self._acks.answer(refusal(error, number_of(document)))

    async def _report(self, events: Sequence[Event], size: int, documents: Sequence[str | bytes]) -> None:
        """Record reports that arrived together, in `size` bytes: one a document, or in arrays."""
        numbered = any(event.producer_seq is not None for event in events)
        try:
            self._use_token()
            failed = self._failed if numbered else lambda: None
            taken = await self._tracker.take_all(events, self._worker.worker_of, failed)
        except Unauthorized as error:
            self._services.refused[error.code] += 1
            await self._end(UNAUTHORIZED, error)
        early = None
        if refused := [outcome for outcome in taken.outcomes if not isinstance(outcome, int)]:
            self._services.refused.update(error.code for error in refused)
            early = next((error for error in refused if isinstance(error, RateLimited)), None)
            if early is not None:
                taken = taken.among(taken.outcomes[: taken.outcomes.index(early)])
        events = events[: len(taken.outcomes)]
        notes = notes_of_each(events, documents, self._services.fractions) if self._asked_for_acks else ()
        self._acks.expect(events, taken, size, asked=self._asked_for_acks, notes=notes)
        if early is not None:
            await self._end(RATE_LIMITED, early)
        if numbered and (away := next((error for error in refused if isinstance(error, NOT_STORED)), None)) is not None:
            await self._end(GOING_AWAY, away)

    def _failed(self) -> PhaselineError | None:
        """Return why an earlier numbered report could not be stored, if so."""
        return self._acks.failed

    def _use_token(self) -> None:
        """Scope the worker's name to the token that was sent last."""
        self._worker.use_token(self._access.known.token)

    async def _end(self, code: int, error: PhaselineError) -> NoReturn:
        """Disconnect the client, so that it sends the rejected message again before any later ones."""
        await self._acks.wait_settled()
        raise Ended(code, str(error)[:120])

    async def _serve(self, message: ClientMessage, document: str | bytes) -> None:
        try:
            await self._answer(message)
        except PhaselineError as error:
            if isinstance(error, Unauthorized):
                self._services.refused[error.code] += 1
                await self._end(UNAUTHORIZED, error)
            self._refuse(error, document)

    async def _answer(self, message: ClientMessage) -> None:
        match message:
            case Register():
                self._asked_for_acks = message.acks
                self.client.client_type = message.client_type
                if self.granted:
                    self._use_token()
                    self._worker.register(message.producer)
                self._reply("registration_confirmed", client_id=self.client.client_id, client_type=message.client_type)
            case Subscribe():
                # The messages that it missed must not wait behind acks, as live messages follow at once.
                await self._acks.wait_settled()
                await self._subscriber.wait_free()
                try:
                    await self._subscription.subscribe(message)
                except (JournalFailed, LogUnavailable) as error:
                    # The client was promised all missed messages, so it must subscribe again.
                    await self._end(GOING_AWAY, error)
            case Unsubscribe():
                self._subscription.unsubscribe(message)
            case Ping():
                self._reply("pong", server_time=timestamp(now().wall_ns))
            case HostStatus():
                self._tracker.report_host(message)
            case Follow():
                self._log_sending.begin(message)
            case Auth():
                await self._access.authenticate(message.token)
                self._reply("auth_confirmed")

    def _reply(self, kind: str, **fields: object) -> None:
        self._acks.answer(_encoder.encode({"type": kind, **fields}))

    def _order(self, texts: Sequence[bytes]) -> None:
        self._send(list(texts))

    def _send(self, texts: list[bytes]) -> None:
        self._subscriber.put_texts(texts)
