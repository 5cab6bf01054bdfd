"""Logs in PostgreSQL that older versions wrote: the first server that leads migrates them, and loses nothing."""

import psycopg
import pytest

from phaseline.model.record import decode_job
from phaseline.model.snapshot import Moment
from phaseline.model.states import State
from phaseline_server.errors import LogUnavailable
from phaseline_server.log.postgres import PostgresSecrets, PostgresStore
from phaseline_server.log.postgres.leadership import lock_of
from phaseline_server.log.postgres.schema import VERSION
from tests.support.postgres import Postgres

pytestmark = pytest.mark.needs("postgres")

OLD = range(1, VERSION)


def layout(postgres: Postgres, url: str) -> list[tuple[object, ...]]:
    """Return the columns, indexes and options of all tables."""
    name = url.rpartition("/")[2]
    columns = postgres.query(
        "SELECT table_name, column_name, data_type, is_nullable, collation_name FROM information_schema.columns "
        "WHERE table_schema = 'phaseline' ORDER BY 1, 2",
        name,
    )
    relations = postgres.query(
        "SELECT relname, relkind, relpersistence, reloptions FROM pg_class "
        "WHERE relnamespace = 'phaseline'::regnamespace AND relkind IN ('r', 'i') ORDER BY 1",
        name,
    )
    return [*columns, *relations]


@pytest.mark.parametrize("version", OLD)
async def test_a_log_of_an_old_version_keeps_its_events_and_jobs(postgres: Postgres, version: int) -> None:
    url = postgres.old_log(version)
    store = await PostgresStore.lead(url)
    try:
        messages = await store.events(0, 100)
        assert [message.seq for message in messages] == [1, 2, 3, 4, 5]
        assert [message.job_id for message in messages] == ["done"] * 3 + ["running"] * 2
        kept = await store.load(0, 100)
        jobs = [decode_job(record, Moment(0, 0), same_clock=False) for record in kept.records]
        assert {job.job_id: job.state for job in jobs} == {"running": State.ACTIVE, "done": State.COMPLETED}
        assert len(kept.producers) == 2
        assert store.standing.term == 2
    finally:
        await store.close()
    fresh = postgres.new_database()
    await (await PostgresStore.lead(fresh)).close()
    assert layout(postgres, url) == layout(postgres, fresh)


@pytest.mark.parametrize("version", OLD)
async def test_the_command_line_only_migrates_a_log_without_a_leader(postgres: Postgres, version: int) -> None:
    url = postgres.old_log(version)
    secrets = PostgresSecrets(url)
    with psycopg.connect(url, autocommit=True) as leader:
        leader.execute("SELECT pg_advisory_lock(%s, %s)", lock_of("phaseline"))
        with pytest.raises(LogUnavailable, match="has an older version"):
            secrets.read({})
    assert secrets.read({}) == {}
    secrets.close()
    version_now = postgres.query("SELECT value FROM phaseline.meta WHERE key = 'version'", url.rpartition("/")[2])
    assert version_now == [(str(VERSION),)]
