"""Check whether the servers of one connection really share a log."""

from collections.abc import Iterable
from typing import Any

import trio

from phaseline_tui.link.credentials import Credentials
from phaseline_tui.link.handshake import shake_hands, subscribe
from phaseline_tui.link.log_claim import LogClaim
from phaseline_tui.link.streams import Dialer
from phaseline_tui.model.address import ServerAddress

__all__ = ["any_differs"]


async def any_differs(servers: Iterable[ServerAddress], dialer: Dialer, claim: LogClaim[Any]) -> bool:
    """Return whether one of `servers` has a log other than `claim`, and record it there; ssh servers are skipped."""
    for server in servers:
        if server.ssh is None and claim.differs(await _epoch_of(server, dialer), server.url):
            return True
    return False


async def _epoch_of(server: ServerAddress, dialer: Dialer) -> str:
    """Return the epoch of a server's log, or "" if it does not answer or name it."""
    found = ""

    def note(epoch: str) -> bool:
        nonlocal found
        found = epoch
        return False  # nothing is subscribed

    credentials = Credentials(server, dialer.access)
    try:
        stream = await dialer.open(server)
        try:
            async with trio.open_nursery() as nursery:
                websocket = await shake_hands(nursery, stream, server, dialer.timing, credentials.headers, None)
                await subscribe(websocket, server, credentials, dialer.timing, note)
                with trio.move_on_after(dialer.timing.closing):
                    await websocket.aclose()
                nursery.cancel_scope.cancel()
        finally:
            await trio.aclose_forcefully(stream)
    except* Exception:  # noqa: BLE001 (the library may raise anything on invalid input)
        found = ""
    return found
