"""A server that follows: it serves every read from the feed of a log that another server writes."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

import trio
from quart_trio import QuartTrio

from phaseline.eta import EmaEngine, Engine
from phaseline.model.statistics import Statistics
from phaseline_server.access.keeper import Keeper
from phaseline_server.access.views import JobsView
from phaseline_server.config.settings import Settings
from phaseline_server.door import Door
from phaseline_server.http.app import make_app
from phaseline_server.http.leader_link import open_leader_link
from phaseline_server.http.services import Services, make_services
from phaseline_server.jobs.courses import Courses
from phaseline_server.jobs.followed import FollowedJobs, Leader, decode_followed
from phaseline_server.jobs.local_day import day_of
from phaseline_server.jobs.output import Outputs
from phaseline_server.jobs.output_storage import OutputStorage
from phaseline_server.jobs.tracker import Clock, now
from phaseline_server.learning.boxes import Boxes
from phaseline_server.learning.learner import Learning
from phaseline_server.log.feed import Feed
from phaseline_server.log.stream import Log
from phaseline_server.pictures.runs import Runs
from phaseline_server.pictures.studio import open_studio

__all__ = ["Show", "Upstream", "follow", "follow_feed"]

Show = Callable[[trio.Nursery, Services, QuartTrio], Awaitable[None]]


class Upstream(Leader, Protocol):
    """The link to the server that writes the log."""

    def attach(self, app: QuartTrio, applied: Callable[[int], Awaitable[None]]) -> None:
        """Forward the requests that only that server can serve; `applied` waits until a message is visible here."""
        ...


async def follow(feed: Feed, settings: Settings, keeper: Keeper, door: Door, show: Show) -> None:
    """Follow an open feed of a shared log, and serve it until cancelled; reports go to the leader.

    The arguments and errors are those of `follow_feed`.
    """
    async with open_leader_link(lambda: feed.standing, keeper.server_pass) as link, trio.open_nursery() as nursery:
        nursery.start_soon(link.run)
        nursery.start_soon(link.send_hosts)
        await follow_feed(feed, link, settings, keeper, door, show)


async def follow_feed(  # noqa: PLR0913 (its collaborators and options)
    feed: Feed,
    link: Upstream,
    settings: Settings,
    keeper: Keeper,
    door: Door,
    show: Show,
    *,
    engine: Engine | None = None,
    clock: Clock = now,
    address: str = "",
) -> None:
    """Follow an open feed, and serve it until cancelled.

    Args:
        feed: The feed.
        link: The way to the server that writes the log.
        settings: The configuration.
        keeper: The tokens.
        door: The door of its clients.
        show: Shows an app to them; called once it is ready.
        engine: Estimates the remaining times of jobs. [the one of `settings`]
        clock: Returns the time of which jobs are shown.
        address: The address of this server, if the feed has no list of servers.

    Raises:
        LogReplaced: The log does not continue what was read from it.
        LogUnavailable: The database can't be reached at the start.
        JournalFailed: The storage failed.
    """
    retention_s = max(settings.retention, settings.done_ttl)
    jobs, learning, courses, outputs = await _read_followed(feed, link, settings, retention_s, engine, clock)
    async with open_studio(settings) as studio, trio.open_nursery() as nursery:
        nursery.start_soon(jobs.follow, feed, lambda update: learning.take_over(update.durations, update.runs))
        nursery.start_soon(jobs.run_retention, retention_s)
        nursery.start_soon(jobs.log.run_fan_out)
        nursery.start_soon(learning.run_followed)
        nursery.start_soon(keeper.run)
        boxes = Boxes(jobs, learning.boxes)
        if settings.follow:  # followers of a shared log leave this to the leader
            nursery.start_soon(boxes.run)
            nursery.start_soon(jobs.log.run_pruning, clock)
        services = make_services(
            settings=settings,
            tracker=JobsView(jobs, keeper, outputs),
            runs=Runs(nursery, jobs, studio, done_ttl=settings.done_ttl),
            studio=studio,
            door=door,
            closing=trio.Event(),
            keeper=keeper,
            learning=learning,
            boxes=boxes,
            courses=courses,
            address=address,
        )
        app = make_app(services)
        link.attach(app, jobs.log.wait_published)
        await show(nursery, services, app)
        await trio.sleep_forever()


class _FollowedParts(NamedTuple):
    jobs: FollowedJobs
    learning: Learning
    courses: Courses
    outputs: Outputs


async def _read_followed(
    feed: Feed, link: Leader, settings: Settings, retention_s: float, engine: Engine | None, clock: Clock
) -> _FollowedParts:
    """Return the parts that follow the log, with its present state."""
    present = clock()
    start = await feed.start(present.wall_ns - round(retention_s * 1e9), settings.max_jobs, day_of(present.wall_ns))
    present = clock()  # a mirror may have waited for its source
    statistics = Statistics(start.kept.averages, *start.kept.counts)
    learning, outputs = Learning(feed, statistics), Outputs()
    OutputStorage(feed, outputs).restore(start.learned)  # removes the stored ones; the leader has the current ones
    learning.restore(start.learned)
    courses = Courses(learning)
    if engine is None:
        engine = EmaEngine(statistics) if settings.eta_engine == "ema" else learning.model
    jobs = FollowedJobs(
        link,
        log=Log(feed, settings.history, settings.queue, settings.max_memory // 4),
        engine=engine,
        statistics=statistics,
        max_jobs=settings.max_jobs,
        max_bytes=settings.max_memory // 4 * 3,
        bounds=(settings.max_phases, settings.max_job_bytes),
        clock=clock,
        jobs=await trio.to_thread.run_sync(decode_followed, start.kept.records, present),
        listener=courses,
        ends=start.ends,
    )
    return _FollowedParts(jobs, learning, courses, outputs)
