"""`GET /progress/servers`: the servers that share a log list one another."""

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog.testing
import trio

from phaseline import __version__
from phaseline_server.config.settings import Settings
from phaseline_server.door import open_listeners
from phaseline_server.errors import LogUnavailable
from phaseline_server.log.postgres import PostgresStore
from phaseline_server.log.protocol import Standing
from phaseline_server.runtime.entrance import Entrance
from tests.server.runtime.test_following import leader_and_follower
from tests.server.runtime.test_shared_log import folder, report_until_accepted
from tests.support.crashing import Crashing, crashing
from tests.support.postgres import Postgres

Listed = dict[str, dict[str, Any]]


async def listed(box: Crashing) -> Listed:
    """Return the servers that a server lists, by their addresses."""
    answer = await box.get("/progress/servers")
    assert answer["count"] == len(answer["servers"])
    return {server["address"]: server for server in answer["servers"]}


async def when_listed(box: Crashing, is_there: Callable[[Listed], bool]) -> Listed:
    """Return the list of a server once `is_there` is true of it."""
    with trio.fail_after(60):
        while True:
            try:
                found = await listed(box)
            except (httpx.TransportError, AssertionError):  # it begins to lead
                found = {}
            if found and is_there(found):
                return found
            await trio.lowlevel.checkpoint()


async def test_a_server_with_its_own_log_lists_itself(tmp_path: Path) -> None:
    async with crashing(tmp_path) as box:
        answer = await box.get("/progress/servers")
        assert answer["epoch"] == (await box.get("/ws/status"))["position"]["epoch"]
        [server] = answer["servers"]
        assert server.pop("seen").endswith("Z")
        assert server == {
            "address": box.server.url,
            "role": "single",
            "term": 0,
            "lagSeconds": 0.0,
            "version": __version__,
            "silentSeconds": 0.0,
            "answers": True,
        }


@pytest.mark.slow
@pytest.mark.needs("postgres")
async def test_servers_list_one_another_and_show_a_lost_one_as_away(postgres: Postgres, tmp_path: Path) -> None:
    async with leader_and_follower(postgres, tmp_path) as (one, other):
        first, second = one.server.url, other.server.url
        for box in (one, other):
            found = await when_listed(box, lambda found: found.get(second, {}).get("lagSeconds") == 0)
            assert {address: (each["role"], each["term"]) for address, each in found.items()} == {
                first: ("leader", 1),
                second: ("follower", 1),
            }
            assert [address for address, each in found.items() if each["answers"]] == [box.server.url]
            assert all(each["silentSeconds"] < 3 for each in found.values())
        epochs = {(await box.get("/progress/servers"))["epoch"] for box in (one, other)}
        assert len(epochs) == 1
        await one.kill()
        await report_until_accepted(other, 1)
        found = await when_listed(other, lambda found: found[first]["role"] == "away")
        assert (found[second]["role"], found[second]["term"]) == ("leader", 2)
        assert (found[first]["lagSeconds"], found[first]["silentSeconds"] > 3) == (None, True)


@pytest.mark.parametrize(
    ("bind", "log", "advertise", "warns"),
    [
        ("0.0.0.0:0", "postgresql://db/phaseline", "", True),
        ("[::]:0", "postgresql://db/phaseline", "", True),
        ("0.0.0.0:0", "postgresql://db/phaseline", "http://box-1:8080", False),
        ("0.0.0.0:0", "sqlite", "", False),
        ("127.0.0.1:0", "postgresql://db/phaseline", "", False),
    ],
)
async def test_a_server_warns_of_a_listen_address_at_which_others_cannot_reach_it(
    bind: str, log: str, advertise: str, *, warns: bool
) -> None:
    listeners = await open_listeners([bind], explicit=True)
    port = listeners[0].socket.getsockname()[1]
    with structlog.testing.capture_logs() as logs:
        Entrance(Settings(bind=(bind,), log=log, advertise=advertise), listeners, trio.TASK_STATUS_IGNORED)
    for listener in listeners:
        listener.socket.close()
    advice = f"pass --advertise http://HOST:{port}, with a name or address of this machine"
    assert [entry["advice"] for entry in logs] == [advice] * warns


@pytest.mark.slow
@pytest.mark.needs("postgres")
async def test_servers_without_their_database_are_behind_and_know_of_no_other(
    own_postgres: Postgres, tmp_path: Path
) -> None:
    async with leader_and_follower(own_postgres, tmp_path) as boxes:
        addresses = {box.server.url for box in boxes}
        for box in boxes:
            await when_listed(box, lambda found: found.keys() == addresses)
        own_postgres.stop(signal.SIGQUIT)
        for box, other in (boxes, reversed(boxes)):
            first, second = box.server.url, other.server.url

            def is_behind(found: Listed, own: str = first, other: str = second) -> bool:
                return bool(found[own]["lagSeconds"] > 3 and found[other]["role"] == "away")

            found = await when_listed(box, is_behind)
            assert found[first]["role"] in {"leader", "follower"}
            assert (found[second]["role"], found[second]["lagSeconds"]) == ("away", None)
            assert (await box.get("/health"))["lagSeconds"] >= found[first]["lagSeconds"]


@pytest.mark.slow
@pytest.mark.needs("postgres")
async def test_a_server_that_starts_again_is_listed_once(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.new_database()
    flags = ("--log", url, "--advertise", "http://box-2:8080")
    async with crashing(folder(tmp_path, "one"), "--log", url) as one:
        await report_until_accepted(one, 0)
        async with crashing(folder(tmp_path, "other"), *flags) as other:
            await when_listed(one, lambda found: found.get("http://box-2:8080", {}).get("lagSeconds") == 0)
            await other.kill()
        await when_listed(one, lambda found: found["http://box-2:8080"]["role"] == "away")
        async with crashing(folder(tmp_path, "other"), *flags):
            await when_listed(one, lambda found: found["http://box-2:8080"]["role"] == "follower")
            with trio.fail_after(60):
                while (await one.get("/progress/servers"))["count"] != 2:
                    await trio.lowlevel.checkpoint()


@pytest.mark.needs("postgres")
async def test_a_log_of_the_first_version_gets_the_list(postgres: Postgres) -> None:
    store = await PostgresStore.lead(postgres.old_log(1), server="http://one")
    with trio.move_on_after(60) as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.attend)
            while not store.standing.members:
                await trio.lowlevel.checkpoint()
            scope.cancel()
    assert [(each.address, each.role, each.answers) for each in store.standing.members] == [
        ("http://one", "leader", True)
    ]
    await store.close()


@pytest.mark.needs("postgres")
async def test_a_server_waits_for_a_leader_of_the_first_version(postgres: Postgres) -> None:
    url = postgres.new_database()
    leader = await PostgresStore.lead(url, server="http://one")
    postgres.query("DROP TABLE phaseline.servers", url.rpartition("/")[2])
    reasons: list[Standing | LogUnavailable] = []
    with trio.move_on_after(60) as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(PostgresStore.lead, url, server="http://other", waiting=reasons.append))
            while len(reasons) < 2:
                await trio.lowlevel.checkpoint()
            scope.cancel()
    assert set(reasons) == {Standing("follower", 1, "http://one")}
    await leader.close()
