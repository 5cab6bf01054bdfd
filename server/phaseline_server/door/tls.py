"""TLS termination in front of a connection.

Two tasks encrypt and decrypt, and relay the plain data through a pair of sockets. So code that writes to a socket
without Trio, as the fan-out does, works unchanged; and connections without TLS have no overhead.
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

# For TLS 1.2: authenticated encryption with forward secrecy only. Suites with CBC have had padding oracles.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

Secure = trio.SSLStream[trio.SocketStream]
_GONE = (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError, OSError)


class Tls:
    """The certificate and key for all listeners; TLS 1.2 and 1.3."""

    def __init__(self, certificate: str, key: str, handshake_seconds: float, linger_seconds: float) -> None:
        """Load the files.

        Args:
            certificate: Path of the certificate chain, in PEM.
            key: Path of the private key, in PEM; "" if it is in the same file.
            handshake_seconds: Time-out of the TLS handshake.
            linger_seconds: Time-out of sending the remaining data at the end of a connection.

        Raises:
            ConfigError: A file is not readable or not valid, or the key does not match the certificate.
        """
        self._files = (certificate, key or certificate)
        self._handshake_seconds = handshake_seconds
        self._linger_seconds = linger_seconds
        self._context = self._load()

    def reload(self) -> None:
        """Reload the files for new connections; keep the old certificate if they are not valid."""
        try:
            self._context = self._load()
        except ConfigError as error:
            _log.error("cannot reload the certificate; keeping the old one", error=str(error))
        else:
            _log.info("certificate reloaded", certificate=self._files[0])

    def _load(self) -> ssl.SSLContext:
        certificate, key = self._files
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
        context.set_alpn_protocols(["http/1.1"])
        try:
            for path in self._files:
                Path(path).read_bytes()  # because OpenSSL's errors do not name the file
            # Without this, OpenSSL would ask for a key's password on the terminal.
            context.load_cert_chain(certificate, key, password=lambda: b"")
        except (OSError, ValueError) as error:
            text = getattr(error, "strerror", None) or str(error)
            name = getattr(error, "filename", None) or certificate
            raise ConfigError(
                f"cannot use {name}: {text} (tls_cert is {certificate}, tls_key is {key}); allowed: a certificate and "
                "its key without a password, in PEM"
            ) from None
        return context

    async def serve(
        self, stream: trio.SocketStream, closing: trio.Event, act: Callable[[trio.SocketStream], Awaitable[None]]
    ) -> None:
        """Do the TLS handshake, serve the plain connection with `act`, and close `stream`.

        The connection is closed if the handshake fails, or is not complete when `closing` is set.
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
                # The connection is over, but its last data may still have to be sent.
                nursery.cancel_scope.deadline = trio.current_time() + self._linger_seconds

    async def _pump_out(
        self, near: trio.SocketStream, secure: Secure, reading: trio.CancelScope, read: trio.Event
    ) -> None:
        """Encrypt and send data, then close; TLS can only close both directions at once."""
        with suppress(*_GONE):
            async for data in near:
                await secure.send_all(data)
            reading.cancel()
            await read.wait()
            await secure.unwrap()


async def _pump_in(secure: Secure, near: trio.SocketStream, reading: trio.CancelScope, read: trio.Event) -> None:
    """Relay decrypted data from the client, and then its end."""
    with suppress(*_GONE), reading:
        async for data in secure:
            await near.send_all(data)
    read.set()
    with suppress(*_GONE):
        near.socket.shutdown(trio.socket.SHUT_WR)
