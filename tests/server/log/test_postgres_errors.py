"""Errors of a log in PostgreSQL: they name the database, the reason and what to do, and never a password."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from phaseline.errors import DiskFull
from phaseline_server.errors import JournalUnusable, LogUnavailable
from phaseline_server.log.postgres import PostgresStore
from phaseline_server.log.protocol import Standing
from tests.server.conftest import mount, unmount
from tests.support.disks import fill
from tests.support.journals import batch
from tests.support.pgbouncer import pooled
from tests.support.ports import free_port
from tests.support.postgres import Postgres, postgres_folder

pytestmark = pytest.mark.needs("postgres")


@pytest.fixture
def database_folder() -> Iterator[Path]:
    """A directory of the user that runs the database."""
    with postgres_folder() as folder:
        yield folder


def name_in(url: str) -> str:
    """Return the name of the database in an address, which is also that of its owner."""
    return url.rpartition("/")[2]


async def commit_on(store: PostgresStore) -> None:
    """Commit until it fails."""
    while True:
        await store.commit(batch(store.top + 1, store.top + 1000))


async def why_not(url: str) -> str:
    """Return the logged reason why a server can't lead the log at an address."""
    reasons: list[Standing | LogUnavailable] = []
    with trio.CancelScope() as waiting:

        def note(reason: Standing | LogUnavailable) -> None:
            reasons.append(reason)
            waiting.cancel()

        store = await PostgresStore.lead(url, waiting=note)
        await store.close()
    [reason] = reasons
    assert isinstance(reason, LogUnavailable)
    assert "127.0.0.1" not in str(reason)  # clients receive this text
    return reason.cause


async def test_a_wrong_password_is_named_but_not_shown(postgres: Postgres) -> None:
    url = postgres.new_database()
    name = name_in(url)
    postgres.require_password(name, "right")
    where = f"PostgreSQL at 127.0.0.1:{postgres.port}, database {name}: "
    cause = await why_not(url.replace(f"//{name}@", f"//{name}:wrong@"))
    assert cause.startswith(f'{where}127.0.0.1:{postgres.port}: password authentication failed for user "{name}"; ')
    assert "; check the user and the password in --log, PHASELINE_LOG or ~/.pgpass; the server reconnects" in cause
    assert "wrong" not in cause
    assert "no password supplied; check the user and the password" in await why_not(url)
    store = await PostgresStore.lead(url.replace(f"//{name}@", f"//{name}:right@"))
    assert "right" not in store.name
    await store.close()


async def test_a_missing_database_or_role_is_named(postgres: Postgres) -> None:
    url = postgres.new_database()
    name = name_in(url)
    cause = await why_not(f"{url}x")
    assert f'database "{name}x" does not exist; create it with createuser or createdb, or correct --log; ' in cause
    assert 'role "nobody" does not exist; create it' in await why_not(url.replace(f"//{name}@", "//nobody@"))


async def test_hosts_that_do_not_answer_are_all_named() -> None:
    ports = free_port(), free_port()
    hosts = [f"127.0.0.1:{port}" for port in ports]
    cause = await why_not(f"postgresql://me:secret@{','.join(hosts)}/db")
    assert cause.startswith(f"PostgreSQL at {','.join(hosts)}, database db: ")
    assert all(f"{host}: Connection refused" in cause for host in hosts)
    assert cause.endswith("start PostgreSQL, or check the host and the port in --log; the server reconnects by itself")
    assert "secret" not in cause


async def test_a_database_without_tls_is_named(postgres: Postgres) -> None:
    cause = await why_not(f"{postgres.new_database()}?sslmode=require")
    assert "server does not support SSL, but SSL was required; check sslmode" in cause


async def test_too_many_connections_are_named(postgres: Postgres) -> None:
    url = postgres.new_database()
    postgres.query(f"ALTER ROLE {name_in(url)} CONNECTION LIMIT 0")
    assert "too many connections for role" in await why_not(url)


async def test_another_encoding_than_utf8_is_an_error(postgres: Postgres) -> None:
    url = postgres.new_database("ENCODING LATIN1 TEMPLATE template0")
    with pytest.raises(
        JournalUnusable, match=f"database {name_in(url)} has the encoding LATIN1; allowed: UTF8; create"
    ):
        await PostgresStore.lead(url)


@pytest.mark.needs("pgbouncer")
async def test_a_pool_must_give_each_client_a_session(postgres: Postgres, database_folder: Path) -> None:
    url = postgres.new_database()
    with pooled(postgres, database_folder, "session") as port:
        store = await PostgresStore.lead(url.replace(f":{postgres.port}/", f":{port}/"))
        await store.commit(batch(1, 3))
        await store.close()
        store = await PostgresStore.lead(url.replace(f":{postgres.port}/", f":{port}/"))  # its lock was free at once
        assert (store.standing.term, store.top) == (2, 3)
        await store.close()
    with (
        pooled(postgres, database_folder, "transaction") as port,
        pytest.raises(JournalUnusable, match=r"is a pool that shares sessions .* set pool_mode=session, or name"),
    ):
        await PostgresStore.lead(url.replace(f":{postgres.port}/", f":{port}/"))


async def test_a_full_disk_of_the_database_rejects_reports_and_recovers(
    postgres: Postgres, database_folder: Path
) -> None:
    disk = database_folder / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=24m", "tmpfs", disk)
    try:
        (disk / "space").mkdir()
        postgres.own(disk / "space")
        postgres.query(f"CREATE TABLESPACE small LOCATION '{disk / 'space'}'")
        url = postgres.new_database("TABLESPACE small")
        store = await PostgresStore.lead(url)
        filler = fill(disk)
        with pytest.raises(DiskFull, match=r"of the log's database is full: could not extend .*No space left.*; free"):
            await commit_on(store)
        kept = store.top
        filler.unlink()
        await store.commit(batch(kept + 1, kept + 3))
        assert [message.seq for message in await store.events(0, kept + 10)] == list(range(1, kept + 4))
        await store.close()
        postgres.query(f"DROP DATABASE {name_in(url)}")
        postgres.query("DROP TABLESPACE small")
    finally:
        unmount(disk)
