"""What the routes are given: the parts of one running server."""

from collections import Counter
from dataclasses import dataclass, field

import trio

from phaseline_server.access.keeper import Keeper
from phaseline_server.access.views import JobsView
from phaseline_server.config.settings import Settings
from phaseline_server.door import Door
from phaseline_server.http.clients import Clients
from phaseline_server.learning.learner import Learning
from phaseline_server.pictures.gallery import Gallery
from phaseline_server.pictures.runs import Runs

__all__ = ["Services"]


@dataclass(frozen=True)
class Services:
    """The parts of one running server.

    Attributes:
        settings: Its configuration.
        tracker: The one writer of jobs, as the client may use it.
        runs: The pictures being made, and those that were made lately.
        gallery: The pictures that are there.
        door: Who is connected; its `closing` is what routes that last wait for.
        keeper: Who knows the tokens.
        learning: What was learned of earlier runs.
        clients: Who is connected, by whichever transport.
        refused: How many requests and messages were refused, by the error's code.
        started: Trio's time at the start, in seconds.
    """

    settings: Settings
    tracker: JobsView
    runs: Runs
    gallery: Gallery
    door: Door
    keeper: Keeper
    learning: Learning
    clients: Clients
    refused: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=trio.current_time)
