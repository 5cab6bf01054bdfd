"""The link from a follower to the leader: it forwards requests that only the leader can serve."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Final, NamedTuple

import httpx
import msgspec
import trio
from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.datastructures import Headers

from phaseline.errors import PhaselineError
from phaseline.model.events import Event
from phaseline.wire import HostStatus
from phaseline_server.access.guard import FORWARDED
from phaseline_server.access.keeper import CURRENT
from phaseline_server.access.server_pass import ServerPass
from phaseline_server.errors import LogUnavailable, RateLimited, Unauthorized
from phaseline_server.http.table import ROUTES
from phaseline_server.jobs.receipts import NOT_STORED, Outcome
from phaseline_server.log.protocol import Standing
from phaseline_server.pictures.http_client import CutOff, Unacceptable, read_body

__all__ = ["LeaderLink", "open_leader_link"]

_LEADERS: Final = frozenset(route.name for route in ROUTES if route.is_leaders)
"""The endpoints of the leader."""
_READING: Final = frozenset({"GET", "HEAD"})
_SENT: Final = ("Accept", "Authorization", "Content-Encoding", "Content-Type", "If-None-Match")
_NOT_RETURNED: Final = frozenset({"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"})
_MOST_AT_ONCE: Final = 100
_MOST_BYTES: Final = 64 * 2**20
_BATCH_BYTES: Final = 2**20
_MOST_HOSTS: Final = 1000
_CONNECT_S, _ANSWER_S = 2.0, 30.0
_LOOK_S: Final = 0.25

_encoder: Final = msgspec.json.Encoder()


class _Sender(NamedTuple):
    """A client whose report is forwarded: its token, or the token's id if only that is known; or neither."""

    secret: str
    token_id: str


class _Result(msgspec.Struct):
    seq: int = 0
    error: str = ""
    code: str = ""


class _Answer(msgspec.Struct):
    seq: int = 0
    error: str = ""
    code: str = ""
    results: list[_Result] = []


_answers: Final = msgspec.json.Decoder(_Answer)


@asynccontextmanager
async def open_leader_link(standing: Callable[[], Standing], server_pass: ServerPass) -> AsyncIterator["LeaderLink"]:
    """Yield the link to the leader that `standing` names; `server_pass` is this server's."""
    limits = httpx.Limits(max_connections=_MOST_AT_ONCE, max_keepalive_connections=_MOST_AT_ONCE)
    times = httpx.Timeout(_ANSWER_S, connect=_CONNECT_S)
    trusted = ssl.create_default_context()  # the system's authorities or SSL_CERT_FILE; httpx would use its own list
    async with httpx.AsyncClient(
        limits=limits, timeout=times, trust_env=False, follow_redirects=False, verify=trusted
    ) as client:
        yield LeaderLink(standing, client, server_pass)


