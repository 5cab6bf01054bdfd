"""The feed of a log in PostgreSQL: a server that follows reads what the leader commits, each message once."""

import signal

import pytest
import trio

from phaseline.model.phase import PhaseDuration
from phaseline_server.errors import JournalFailed, JournalUnusable, LogReplaced, LogUnavailable
from phaseline_server.log.batch import JobRow, RunRow
from phaseline_server.log.postgres import PostgresFeed, PostgresStore
from phaseline_server.log.postgres.schema import VERSION
from tests.support.journals import batch
from tests.support.postgres import Postgres

pytestmark = pytest.mark.needs("postgres")

DAY = (0, 2**62)


def row(seq: int, record: bytes) -> JobRow:
    return JobRow("a", seq, "active", 1, None, record)


async def test_an_update_has_the_messages_and_the_state_of_their_jobs(postgres: Postgres) -> None:
    url = postgres.new_database()
    leader = await PostgresStore.lead(url)
    await leader.commit(batch(1, 3, jobs=[row(3, b"three")]))
    feed = await PostgresFeed.open(url)
    start = await feed.start(0, 10, DAY)
    assert (feed.epoch, feed.top, start.kept.records) == (leader.epoch, 3, [b"three"])
    await leader.commit(batch(4, 5, jobs=[row(5, b"five")]))
    update = await feed.read(DAY)
    assert [message.seq for message in update.messages] == [4, 5]
    assert tuple(update.messages) == await leader.events(3, 10)
    assert (update.records, update.ends, update.runs, feed.top) == ([b"five"], None, (), 5)
    await feed.close()
    await leader.close()


async def test_an_end_carries_the_data_for_estimates_and_daily_counts(postgres: Postgres) -> None:
    url = postgres.new_database()
    leader = await PostgresStore.lead(url)
    feed = await PostgresFeed.open(url)
    await feed.start(0, 10, DAY)
    [message] = batch(1, 1).messages
    taught, ended = PhaseDuration("w", "s", "p", 7), RunRow(1, 5, "a", "w", "s", "completed", "p", 7, b"{}")
    group = batch(1, 1, runs=[ended], durations=[taught], counts=(2, 1))
    end = type(message)(1, "job_completed", "a", message.channels, message.payload)
    await leader.commit(
        type(group)(**{name: getattr(group, name) for name in group.__struct_fields__} | {"messages": [end]})
    )
    update = await feed.read(DAY)
    assert [run.body for run in update.runs] == [b"{}"]
    assert (update.durations, update.counts, update.ends) == ([taught], (2, 1), {"completed": 1})
    await feed.close()
    await leader.close()


@pytest.mark.slow
async def test_a_follower_reads_everything_once_while_the_database_restarts(own_postgres: Postgres) -> None:
    url = own_postgres.new_database()
    leader = await PostgresStore.lead(url)
    feed = await PostgresFeed.open(url)
    await feed.start(0, 10, DAY)
    seen: list[int] = []

    async def follow() -> None:
        while True:
            seen.extend(message.seq for message in (await feed.read(DAY)).messages)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            await leader.commit(batch(1, 1000))
            own_postgres.stop(signal.SIGQUIT)
            with pytest.raises(LogUnavailable):
                await leader.commit(batch(1001, 1250))
            while feed.standing.lag_s == 0:
                await trio.lowlevel.checkpoint()
            own_postgres.start()
            assert not await leader.settle()
            for first in range(1001, 5000, 250):
                await leader.commit(batch(first, first + 249))
            while len(seen) < 5000 or feed.standing.lag_s:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    assert seen == list(range(1, 5001))
    await feed.close()
    await leader.close()


async def test_a_log_with_lost_events_or_a_new_epoch_is_not_followed(postgres: Postgres) -> None:
    url = postgres.new_database()
    leader = await PostgresStore.lead(url)
    await leader.commit(batch(1, 3))
    database = url.rpartition("/")[2]
    for change in ("DELETE FROM phaseline.packs", "UPDATE phaseline.meta SET value = 'new' WHERE key = 'epoch'"):
        feed = await PostgresFeed.open(url)
        await feed.start(0, 10, DAY)
        postgres.query(change, database)
        with pytest.raises(LogReplaced, match="does not continue message"), trio.fail_after(30):
            await feed.read(DAY)
        await feed.close()
    await leader.close()


async def test_there_is_nothing_to_follow_before_the_first_leader_or_of_another_version(postgres: Postgres) -> None:
    url = postgres.new_database()
    with pytest.raises(JournalFailed):
        await PostgresFeed.open(url)
    await (await PostgresStore.lead(url)).close()
    postgres.query("UPDATE phaseline.meta SET value = '99' WHERE key = 'version'", url.rpartition("/")[2])
    with pytest.raises(JournalUnusable, match=f"version 99; allowed: {VERSION}"):
        await PostgresFeed.open(url)


async def test_a_follower_writes_nothing(postgres: Postgres) -> None:
    url = postgres.new_database()
    leader = await PostgresStore.lead(url)
    feed = await PostgresFeed.open(url)
    with pytest.raises(LogUnavailable, match="this server follows"):
        await feed.commit(batch(1, 3))
    assert await leader.events(0, 10) == ()
    await feed.close()
    await leader.close()
