"""TLS in front of a connection: what comes out of it is spoken as if it had come in plain.

A client's bytes are deciphered by two tasks, and handed on through a pair of sockets. So whatever writes to a socket
past Trio, as the fan-out does, need not know of TLS; and plain connections pay nothing for it.
"""

import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import structlog
import trio

from phaseline.errors import ConfigError

__all__ = ["Tls"]

_log = structlog.get_logger(__name__)

Secure = trio.SSLStream[trio.SocketStream]
_GONE = (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError, OSError)


class Tls:
    """One certificate and its key, for all listeners; TLS 1.2 and 1.3."""

    def __init__(self, certificate: str, key: str, handshake_seconds: float, linger_seconds: float) -> None:
        """Load the files.

        Args:
            certificate: The path of the certificate and those above it, PEM.
            key: That of its key; "" if it is in the same file.
            handshake_seconds: How long a client has for its handshake.
            linger_seconds: How long it has for what was still to be sent.

        Raises:
            ConfigError: A file can't be read, or is none of these, or they don't belong together.
        """
        self._files = (certificate, key or certificate)
        self._handshake_seconds = handshake_seconds
        self._linger_seconds = linger_seconds
        self._context = self._load()

    def reload(self) -> None:
        """Load the files again, for those who connect from now on; if they are wrong, the old ones stay."""
        try:
            self._context = self._load()
        except ConfigError as error:
            _log.error("the certificate can't be loaded anew; the old one stays", error=str(error))
        else:
            _log.info("the certificate was loaded anew", certificate=self._files[0])

    def _load(self) -> ssl.SSLContext:
        certificate, key = self._files
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            for path in self._files:
                Path(path).read_bytes()  # of its errors, OpenSSL does not name the file
            # A key with a password would ask for it on the terminal.
            context.load_cert_chain(certificate, key, password=lambda: b"")
        except (OSError, ValueError) as error:
            text = getattr(error, "strerror", None) or str(error)
            name = getattr(error, "filename", None) or certificate
            raise ConfigError(
                f"tls_cert is {certificate} and tls_key is {key}, and {name} can't be used: {text}; allowed: a "
                "certificate and its key without a password, in PEM"
            ) from None
        return context

    async def serve(
        self, stream: trio.SocketStream, closing: trio.Event, act: Callable[[trio.SocketStream], Awaitable[None]]
    ) -> None:
        """Shake hands with a client, have `act` serve what it says, and close `stream`.

        Who can't do TLS is let go, and so is who has not shaken hands when `closing` is set.
        """
        secure = trio.SSLStream(stream, self._context, server_side=True, https_compatible=True)
        try:
            if await self._shake_hands(secure, closing):
                await self._relay(secure, act)
        finally:
            stream.socket.close()

    async def _shake_hands(self, secure: Secure, closing: trio.Event) -> bool:
        shaken = False

        async def shake() -> None:
            nonlocal shaken
            with trio.move_on_after(self._handshake_seconds), suppress(*_GONE):
                await secure.do_handshake()
                shaken = True
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(shake)
            await closing.wait()
            nursery.cancel_scope.cancel()
        return shaken

    async def _relay(self, secure: Secure, act: Callable[[trio.SocketStream], Awaitable[None]]) -> None:
        near, far = (trio.SocketStream(end) for end in trio.socket.socketpair())
        with near.socket, far.socket:
            async with trio.open_nursery() as nursery:
                reading, read = trio.CancelScope(), trio.Event()
                nursery.start_soon(_pump_in, secure, near, reading, read)
                nursery.start_soon(self._pump_out, near, secure, reading, read)
                await act(far)
                # The connection is over; what it said last may still be on its way.
                nursery.cancel_scope.deadline = trio.current_time() + self._linger_seconds

    async def _pump_out(
        self, near: trio.SocketStream, secure: Secure, reading: trio.CancelScope, read: trio.Event
    ) -> None:
        """Send what the connection says, and then the end, which TLS has for both directions at once only."""
        with suppress(*_GONE):
            async for data in near:
                await secure.send_all(data)
            reading.cancel()
            await read.wait()
            await secure.unwrap()


async def _pump_in(secure: Secure, near: trio.SocketStream, reading: trio.CancelScope, read: trio.Event) -> None:
    """Hand on what the client says, and then its end."""
    with suppress(*_GONE), reading:
        async for data in secure:
            await near.send_all(data)
    read.set()
    with suppress(*_GONE):
        near.socket.shutdown(trio.socket.SHUT_WR)
