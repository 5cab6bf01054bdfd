"""A server that follows: it serves every read from the feed of a shared log, and sends reports to the leader."""

from collections.abc import Awaitable, Callable

import trio
from quart_trio import QuartTrio

from phaseline.eta import EmaEngine
from phaseline.model.statistics import Statistics
from phaseline_server.access.keeper import Keeper
from phaseline_server.access.views import JobsView
from phaseline_server.config.settings import Settings
from phaseline_server.door import Door
from phaseline_server.http.answer_budget import AnswerBudget
from phaseline_server.http.app import make_app
from phaseline_server.http.clients import Clients
from phaseline_server.http.leader_link import open_leader_link
from phaseline_server.http.services import Services
from phaseline_server.jobs.courses import Courses
from phaseline_server.jobs.followed import FollowedJobs, decode_followed
from phaseline_server.jobs.local_day import day_of
from phaseline_server.jobs.output import Outputs
from phaseline_server.jobs.output_storage import OutputStorage
from phaseline_server.jobs.tracker import now
from phaseline_server.learning.boxes import Boxes
from phaseline_server.learning.learner import Learning
from phaseline_server.log.feed import Feed
from phaseline_server.log.stream import Log
from phaseline_server.pictures.gallery import Gallery
from phaseline_server.pictures.runs import Runs
from phaseline_server.pictures.studio import open_studio
from phaseline_server.pictures.thumbnails import Thumbnails

__all__ = ["follow"]

Show = Callable[[trio.Nursery, Services, QuartTrio], Awaitable[None]]


async def follow(feed: Feed, settings: Settings, keeper: Keeper, door: Door, show: Show) -> None:
    """Follow an open feed, and serve it until cancelled.

    Args:
        feed: The feed.
        settings: The configuration.
        keeper: The tokens.
        door: The door of its clients.
        show: Shows an app to them; called once it is ready.

    Raises:
        LogReplaced: The log does not continue what was read from it.
        LogUnavailable: The database can't be reached at the start.
        JournalFailed: The storage failed.
    """
    present = now()
    retention_s = max(settings.retention, settings.done_ttl)
    start = await feed.start(present.wall_ns - round(retention_s * 1e9), settings.max_jobs, day_of(present.wall_ns))
    statistics = Statistics(start.kept.averages, *start.kept.counts)
    learning, outputs = Learning(feed, statistics), Outputs()
    OutputStorage(feed, outputs).restore(start.learned)  # takes them out; the leader has the present ones
    learning.restore(start.learned)
    courses = Courses(learning)
    async with (
        open_leader_link(lambda: feed.standing, keeper.server_pass) as link,
        open_studio(settings) as studio,
        trio.open_nursery() as nursery,
    ):
        jobs = FollowedJobs(
            link,
            log=Log(feed, settings.history, settings.queue, settings.max_memory // 4),
            engine=EmaEngine(statistics) if settings.eta_engine == "ema" else learning.model,
            statistics=statistics,
            max_jobs=settings.max_jobs,
            max_bytes=settings.max_memory // 4 * 3,
            bounds=(settings.max_phases, settings.max_job_bytes),
            jobs=await trio.to_thread.run_sync(decode_followed, start.kept.records, present),
            listener=courses,
            ends=start.ends,
        )
        nursery.start_soon(jobs.follow, feed, lambda update: learning.take_over(update.durations, update.runs))
        nursery.start_soon(jobs.run_retention, retention_s)
        nursery.start_soon(jobs.log.run_fan_out)
        nursery.start_soon(learning.run_followed)
        nursery.start_soon(link.run)
        nursery.start_soon(link.send_hosts)
        nursery.start_soon(keeper.run)
        gallery = Gallery(studio)
        services = Services(
            settings=settings,
            tracker=JobsView(jobs, keeper, outputs),
            runs=Runs(nursery, jobs, studio, done_ttl=settings.done_ttl),
            gallery=gallery,
            door=door,
            closing=trio.Event(),
            keeper=keeper,
            learning=learning,
            boxes=Boxes(jobs, learning.boxes),
            clients=Clients(most=settings.max_connections),
            answers=AnswerBudget(settings.answer_bytes),
            courses=courses,
            thumbnails=Thumbnails(gallery),
        )
        app = make_app(services)
        link.attach(app, jobs.wait_applied)
        await show(nursery, services, app)
        await trio.sleep_forever()
