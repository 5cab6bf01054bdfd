"""The secrets of a shared log: documents change one after the other, and a ticket is accepted once."""

import stat
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from phaseline_server.access.grant import Scope
from phaseline_server.access.links import Links
from phaseline_server.access.secret_files import SecretFile
from phaseline_server.access.secret_sources import SharedSecrets
from phaseline_server.access.tokens import TokenFile, Tokens
from phaseline_server.errors import LogUnavailable
from phaseline_server.log.engines import copy_log, open_secrets
from phaseline_server.log.postgres import PostgresSecrets
from phaseline_server.log.secret_store import SecretStore, document_of
from phaseline_server.log.sqlite import SqliteStore
from tests.support.postgres import Postgres, postgres_server

pytestmark = pytest.mark.needs("postgres")


@pytest.fixture
def pair(postgres: Postgres) -> Iterator[tuple[SecretStore, SecretStore]]:
    """The secrets of one log, opened by two servers."""
    url = postgres.new_database()
    with closing(open_secrets(url)) as one, closing(open_secrets(url)) as other:
        yield one, other


def test_a_change_is_read_by_others_and_nothing_is_read_twice(pair: tuple[SecretStore, SecretStore]) -> None:
    one, other = pair
    assert one.read({}) == {}
    written = one.change(lambda _: {"tokens": b"one"})
    found = other.read({})
    assert found == written
    assert found["tokens"].content == b"one"
    assert other.read(found) is found
    one.change(lambda present: {"tokens": present["tokens"] + b", two", "links": b"x"})
    assert {name: revision.content for name, revision in other.read(found).items()} == {
        "tokens": b"one, two",
        "links": b"x",
    }


def test_changes_at_once_are_all_kept(pair: tuple[SecretStore, SecretStore]) -> None:
    def add(number: int) -> None:
        def change(present: Mapping[str, bytes]) -> Mapping[str, bytes]:
            return {"tokens": present.get("tokens", b"") + b"%d," % number}

        pair[number % 2].change(change)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(16)))
    content = pair[0].read({})["tokens"].content
    assert sorted(content.decode().strip(",").split(","), key=int) == [str(number) for number in range(16)]


def test_a_change_that_fails_changes_nothing(pair: tuple[SecretStore, SecretStore]) -> None:
    def fail(_: Mapping[str, bytes]) -> Mapping[str, bytes]:
        raise KeyError

    pair[0].change(lambda _: {"tokens": b"one"})
    with pytest.raises(KeyError):
        pair[0].change(fail)
    assert pair[1].read({})["tokens"].content == b"one"


def test_a_ticket_is_accepted_once_by_any_server_until_it_expires(pair: tuple[SecretStore, SecretStore]) -> None:
    one, other = pair
    one.add_ticket("client", "a", "holder", 30)
    one.add_ticket("client", "late", "holder", 0)
    one.add_ticket("server", "b", "", 30)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda number: pair[number % 2].take_ticket("a"), range(16)))
    assert sorted(map(str, taken)) == ["None"] * 15 + ["holder"]
    assert other.take_ticket("late") is None
    assert other.take_ticket("b") is None  # a server's ticket, which no client can use
    assert [other.has_server_ticket(key) for key in ("a", "b", "b")] == [False, True, True]


def change_on(secrets: SecretStore) -> None:
    """Change until it fails: each of PostgreSQL's processes notices a new configuration at another time."""
    while True:
        secrets.change(lambda _: {"tokens": b"two"})


@pytest.mark.slow
def test_tickets_do_not_wait_for_the_standby_server_and_changes_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phaseline_server.log.postgres.secret_store._PATIENCE_S", 0.5)
    with postgres_server() as postgres, closing(PostgresSecrets(postgres.new_database())) as secrets:
        before = secrets.change(lambda _: {"tokens": b"one"})
        postgres.set(synchronous_standby_names="nobody")
        with pytest.raises(LogUnavailable):
            change_on(secrets)
        secrets.add_ticket("client", "a", "holder", 30)
        assert secrets.take_ticket("a") == "holder"
        postgres.set(synchronous_standby_names="")
        deadline = time.monotonic() + 60
        while (found := secrets.read(before)) is before:  # the commits that waited become visible
            assert time.monotonic() < deadline
        assert found["tokens"].content == b"two"


async def test_a_copy_of_a_log_has_its_tokens_and_links_and_keeps_those_of_the_target(
    postgres: Postgres, tmp_path: Path
) -> None:
    url, first, last = postgres.new_database(), tmp_path / "first", tmp_path / "last"
    for folder in (first, last):
        folder.mkdir()
    file = TokenFile(first)
    tokens = [file.create(Scope.ADMIN)[1], file.create(Scope.READ, "shot-")[1]]
    _, link = await Links(SecretFile(first, "links"), lambda _: True).create("a", tokens[0].id, 60)
    await (await SqliteStore.open(first)).close()
    with closing(open_secrets(url)) as store:
        store.change(lambda _: {"tokens": document_of("tokens", [{"sha256": "0" * 64, "scope": "read"}])})
        _, counts = copy_log(str(first), url)
        assert (counts["tokens"], counts["links"]) == (2, 1)
        shared = SharedSecrets(store, tmp_path)
        shared.take(shared.read())
        known = Tokens(shared.document("tokens")).read() or ()
        assert [token.sha256 for token in known] == ["0" * 64, *(token.sha256 for token in tokens)]
        assert known[2].grant == tokens[1].grant
    copy_log(url, str(last))
    assert TokenFile(last).read() == known
    assert Links(SecretFile(last, "links"), lambda _: True).of("a") == [link]
    assert stat.S_IMODE((last / "tokens.json").stat().st_mode) == 0o600
