"""The start-up check that keeps an unprotected server from listening on the network."""

from collections.abc import Iterable

import structlog
import trio

from phaseline.errors import ConfigError
from phaseline_server.access.origins import is_this_machine
from phaseline_server.config.settings import Settings
from phaseline_server.door import url_of

__all__ = ["check_exposure"]

_log = structlog.get_logger(__name__)


def check_exposure(settings: Settings, listeners: Iterable[trio.SocketListener], *, is_open: bool) -> None:
    """Check that tokens and TLS are configured if other machines can connect; with `--insecure`, only warn.

    Args:
        settings: The configuration.
        listeners: The listeners.
        is_open: Whether there are no tokens, so that every client has full access.

    Raises:
        ConfigError: A listener is reachable from other machines, and tokens or TLS are missing.
    """
    exposed = [listener for listener in listeners if not is_this_machine(str(listener.socket.getsockname()[0]))]
    missing = [
        text
        for is_missing, text in (
            (is_open, "no tokens (create one with: progress-server token create --scope read)"),
            (not settings.tls_cert, "no TLS (--tls-cert, --tls-key)"),
        )
        if is_missing
    ]
    if not exposed or not missing:
        return
    where = ", ".join(url_of(listener) for listener in exposed)
    if settings.insecure:
        _log.warning("listening on the network without protection", at=where, missing="; ".join(missing))
        return
    raise ConfigError(
        f"other machines can connect to {where} with {' and '.join(missing)}; add what is missing, or listen on a "
        "loopback address such as 127.0.0.1:8080, or use --insecure if the network is trusted"
    )
