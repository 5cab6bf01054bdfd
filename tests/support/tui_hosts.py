"""A program that follows several servers, for tests and screenshots."""

from typing import Any

from phaseline_tui.app.app import ProgressApp
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import Batch, LinkState, LinkStatus
from tests.support.tui_jobs import FixedClock, many_jobs, photo_job, snapshot

__all__ = ["DELAYS", "several", "several_batches"]

URLS = ("http://127.0.0.1:5100", "https://render.example.org", "ssh://ann@box2", "ssh://box3:2222/5100")
DELAYS = (0.0031, 0.0042, 0.0038, 0.0051, 0.0029, 0.0035, 0.0033, 0.0128, 0.0044, 0.0036, 0.0034, 0.0031)


def several(theme: str | None = None) -> ProgressApp:
    """Return a program that follows four servers and has received nothing yet."""
    servers = [ServerAddress.parse(url) for url in URLS]
    return ProgressApp(servers, clock=FixedClock(), theme=theme, connect=False)


def several_batches(app: ProgressApp) -> list[Batch]:
    """Return batches of the four servers: two are connected, one is stale, one needs a password."""
    first, second, third, fourth = app.data.labels
    up = LinkStatus(LinkState.CONNECTED, since=400.0)
    batches = [
        Batch((), 940.0, up, origin=first),
        Batch((), 950.0, LinkStatus(LinkState.CONNECTED, since=940.0), origin=second),
    ]
    for number, delay in enumerate(DELAYS):
        batches += [
            Batch((), 960.0 + number, origin=first, delay=delay / 10, messages=4, size=1900),
            Batch((), 960.0 + 3 * number, origin=second, delay=delay * 12, messages=31, size=9200),
            Batch((), 900.0 + number, origin=third, delay=delay * 7, messages=2, size=700),
        ]
    stale = LinkStatus(LinkState.STALE, "no data from ssh://ann@box2", 911.0)
    words = "ssh to box3: no key was accepted, and progress-tui can't ask for a password: use ssh-add or ssh-copy-id"
    jobs: list[Any] = [photo_job("job_9", "DSC_0042.NEF", 3)]
    return [
        *batches,
        Batch((snapshot(many_jobs()),), 999.0, origin=first, messages=1),
        Batch((snapshot(jobs),), 999.0, origin=second, messages=1),
        Batch((), 911.0, up, origin=third),
        Batch((), 999.0, stale, origin=third),
        Batch((), 999.0, LinkStatus(LinkState.STOPPED, words, 700.0), origin=fourth),
    ]
