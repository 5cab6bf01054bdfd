"""Several servers: the merged list and the status of each connection."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from textual.pilot import Pilot

from phaseline_tui.app.app import ProgressApp
from phaseline_tui.drawing.themes import DARK
from phaseline_tui.model.address import ServerAddress, labels
from phaseline_tui.model.connection import Batch, LinkState, LinkStatus
from phaseline_tui.model.frames import JobProgress
from phaseline_tui.model.hosts import HostView
from phaseline_tui.model.jobs import JobKey
from tests.support.ports import free_port
from tests.support.tui_hosts import several, several_batches
from tests.support.tui_jobs import photo_job
from tests.support.tui_links import NEVER_AGAIN, following, progress
from tests.support.tui_pilot import looks, text_of, until
from tests.support.tui_server import GREETING, PlayedServer

Compare = Callable[..., bool]


def test_every_server_has_a_unique_label() -> None:
    given = ["http://a:1", "http://a:2", "ssh://c", "ssh://u@d", "ssh://v@d", "b", "b"]
    assert labels([ServerAddress.parse(each) for each in given]) == [
        "a:1", "a:2", "c", "u@d", "v@d", "http://b:5100", "http://b:5100 (2)"
    ]  # fmt: skip


def test_one_thread_follows_several_servers_independently() -> None:
    away = f"http://127.0.0.1:{free_port()}"
    with (
        PlayedServer() as first,
        PlayedServer() as second,
        PlayedServer(status=403) as closed,
        following(first.url, away, second.url, closed.url) as (links, recorder),
    ):
        names = labels([ServerAddress.parse(url) for url in (first.url, away, second.url, closed.url)])
        recorder.wait_state(LinkState.CONNECTED, names[0])
        recorder.wait_state(LinkState.CONNECTED, names[2])
        assert "denied access" in recorder.wait_state(LinkState.STOPPED, names[3]).reason
        recorder.wait(lambda: any("no server at" in each.reason for each in recorder.statuses_of(names[1])))
        for server in (first, second):
            server.wait_subscribed()
        second.cut()
        first.send(progress(7))
        recorder.wait(lambda: any(isinstance(frame, JobProgress) for frame in recorder.frames))
        [batch] = [batch for batch in recorder.batches if any(isinstance(each, JobProgress) for each in batch.frames)]
        assert batch.origin == names[0]
        assert all(each.state is not LinkState.WAITING for each in recorder.statuses_of(names[0]))
        links.retry_now(names[3])
        recorder.wait(lambda: [each.state for each in recorder.statuses_of(names[3])].count(LinkState.STOPPED) == 2)


def test_addresses_of_one_log_are_one_server_that_uses_all_of_them() -> None:
    one_log = GREETING | {"epoch": "same"}
    with (
        PlayedServer([photo_job("job_1", "a.jpg", 1)], greeting=one_log) as first,
        PlayedServer([photo_job("job_1", "a.jpg", 1)], greeting=one_log) as second,
    ):

        async def main() -> None:
            app = ProgressApp([ServerAddress.parse(first.url), ServerAddress.parse(second.url)], theme=DARK)
            async with app.run_test(size=(120, 30)) as pilot:
                await until(pilot, lambda: len(app.data.hosts) == 1)
                await until(pilot, lambda: len(app.state.jobs) == 1)
                used = first if first.received else second
                used.close()
                other = second if used is first else first
                await until(pilot, lambda: bool(other.received))
                await until(pilot, lambda: app.data.status.state is LinkState.CONNECTED)
                assert (len(app.state.jobs), len(app.data.labels)) == (1, 1)

        asyncio.run(main())


def test_a_server_with_another_log_than_the_one_before_is_named() -> None:
    with PlayedServer() as first, PlayedServer() as second, following(f"{first.url},{second.url}") as (_, recorder):
        first.wait_subscribed()
        separate = f"{second.url} and {first.url} do not share a log; the jobs of "
        at_once = f"{separate}{second.url} are not listed; separate the addresses"
        recorder.wait(lambda: recorder.statuses[-1].reason.startswith(at_once))
        assert recorder.statuses[-1].state is LinkState.CONNECTED
        first.cut()
        second.wait_subscribed()
        recorder.wait(lambda: recorder.statuses[-1].state is LinkState.CONNECTED)
        assert recorder.statuses[-1].reason.startswith(f"{separate}{first.url} are not listed")


def test_batches_of_several_servers_in_one_tick_are_delivered_together() -> None:
    with (
        PlayedServer() as first,
        PlayedServer() as second,
        following(first.url, second.url, timing=replace(NEVER_AGAIN, batch=0.3)) as (_, recorder),
    ):
        for server in (first, second):
            server.wait_subscribed()
        recorder.wait(lambda: sum(status.state is LinkState.CONNECTED for status in recorder.statuses) == 2)
        for number in range(200):
            for server in (first, second):
                server.send(progress(number))
        recorder.wait(lambda: sum(getattr(frame, "seq", None) == 299 for frame in recorder.frames) == 2)
        kinds = [[type(frame) for frame in batch.frames].count(JobProgress) for batch in recorder.batches]
        assert max(kinds) == 1, "of progress in one phase the newest of a beat counts"
        assert sum(batch.messages for batch in recorder.batches) >= 400, "the others are counted"


def test_the_delay_of_each_connection_is_measured() -> None:
    with PlayedServer() as server, following(server.url, timing=replace(NEVER_AGAIN, ping=0.01)) as (_, recorder):
        recorder.wait(lambda: len([batch for batch in recorder.batches if batch.delay is not None]) >= 3)
        assert all(batch.delay >= 0 for batch in recorder.batches if batch.delay is not None)


def test_a_host_counts_connections_and_forgets_its_rate() -> None:
    host = HostView("a", ServerAddress.parse("http://a"))
    up = LinkStatus(LinkState.CONNECTED, since=1.0)
    host.apply(Batch((), 1.0, up, messages=30, size=6000, delay=0.02))
    assert (host.connections, host.delay, host.rates(2.0)) == (1, 0.02, (3.0, 600.0))
    host.apply(Batch((), 2.0, LinkStatus(LinkState.STALE, "quiet", 1.0)))
    host.apply(Batch((), 3.0, up))
    assert host.connections == 1, "a stale one that speaks again is the same"
    host.apply(Batch((), 4.0, LinkStatus(LinkState.WAITING, "gone", 4.0)))
    assert host.delay is None
    host.apply(Batch((), 5.0, up))
    assert (host.connections, host.rates(20.0), host.silence(21.0)) == (2, (0.0, 0.0), 20.0)


def test_jobs_of_two_real_servers_are_listed_together_under_separate_keys() -> None:
    with (
        PlayedServer([photo_job("job_1", "a.jpg", 1)]) as first,
        PlayedServer([photo_job("job_1", "b.jpg", 1)]) as second,
    ):

        async def main() -> None:
            app = ProgressApp([ServerAddress.parse(first.url), ServerAddress.parse(second.url)], theme=DARK)
            async with app.run_test(size=(120, 30)) as pilot:
                await until(pilot, lambda: len(app.state.jobs) == 2)
                assert set(app.state.jobs) == {JobKey(label, "job_1") for label in app.data.labels}
                await until(pilot, lambda: "a.jpg" in text_of(app) and "b.jpg" in text_of(app))
                await pilot.press("5")
                await until(pilot, lambda: text_of(app).count("connected") >= 2 and "ms" in text_of(app))

        asyncio.run(main())


@looks
def test_servers(snap_compare: Compare, theme: str, size: tuple[int, int]) -> None:
    keys = {80: ("tab", "j"), 120: ("tab", "G"), 200: ()}[size[0]]
    app = several(theme)

    async def before(pilot: Pilot[Any]) -> None:
        app.receive(*several_batches(app))
        await pilot.press("5", *keys)
        await pilot.pause()

    assert snap_compare(app, run_before=before, terminal_size=size)
