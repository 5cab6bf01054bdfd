"""The log in PostgreSQL: leader election, deposed leaders, and commits whose answer was lost."""

import signal
from contextlib import suppress

import psycopg
import pytest
import trio

from phaseline.model.snapshot import Moment
from phaseline_server.config.log_address import hide_password
from phaseline_server.errors import Deposed, JournalUnusable, LogUnavailable
from phaseline_server.log.batch import Batch
from phaseline_server.log.postgres import PostgresStore
from phaseline_server.log.postgres.connection import Address
from phaseline_server.log.postgres.schema import VERSION
from phaseline_server.log.protocol import Standing
from tests.support.journals import batch
from tests.support.postgres import Postgres
from tests.support.servers import ROOT

pytestmark = pytest.mark.needs("postgres")


async def numbers(store: PostgresStore) -> list[int]:
    return [message.seq for message in await store.events(0, 1000)]


async def commit_on(store: PostgresStore) -> None:
    """Commit until it fails: each of PostgreSQL's processes notices a new configuration at another time."""
    while True:
        await store.commit(batch(store.top + 1, store.top + 3))


# ---------------------------------------------------------------------------------------- leading


@pytest.mark.slow
async def test_each_leader_begins_a_term_and_continues_the_epoch(postgres: Postgres) -> None:
    url = postgres.new_database()
    one = await PostgresStore.lead(url, server="http://one")
    await one.commit(batch(1, 3))
    assert one.standing == Standing("leader", 1, "http://one")
    epoch = one.epoch
    await one.close()
    other = await PostgresStore.lead(url, server="http://other")
    assert other.standing == Standing("leader", 2, "http://other")
    assert (other.epoch, other.top, await numbers(other)) == (epoch, 3, [1, 2, 3])
    await other.close()


async def test_a_second_server_waits_until_the_leader_is_gone(postgres: Postgres) -> None:
    url = postgres.new_database()
    one = await PostgresStore.lead(url, server="http://one")
    reasons: set[Standing | LogUnavailable] = set()
    waits = trio.Event()

    def note(reason: Standing | LogUnavailable) -> None:
        reasons.add(reason._replace(members=()) if isinstance(reason, Standing) else reason)
        waits.set()

    async with trio.open_nursery() as nursery:

        async def lead() -> None:
            other = await PostgresStore.lead(url, server="http://other", waiting=note)
            assert (other.standing.term, await numbers(other)) == (2, [1, 2, 3])
            await other.close()

        nursery.start_soon(lead)
        await waits.wait()
        await one.commit(batch(1, 3))
        await one.close()
    assert reasons == {Standing("follower", 1, "http://one")}


