"""One HTTP request over a stream of the link's own, so that TLS, SSH and the token are the same for everything."""

from collections.abc import Mapping
from typing import Final

import h11
import trio

from phaseline_tui.link.streams import Stream
from phaseline_tui.model import failures
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import Reply
from phaseline_tui.model.failures import Ended

__all__ = ["MOST_BYTES", "ask"]

MOST_BYTES: Final = 32 * 1024 * 1024
"""Of one answer: a picture has some five megabytes."""
_CHUNK: Final = 64 * 1024


async def ask(
    stream: Stream, server: ServerAddress, method: str, path: str, headers: Mapping[str, str], within: float
) -> Reply:
    """Send a request without a body over `stream`, and return the answer. The stream is of no use afterwards.

    Args:
        stream: connected to `server`.
        server: whom to ask.
        method: such as `GET`.
        path: with its query, ASCII.
        headers: besides those that every request has.
        within: seconds for all of it.

    Raises:
        Ended: there was no whole answer.
    """
    connection = h11.Connection(h11.CLIENT)
    request = h11.Request(
        method=method,
        target=f"{server.base}{path}",
        headers=[("Host", server.authority), ("Connection", "close"), *headers.items()],
    )
    try:
        with trio.fail_after(within):
            for event in (request, h11.EndOfMessage()):
                data = connection.send(event)
                if data:
                    await stream.send_all(data)
            return await _answer(stream, connection, server)
    except trio.TooSlowError:
        raise failures.silent(server) from None
    except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError) as error:
        raise failures.broken_http(server, error) from error


async def _answer(stream: Stream, connection: h11.Connection, server: ServerAddress) -> Reply:
    status, kind = 0, ""
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(bytes(await stream.receive_some(_CHUNK)))
        elif isinstance(event, h11.Response):
            status = event.status_code
            kind = _kind(event)
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MOST_BYTES:
                raise Ended(f"{server.url}: an answer has more than {MOST_BYTES} bytes; it is left")
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            return Reply(status, bytes(body), kind)


def _kind(response: h11.Response) -> str:
    return next((value.decode("latin-1") for name, value in response.headers if name == b"content-type"), "")
