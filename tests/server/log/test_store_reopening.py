"""A log that is closed and opened again."""

from pathlib import Path

import trio

from phaseline_server.log.protocol import Retention
from tests.support.journals import batch
from tests.support.store_cases import Both, found_in, prune_all
from tests.support.stores import OpenStore


async def test_all_committed_data_survives_reopening(open_at: OpenStore, tmp_path: Path) -> None:
    store = await open_at(tmp_path, Retention())
    both = Both(store)
    for step in (("ended", 3, "a"), ("ended", 3, "b"), ("active", 2, "c"), ("learn", 1, "d")):
        await both.do(step)
    epoch, before = store.epoch, await found_in(store, 1, 0)
    await store.close()
    store = await open_at(tmp_path, Retention())
    assert (store.epoch, store.oldest) == (epoch, 1)
    assert await found_in(store, 1, 0) == before
    await store.close()


async def test_removed_data_does_not_return_after_reopening(open_at: OpenStore, tmp_path: Path) -> None:
    store = await open_at(tmp_path, Retention(age_s=100e-9))
    await store.commit(batch(1, 2500, at_ns=1))
    await store.commit(batch(2501, 2510, at_ns=500))
    await prune_all(store, 501)
    await store.close()
    store = await open_at(tmp_path, Retention())
    assert (store.oldest, store.top) == (2501, 2510)
    await store.close()


async def test_a_close_that_is_cancelled_still_releases_the_log(open_at: OpenStore, tmp_path: Path) -> None:
    store = await open_at(tmp_path, Retention())
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.close()
    assert not scope.cancelled_caught
    await (await open_at(tmp_path, Retention())).close()
