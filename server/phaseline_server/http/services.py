"""The parts of a running server that the routes use."""

from collections import Counter
from dataclasses import dataclass, field

import trio

from phaseline_server.access.keeper import Keeper
from phaseline_server.access.views import JobsView
from phaseline_server.config.settings import Settings
from phaseline_server.door import Door
from phaseline_server.http.answer_budget import AnswerBudget
from phaseline_server.http.clients import Clients
from phaseline_server.http.report_notes import Fractions
from phaseline_server.jobs.courses import Courses
from phaseline_server.learning.boxes import Boxes
from phaseline_server.learning.learner import Learning
from phaseline_server.pictures.gallery import Gallery
from phaseline_server.pictures.runs import Runs
from phaseline_server.pictures.studio import Studio
from phaseline_server.pictures.thumbnails import Thumbnails

__all__ = ["Services", "make_services"]


@dataclass(frozen=True)
class Services:
    """The parts of a running server.

    Attributes:
        settings: The configuration.
        tracker: The only writer of jobs, limited to the client's permissions.
        runs: Picture runs in progress, and recent ones.
        gallery: The stored pictures.
        thumbnails: Small ones of these.
        door: The listener and its connections.
        closing: Set when the app ends. Long-lived routes end then.
        keeper: The token store and rate limits.
        learning: Statistics of earlier runs.
        boxes: Forecasts of when each host and queue is free.
        clients: The connected clients, over any transport.
        courses: The histories of the jobs' estimates.
        answers: The budget of large answers.
        address: The address of this server.
        refused: Number of rejected requests and messages, by error code.
        fractions: Jobs whose progress looks like a fraction.
        disconnected: Set when all WebSockets have been closed after `closing`.
        started: Start time, in seconds of Trio's clock.
    """

    settings: Settings
    tracker: JobsView
    runs: Runs
    gallery: Gallery
    door: Door
    closing: trio.Event
    keeper: Keeper
    learning: Learning
    boxes: Boxes
    clients: Clients
    answers: AnswerBudget
    courses: Courses
    thumbnails: Thumbnails
    address: str = ""
    refused: Counter[str] = field(default_factory=Counter)
    fractions: Fractions = field(default_factory=Fractions)
    disconnected: trio.Event = field(default_factory=trio.Event)
    started: float = field(default_factory=trio.current_time)


def make_services(  # noqa: PLR0913 (one argument per part that differs between a leader and a follower)
    *,
    settings: Settings,
    tracker: JobsView,
    runs: Runs,
    studio: Studio,
    door: Door,
    closing: trio.Event,
    keeper: Keeper,
    learning: Learning,
    boxes: Boxes,
    courses: Courses,
    address: str,
) -> Services:
    """Return the parts of a server for its app; parts that are not given are created."""
    gallery = Gallery(studio)
    return Services(
        settings=settings,
        tracker=tracker,
        runs=runs,
        gallery=gallery,
        door=door,
        closing=closing,
        keeper=keeper,
        learning=learning,
        boxes=boxes,
        clients=Clients(most=settings.max_connections),
        answers=AnswerBudget(settings.answer_bytes),
        courses=courses,
        thumbnails=Thumbnails(gallery),
        address=address,
    )
