"""Start the app for a user, and wait until the user quits."""

from collections.abc import Sequence

from phaseline_tui.app.app import ProgressApp
from phaseline_tui.model.access import Access
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.terminal.textual_internals import accept_any_bytes
from phaseline_tui.user.remembered import read_remembered
from phaseline_tui.user.settings import Settings

__all__ = ["run"]


def run(servers: Sequence[ServerAddress], settings: Settings, access: Access) -> int:
    """Follow `servers` until the user quits; return the exit code.

    Args:
        servers: At least one server.
        settings: The user's settings.
        access: Tokens and certificates.
    """
    remembered = read_remembered() if settings.remember else None
    accept_any_bytes()
    app = ProgressApp(servers, access=access, settings=settings, remembered=remembered)
    app.run()
    return app.return_code or 0
