"""The pass that a server shows to the leader of a shared log, for a client that has sent a ticket."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from trio.testing import MockClock

from phaseline_server.access.secret_sources import SharedSecrets
from phaseline_server.access.server_pass import ServerPass
from phaseline_server.errors import LogUnavailable
from phaseline_server.log.engines import open_secrets
from tests.support.postgres import Postgres

pytestmark = pytest.mark.needs("postgres")


@pytest.fixture
def log(postgres: Postgres) -> Iterator[tuple[str, SharedSecrets]]:
    """The name of a new database, and the secrets of its log."""
    url = postgres.new_database()
    with closing(open_secrets(url)) as store:
        store.read({})
        yield url.rpartition("/")[2], SharedSecrets(store, Path("none"))


@pytest.mark.slow
async def test_a_pass_is_stored_as_its_hash_and_renewed(
    postgres: Postgres, log: tuple[str, SharedSecrets], mock_clock: MockClock
) -> None:
    name, secrets = log
    follower, leader = ServerPass(secrets), ServerPass(secrets)
    text = await follower.show()
    assert await follower.show() == text
    assert await leader.accepts(text)
    assert not await leader.accepts(f"{text}x")
    [(stored,)] = postgres.query("SELECT sha256 FROM phaseline.tickets", name)
    assert text not in str(stored)
    mock_clock.jump(301)
    renewed = await follower.show()
    assert renewed != text
    assert await leader.accepts(renewed)
    assert await leader.accepts(text)  # for requests in flight


async def test_a_pass_that_a_crash_of_the_database_lost_is_replaced(
    postgres: Postgres, log: tuple[str, SharedSecrets], mock_clock: MockClock
) -> None:
    name, secrets = log
    follower, leader = ServerPass(secrets), ServerPass(secrets)
    text = await follower.show()
    assert await leader.accepts(text)
    postgres.query("TRUNCATE phaseline.tickets", name)
    assert await leader.accepts(text)  # the leader remembers it for a minute
    mock_clock.jump(61)
    assert not await leader.accepts(text)
    follower.forget(text)
    assert await leader.accepts(await follower.show())


async def test_a_server_whose_log_is_not_shared_has_no_pass_and_accepts_none() -> None:
    alone = ServerPass(None)
    assert not await alone.accepts("php_x")
    with pytest.raises(LogUnavailable):
        await alone.show()