async def test_a_suspended_leader_can_neither_commit_nor_keep_leading(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phaseline_server.log.postgres.leadership._LEASE_S", 0.0)
    url = postgres.new_database()
    old = await PostgresStore.lead(url, server="http://old")
    await old.commit(batch(1, 3))
    new = await PostgresStore.lead(url, server="http://new")  # although the old one still has its connection
    with pytest.raises(LogUnavailable):
        await old.commit(batch(4, 5))  # its session has ended
    with pytest.raises(Deposed, match="another server leads"):
        await old.settle()
    with pytest.raises(Deposed):
        await old.attend()
    with pytest.raises(Deposed):
        await old.prune(Moment(9, 9))
    await new.commit(batch(4, 4))
    assert await numbers(new) == [1, 2, 3, 4]
    for store in (old, new):
        await store.close()


async def test_a_leader_suspended_during_a_commit_is_replaced(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phaseline_server.log.postgres.leadership._LEASE_S", 0.0)
    url = postgres.new_database()
    old = await PostgresStore.lead(url, server="http://old")
    connection = old._leadership._connection
    assert connection is not None
    with suppress(psycopg.OperationalError), connection.pipeline():
        connection.execute("SELECT 1")
        connection.pgconn.send_flush_request()  # sent, but no answer is due yet
        connection.pgconn.flush()
        with trio.fail_after(20):
            new = await PostgresStore.lead(url, server="http://new")
    assert new.standing.term == 2
    for store in (old, new):
        await store.close()


async def test_a_leader_keeps_leading_after_a_slow_commit(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phaseline_server.log.postgres.leadership._LEASE_S", 60.0)
    url = postgres.new_database()
    store = await PostgresStore.lead(url, server="http://one")
    await store.commit(batch(1, 3))
    # As its last transaction had begun long ago.
    postgres.query("UPDATE phaseline.leader SET seen = seen - interval '1 hour'", url.rpartition("/")[2])
    looks = 0

    def look(_: object) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        await PostgresStore.lead(url, server="http://other", waiting=look)
    await store.commit(batch(4, 5))
    assert (store.standing.term, await numbers(store)) == (1, [1, 2, 3, 4, 5])
    await store.close()


async def test_the_term_alone_stops_a_deposed_leader(postgres: Postgres) -> None:
    url = postgres.new_database()
    store = await PostgresStore.lead(url)
    postgres.query("UPDATE phaseline.leader SET term = term + 1", url.rpartition("/")[2])
    with pytest.raises(Deposed):
        await store.commit(batch(1, 3))
    assert (store.top, await numbers(store)) == (0, [])
    await store.close()


# ---------------------------------------------------------------------------------------- a lost database


@pytest.mark.slow
async def test_nothing_is_stored_while_the_database_is_down_and_commits_resume_afterwards(
    own_postgres: Postgres,
) -> None:
    store = await PostgresStore.lead(own_postgres.new_database())
    await store.commit(batch(1, 3))
    own_postgres.stop(signal.SIGQUIT)  # as a crash would end it
    with pytest.raises(LogUnavailable):
        await store.commit(batch(4, 6))
    with pytest.raises(LogUnavailable):
        await store.events(0, 10)
    own_postgres.start()
    assert await store.settle() is False
    assert await numbers(store) == [1, 2, 3]
    await store.commit(batch(4, 5))
    assert (store.top, await numbers(store), store.standing.term) == (5, [1, 2, 3, 4, 5], 1)
    await store.close()


@pytest.mark.slow
async def test_a_commit_waits_for_the_standby_and_is_read_back_when_that_returns(own_postgres: Postgres) -> None:
    store = await PostgresStore.lead(own_postgres.new_database())
    await store.commit(batch(1, 3))
    assert store._leadership._connection is not None
    store._leadership._connection.patience_s = 0.5
    own_postgres.set(synchronous_standby_names="nobody")
    with pytest.raises(LogUnavailable):
        await commit_on(store)
    kept = list(range(1, store.top + 1))
    assert await numbers(store) == kept  # no reader sees an event that may be lost
    with trio.move_on_after(1.5) as scope:
        await store.settle()
    assert scope.cancelled_caught
    assert await numbers(store) == kept
    own_postgres.set(synchronous_standby_names="")
    with trio.fail_after(60):
        assert await store.settle() is True
    assert await numbers(store) == list(range(1, store.top + 1)) == list(range(1, len(kept) + 4))
    await store.commit(Batch(at=Moment(9, 9), messages=(), counts=(1, 0)))
    assert await store.settle() is False
    await store.close()


@pytest.mark.slow
async def test_a_database_that_lost_events_gets_a_new_epoch(own_postgres: Postgres) -> None:
    url = own_postgres.new_database()
    store = await PostgresStore.lead(url)
    await store.commit(batch(1, 3))
    await store.commit(batch(4, 6))
    name = url.rpartition("/")[2]
    # As after a failover to an asynchronous standby.
    own_postgres.query("DELETE FROM phaseline.packs WHERE last > 3", name)
    own_postgres.query("UPDATE phaseline.leader SET batch = batch - 1", name)
    own_postgres.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' "
        "AND pid <> pg_backend_pid()",
        name,
    )
    with pytest.raises(LogUnavailable):
        await store.commit(batch(7, 7))
    with pytest.raises(Deposed, match="lost 1 transactions; its epoch is new"):
        await store.settle()
    epoch = store.epoch
    await store.close()
    store = await PostgresStore.lead(url)
    assert (store.epoch != epoch, store.top, store.oldest, await numbers(store)) == (True, 3, 4, [])
    await store.close()


async def test_the_documented_statements_for_a_restored_database_begin_an_epoch(postgres: Postgres) -> None:
    url = postgres.new_database()
    store = await PostgresStore.lead(url)
    await store.commit(batch(1, 3))
    epoch = store.epoch
    await store.close()
    page = (ROOT / "docs" / "cluster.md").read_text()
    for statement in page.partition("```sql\n")[2].partition("```")[0].splitlines():
        postgres.query(statement, url.rpartition("/")[2])
    store = await PostgresStore.lead(url)
    assert (store.epoch != epoch, store.top, store.oldest, await numbers(store)) == (True, 3, 4, [])
    await store.close()


# ---------------------------------------------------------------------------------------- refusals


async def test_a_newer_log_is_not_changed(postgres: Postgres) -> None:
    url = postgres.new_database()
    await (await PostgresStore.lead(url)).close()
    name = url.rpartition("/")[2]
    postgres.query("UPDATE phaseline.meta SET value = '99' WHERE key = 'version'", name)
    with pytest.raises(JournalUnusable, match=f"has version 99; allowed: up to {VERSION}"):
        await PostgresStore.lead(url)
    assert postgres.query("SELECT term FROM phaseline.leader", name) == [(1,)]


async def test_a_role_that_may_not_create_the_tables_is_an_error(postgres: Postgres) -> None:
    url, other = postgres.new_database(), postgres.new_database()
    role = other.partition("//")[2].partition("@")[0]
    owner = url.partition("//")[2].partition("@")[0]
    with pytest.raises(JournalUnusable, match=r"permission denied .* a database whose owner is the role"):
        await PostgresStore.lead(url.replace(f"//{owner}@", f"//{role}@"))


async def test_an_invalid_address_is_shown_without_its_password() -> None:
    with pytest.raises(JournalUnusable) as caught:
        Address("postgresql://me:secret@host:port/x?what=1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("sqlite", "sqlite"),
        ("postgresql://me@a,b/x", "postgresql://me@a,b/x"),
        ("postgresql://me:se/cr@et@a,b/x", "postgresql://me:***@a,b/x"),
        ("postgresql://me@a/x?sslpassword=secret", "postgresql://me@a/x?sslpassword=***"),
        (
            "postgresql://a/x?user=me&password=secret&sslmode=require",
            "postgresql://a/x?user=me&password=***&sslmode=require",
        ),
    ],
)
def test_passwords_of_addresses_are_hidden(address: str, shown: str) -> None:
    assert hide_password(address) == shown
