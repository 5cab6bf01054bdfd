"""Byte streams to a server: over TCP, TLS, or the Unix socket of an SSH forward."""

import ssl
from functools import cached_property

import trio

from phaseline_tui.model import failures
from phaseline_tui.model.access import Access
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import Timing

__all__ = ["Dialer", "Stream"]

Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


class Dialer:
    """Opens streams. Each step has the time-out `Timing.open`."""

    def __init__(self, timing: Timing, access: Access) -> None:
        """Store the time-outs and credentials. Certificates are read when the first TLS connection is opened."""
        self.timing = timing
        self.access = access

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.access.ca_file is not None:
            context.load_verify_locations(self.access.ca_file)
        return context

    async def open(self, server: ServerAddress, socket: str | None = None) -> Stream:
        """Connect to `server`: directly, or through the SSH forward whose local end is the Unix socket `socket`.

        Raises:
            LinkError: The server could not be reached.
        """
        try:
            with trio.fail_after(self.timing.open):
                if socket is not None:
                    return await trio.open_unix_socket(socket)
                stream = await trio.open_tcp_stream(server.host, server.port)
                return await self._secure(server, stream) if server.tls else stream
        except trio.TooSlowError:
            raise failures.silent(server) from None
        except trio.BrokenResourceError as error:
            cause = error.__cause__
            raise failures.unreachable(server, cause if isinstance(cause, OSError) else OSError(str(error))) from error
        except OSError as error:
            raise failures.unreachable(server, error) from error

    async def _secure(self, server: ServerAddress, stream: trio.SocketStream) -> Stream:
        tls = trio.SSLStream(stream, self._tls, server_hostname=server.host, https_compatible=True)
        try:
            await tls.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(tls)
            raise
        return tls
