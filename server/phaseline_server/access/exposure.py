"""Whether the server may start at all: nothing of it is shown to other machines by accident."""

from collections.abc import Iterable

import structlog
import trio

from phaseline.errors import ConfigError
from phaseline_server.access.keeper import Keeper
from phaseline_server.access.origins import is_this_machine
from phaseline_server.access.tokens import FILE_NAME
from phaseline_server.config.settings import Settings
from phaseline_server.door import url_of

__all__ = ["check_exposure"]

_log = structlog.get_logger(__name__)


def check_exposure(settings: Settings, listeners: Iterable[trio.SocketListener], keeper: Keeper) -> None:
    """Refuse to listen to other machines without tokens and TLS, unless told to.

    Raises:
        ConfigError: It is an address of the network, and something is missing.
    """
    shown = [listener for listener in listeners if not is_this_machine(str(listener.socket.getsockname()[0]))]
    missing = [
        text
        for is_missing, text in (
            (keeper.is_open, f"no tokens ({FILE_NAME}; make one with: progress-server token create --scope read)"),
            (not settings.tls_cert, "no TLS (--tls-cert, --tls-key)"),
        )
        if is_missing
    ]
    if not shown or not missing:
        return
    where = ", ".join(url_of(listener) for listener in shown)
    if settings.insecure:
        _log.warning("other machines can connect", at=where, missing="; ".join(missing))
        return
    raise ConfigError(
        f"bind is {where}, which other machines reach, and there are {' and '.join(missing)}; allowed: an address of "
        "this machine alone, e.g. 127.0.0.1:8080; or tokens and TLS; or --insecure, if the network is trusted"
    )
