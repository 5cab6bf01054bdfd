"""One HTTP request over a stream of the link, so that it uses the same TLS, SSH forward and token."""

from collections.abc import Mapping
from typing import Final

import h11
import trio

from phaseline_tui.link.streams import Stream
from phaseline_tui.model import failures
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import Reply
from phaseline_tui.model.failures import LinkError

__all__ = ["MAX_BYTES", "send_request"]

MAX_BYTES: Final = 32 * 1024 * 1024
"""Maximum size of a response. A picture has about 5 MB."""
_CHUNK: Final = 64 * 1024


async def send_request(
    stream: Stream,
    server: ServerAddress,
    method: str,
    path: str,
    headers: Mapping[str, str],
    seconds: float,
    body: bytes = b"",
) -> Reply:
    """Send a request over `stream` and return the response. The stream can't be used afterwards.

    Args:
        stream: Stream connected to `server`.
        server: Server to send the request to.
        method: HTTP method, such as `GET`.
        path: ASCII path with its query.
        headers: Headers besides `Host` and `Connection`.
        seconds: Seconds for the whole exchange.
        body: JSON to send, or empty.

    Raises:
        LinkError: No complete response was received.
    """
    connection = h11.Connection(h11.CLIENT)
    content = [("Content-Type", "application/json"), ("Content-Length", f"{len(body)}")] if body else []
    request = h11.Request(
        method=method,
        target=f"{server.base}{path}",
        headers=[("Host", server.authority), ("Connection", "close"), *content, *headers.items()],
    )
    try:
        with trio.fail_after(seconds):
            for event in (request, *([h11.Data(body)] if body else []), h11.EndOfMessage()):
                data = connection.send(event)
                if data:
                    await stream.send_all(data)
            return await _receive_response(stream, connection, server)
    except trio.TooSlowError:
        raise failures.silent(server) from None
    except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError) as error:
        raise failures.broken_http(server, error) from error


async def _receive_response(stream: Stream, connection: h11.Connection, server: ServerAddress) -> Reply:
    status, content_type = 0, ""
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(bytes(await stream.receive_some(_CHUNK)))
        elif isinstance(event, h11.Response):
            status = event.status_code
            content_type = _content_type(event)
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_BYTES:
                raise LinkError(f"{server.url} sent more than {MAX_BYTES} bytes in one response")
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            return Reply(status, bytes(body), content_type)


def _content_type(response: h11.Response) -> str:
    return next((value.decode("latin-1") for name, value in response.headers if name == b"content-type"), "")