class LeaderLink:
    """Sends requests to the leader, with the token of the client that sent them here.

    For a client that sent a ticket, they have this server's pass, and the id of the client's token.
    """

    def __init__(self, standing: Callable[[], Standing], client: httpx.AsyncClient, server_pass: ServerPass) -> None:
        """Use `open_leader_link`."""
        self._pass = server_pass
        self._standing = standing
        self._client = client
        self._pending: set[trio.CancelScope] = set()
        self._hosts: dict[tuple[_Sender, str], HostStatus] = {}
        self._news = trio.Event()

    # ------------------------------------------------------------------ requests

    def attach(self, app: QuartTrio, applied: Callable[[int], Awaitable[None]]) -> None:
        """Forward requests of `app` that only the leader can serve; `applied` waits until a message is visible here."""

        async def forward() -> Response | None:
            if request.endpoint not in _LEADERS or request.method == "OPTIONS":
                return None
            body = await request.get_data(parse_form_data=False)
            headers = {name: request.headers[name] for name in _SENT if name in request.headers}
            if FORWARDED in request.headers:
                raise _no_leader("this server and the one that forwarded the request are both followers")
            query = request.query_string
            target = request.scope["raw_path"] + (b"?" + query if query else b"")
            answer = await self._send(
                request.method, target, body if isinstance(body, bytes) else body.encode(), headers
            )
            if request.method not in _READING:
                await applied(_last_seq(answer))
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _NOT_RETURNED]
            return Response(answer.content, answer.status_code, Headers(kept))

        app.before_request(forward)

    async def _send(self, method: str, target: bytes, body: bytes, headers: dict[str, str]) -> httpx.Response:
        """Return the leader's answer; raises LogUnavailable."""
        leader = self._standing().leader
        if not leader:
            raise _no_leader("no server leads the log at present")
        url = httpx.URL(leader).copy_with(raw_path=target)
        headers = {FORWARDED: "1", **headers, "Accept-Encoding": "identity", "User-Agent": "phaseline"}
        with trio.CancelScope() as scope:
            self._pending.add(scope)
            try:
                async with self._client.stream(method, url, content=body, headers=headers) as response:
                    content = await read_body(response, _MOST_BYTES)
                return httpx.Response(response.status_code, headers=response.headers, content=content)
            except (httpx.TransportError, httpx.InvalidURL, CutOff, Unacceptable) as error:
                raise _no_leader(f"the leader {leader} does not answer") from error
            finally:
                self._pending.discard(scope)
        raise _no_leader("the leader is changing")

    # ------------------------------------------------------------------ reports of a lasting connection

    async def report_all(self, events: Sequence[Event]) -> list[Outcome]:
        """See `Leader.report_all`; after a part that the leader did not store, the rest is rejected, too."""
        outcomes = list[Outcome]()
        for batch in _batches(events):
            error: PhaselineError | None = None
            try:
                answer = await self._post(b"/progress/batch", b"[" + b",".join(batch) + b"]", _sender())
                taken = _decoded(answer)
                if answer.is_success and len(taken.results) == len(batch):
                    outcomes += [result.seq or _error(result.code, result.error) for result in taken.results]
                    if isinstance(last := outcomes[-1], (*NOT_STORED, RateLimited)):
                        error = last  # the leader has rejected all after the first one that it could not store
                else:
                    error = _error(taken.code, taken.error)
            except LogUnavailable as away:
                error = away
            if error is not None:
                outcomes += [error] * (len(events) - len(outcomes))
                break
        return outcomes

    async def _post(self, target: bytes, body: bytes, sender: "_Sender") -> httpx.Response:
        """Return the leader's answer to a report of a client; raises LogUnavailable."""
        headers = {"Content-Type": "application/json"}
        if not sender.token_id:
            headers |= {"Authorization": f"Bearer {sender.secret}"} if sender.secret else {}
            return await self._send("POST", target, body, headers)
        text = await self._pass.show()
        headers |= {FORWARDED: sender.token_id}
        answer = await self._send("POST", target, body, headers | {"Authorization": f"Bearer {text}"})
        if answer.status_code != Unauthorized.status:
            return answer
        self._pass.forget(text)
        text = await self._pass.show()
        return await self._send("POST", target, body, headers | {"Authorization": f"Bearer {text}"})

    def report_host(self, status: HostStatus) -> None:
        """See `Leader.report_host`; the latest load of each machine is sent."""
        key = (_sender(), status.host)
        if key not in self._hosts and len(self._hosts) >= _MOST_HOSTS:
            raise _no_leader("too many loads of machines wait for the leader")
        self._hosts[key] = status
        self._news.set()

    async def run(self) -> None:
        """End the requests to a leader once another one leads, or when this is cancelled."""
        present = self._standing().term
        try:
            while True:
                await trio.sleep(_LOOK_S)
                if self._standing().term != present:
                    present = self._standing().term
                    self._end_pending()
        finally:
            self._end_pending()

    def _end_pending(self) -> None:
        for scope in tuple(self._pending):
            scope.cancel()

    async def send_hosts(self) -> None:
        """Send the loads of machines to the leader, until cancelled; rejected ones are dropped."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            while self._hosts:
                key, status = next(iter(self._hosts.items()))
                del self._hosts[key]
                try:
                    await self._post(b"/progress/host", _encoder.encode(status), key[0])
                except LogUnavailable:
                    await trio.sleep(_CONNECT_S)


def _no_leader(reason: str) -> LogUnavailable:
    return LogUnavailable(f"{reason}; retry later")


def _sender() -> _Sender:
    access = CURRENT.get()
    return _Sender(access.secret, "" if access.secret else access.known.token)


def _batches(events: Sequence[Event]) -> Iterator[list[bytes]]:
    """Yield the reports as JSON, in parts of limited size."""
    batch, size = list[bytes](), 0
    for event in events:
        document = _encoder.encode(event)
        if batch and size + len(document) > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(document)
        size += len(document)
    if batch:
        yield batch


def _decoded(answer: httpx.Response) -> _Answer:
    try:
        return _answers.decode(answer.content)
    except msgspec.MsgspecError:
        return _Answer(error=f"the leader answered HTTP {answer.status_code}")


def _last_seq(answer: httpx.Response) -> int:
    if not answer.is_success or not answer.headers.get("Content-Type", "").startswith("application/json"):
        return 0
    taken = _decoded(answer)
    return max(taken.seq, *(result.seq for result in taken.results), 0)


def _error(code: str, text: str) -> PhaselineError:
    """Return the leader's error as if it were this server's."""
    kind = _kinds().get(code, LogUnavailable)
    error = kind.__new__(kind)
    error.args = (text or "the leader rejects the report",)
    return error


@cache
def _kinds() -> dict[str, type[PhaselineError]]:
    def all_of(kind: type[PhaselineError]) -> Iterator[type[PhaselineError]]:
        for child in kind.__subclasses__():
            yield child
            yield from all_of(child)

    return {kind.code: kind for kind in all_of(PhaselineError)}
