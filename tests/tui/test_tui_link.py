"""The link with a real WebSocket server that works, misbehaves, stops and returns."""

from dataclasses import replace

import msgspec
import pytest
import trio

from phaseline_tui.model.connection import LinkState, LinkStatus
from phaseline_tui.model.frames import ConvertedSnapshot, JobMessage, JobProgress, Snapshot
from phaseline_tui.model.jobs import JobView
from phaseline_tui.model.state import ViewState
from tests.support.ports import free_port
from tests.support.tui_jobs import many_jobs, photo_job
from tests.support.tui_links import NEVER_AGAIN, QUICK, Recorder, following, lone_follower, progress
from tests.support.tui_server import PlayedServer


def test_a_link_subscribes_and_receives_the_snapshot_first() -> None:
    with PlayedServer(many_jobs()) as server, following(server.url) as (_, recorder):
        recorder.wait(lambda: len(recorder.frames) > 1)  # in one beat or in two
        first = recorder.frames[0]
        server.wait_subscribed()
        wanted = {"type": "subscribe", "channels": ["jobs", "photos", "system"], "snapshot": True}
        assert server.received == [wanted | {"batch": True, "coalesce_ms": 100}]
        snapshot = recorder.frames[1]
        assert not isinstance(first, Snapshot)
        assert isinstance(snapshot, ConvertedSnapshot)
        assert (len(snapshot.views), snapshot.left_out) == (len(many_jobs()), 0)
        assert recorder.wait_state(LinkState.CONNECTED).reason == ""


def test_the_first_snapshot_is_delivered_at_once() -> None:
    timing = replace(NEVER_AGAIN, batch=3600.0, ping=3600.0, stale=3600.0, dead=7200.0)
    with PlayedServer(many_jobs()) as server, following(server.url, timing=timing) as (_, recorder):
        recorder.wait(lambda: any(isinstance(frame, Snapshot) for frame in recorder.frames))
        recorder.wait_state(LinkState.CONNECTED)
        server.wait_subscribed()
        server.cut()
        recorder.wait_state(LinkState.WAITING)


def test_later_messages_are_received() -> None:
    with PlayedServer() as server, following(server.url) as (_, recorder):
        server.wait_subscribed()
        server.send(progress(40))
        recorder.wait(lambda: any(isinstance(frame, JobProgress) for frame in recorder.frames))
        assert recorder.frames[-1].job_id == "job_1"  # type: ignore[union-attr]


def test_a_server_that_is_down_at_start_is_reported_and_connected_later() -> None:
    port = free_port()
    with following(f"http://127.0.0.1:{port}") as (_, recorder):
        status = recorder.wait_state(LinkState.WAITING)
        assert status.reason == f"no server at http://127.0.0.1:{port}: start one with progress-server"
        assert status.next_try is not None
        recorder.wait(
            lambda: (LinkState.CONNECTING, status.reason) in [(each.state, each.reason) for each in recorder.statuses]
        )
        with PlayedServer(port=port):
            recorder.wait_state(LinkState.CONNECTED)


def test_the_next_server_of_a_log_is_used_at_once_if_one_is_down() -> None:
    with PlayedServer() as server, following(f"127.0.0.1:{free_port()},{server.url}", timing=NEVER_AGAIN) as (_, seen):
        seen.wait_state(LinkState.CONNECTED)
        server.wait_subscribed()
        assert LinkState.WAITING not in {status.state for status in seen.statuses}


def test_of_servers_with_one_log_the_next_is_used_when_one_ends() -> None:
    with PlayedServer() as second, PlayedServer() as first, following(f"{first.url},{second.url}") as (_, recorder):
        first.wait_subscribed()
        recorder.wait_state(LinkState.CONNECTED)
        first.cut()
        second.wait_subscribed()
        recorder.wait_state(LinkState.CONNECTED)
        assert {batch.origin for batch in recorder.batches} == {"127.0.0.1"}


def snapshots_jobs(recorder: Recorder) -> list[JobView]:
    return [job for frame in recorder.frames if isinstance(frame, ConvertedSnapshot) for job in frame.views]


def test_the_link_reconnects_to_a_restarted_server() -> None:
    port = free_port()
    with following(f"http://127.0.0.1:{port}") as (_, recorder):
        with PlayedServer([photo_job("job_1", "a.jpg", 1)], port=port) as server:
            server.wait_subscribed()
            recorder.wait_state(LinkState.CONNECTED)
            server.close(1001)
            reason = "closed the connection (1001): the server is shutting down"
            recorder.wait(lambda: any(reason in status.reason for status in recorder.statuses))
        recorder.wait_state(LinkState.WAITING)
        with PlayedServer([photo_job("job_2", "b.jpg", 1)], port=port) as server:
            # The link may have reconnected to the first server, so the number of snapshots is not known.
            recorder.wait(lambda: any(job.job_id == "job_2" for job in snapshots_jobs(recorder)))


def test_the_link_reconnects_after_a_cut_connection() -> None:
    with PlayedServer() as server, following(server.url) as (_, recorder):
        server.wait_subscribed()
        server.cut()
        server.wait_subscribed()
        recorder.wait_state(LinkState.CONNECTED)
        assert any("no close frame was received" in status.reason for status in recorder.statuses)


def test_the_link_reconnects_after_close_code_4008() -> None:
    with PlayedServer() as server, following(server.url) as (_, recorder):
        server.wait_subscribed()
        server.close(4008, "too slow")
        server.wait_subscribed()
        assert any("this client read too slowly" in status.reason for status in recorder.statuses)


def test_the_link_does_not_retry_after_close_code_4502_until_asked() -> None:
    with PlayedServer() as server, following(server.url) as (link, recorder):
        server.wait_subscribed()
        server.close(4502, "not\x1bhere")
        status = recorder.wait_state(LinkState.STOPPED)
        assert status.reason.endswith("(4502): not\\x1bhere")
        link.retry_now()
        server.wait_subscribed()


GARBAGE: list[str | bytes] = [
    "",
    "{",
    "null",
    "[1, 2]",
    '"job_progress"',
    "{}",
    '{"type": 7}',
    '{"type": "from the future", "x": 1}',
    '{"type": "job_progress"}',
    '{"type": "job_progress", "job_id": 7}',
    "[" * 100_000,
    '{"type": "job_progress", "job_id": "\\ud800"}',
    b"\x00\xff binary",
    b"{}",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_counted_and_later_messages_are_received(garbage: str | bytes) -> None:
    with PlayedServer() as server, following(server.url) as (_, recorder):
        server.wait_subscribed()
        server.send(garbage, progress(1))
        recorder.wait(lambda: any(isinstance(frame, JobProgress) for frame in recorder.frames))
        assert recorder.ignored == (2 if garbage == "[1, 2]" else 1)
        assert recorder.statuses[-1].state is LinkState.CONNECTED


def test_deeply_nested_details_are_harmless() -> None:
    deep = '{"a":' * 5000 + "1" + "}" * 5000
    with PlayedServer() as server, following(server.url) as (_, recorder):
        server.wait_subscribed()
        server.send(f'{{"type": "job_progress", "job_id": "job_2", "details": {deep}}}', progress(1))
        recorder.wait(
            lambda: any(isinstance(frame, JobProgress) and frame.job_id == "job_1" for frame in recorder.frames)
        )
        state = ViewState()
        state.apply(recorder.frames, 1000.0)
        assert ("", "job_1") in state.jobs
        assert recorder.ignored in {0, 1}  # By the version of Python, it is too deep already for the decoder.


def test_a_silent_server_is_pinged() -> None:
    with (
        PlayedServer() as server,
        following(server.url, timing=replace(QUICK, ping=0.02)) as (_, recorder),
    ):
        server.wait_subscribed()
        server.wait_pinged()
        assert LinkState.STALE not in [status.state for status in recorder.statuses]


def test_a_server_that_does_not_answer_is_stale_until_it_sends_again() -> None:
    timing = replace(QUICK, ping=0.03, stale=0.06)
    with PlayedServer(mute=True) as server, following(server.url, timing=timing) as (_, recorder):
        server.wait_subscribed()
        status = recorder.wait_state(LinkState.STALE)
        assert status.reason == f"no data from {server.url}"
        before = len(recorder.statuses)
        recorder.wait_while(
            server.greet_again, lambda: LinkState.CONNECTED in [each.state for each in recorder.statuses[before:]]
        )


def test_a_silent_connection_is_dropped_and_reopened() -> None:
    timing = replace(QUICK, ping=0.02, stale=0.04, dead=0.08)
    with PlayedServer(mute=True) as server, following(server.url, timing=timing):
        server.wait_subscribed()
        server.wait_subscribed()
        assert server.accepted >= 2


def test_retry_now_cuts_the_pause_short() -> None:
    port = free_port()
    with following(f"http://127.0.0.1:{port}", timing=NEVER_AGAIN) as (link, recorder):
        recorder.wait_state(LinkState.WAITING)
        with PlayedServer(port=port) as server:
            link.retry_now()
            server.wait_subscribed()


async def test_the_pauses_grow_up_to_the_maximum() -> None:
    waits: list[float] = []

    def on_status(status: LinkStatus) -> None:
        if status.next_try is not None:
            waits.append(status.next_try - status.since)
            if len(waits) == 5:
                follower.end()

    timing = replace(QUICK, first_retry=0.01, last_retry=0.04)
    follower = lone_follower(f"http://127.0.0.1:{free_port()}", timing, on_status)
    with trio.fail_after(60):
        await follower.follow()
    for wait, longest in zip(waits, (0.01, 0.02, 0.04, 0.04, 0.04), strict=True):
        assert 0.7 * longest <= wait <= longest


def test_newer_progress_of_a_phase_replaces_older_within_a_batch() -> None:
    with PlayedServer() as server, following(server.url) as (_, recorder):
        server.wait_subscribed()
        recorder.wait_state(LinkState.CONNECTED)
        ended = {"type": "stage_completed", "job_id": "job_1", "stage": "importing", "seq": 500}
        error = {"type": "error_occurred", "job_id": "job_1", "stage": "importing", "seq": 399}
        sent = [progress(n) for n in range(299)] + [error, progress(300), progress(9, job_id="job_2")]
        sent += [ended, progress(401, "exporting"), progress(402, "exporting")]
        server.send(msgspec.json.encode(sent).decode())  # in one frame, and so in one batch

        def last() -> bool:
            return any(isinstance(frame, JobProgress) and frame.seq == 502 for frame in recorder.frames)

        recorder.wait(last)
        mine = [frame for frame in recorder.frames if isinstance(frame, JobMessage)]
        about_one = [frame.seq for frame in mine if frame.job_id == "job_1"]
        assert about_one == [398, 399, 400, 500, 502]
        assert len([frame for frame in mine if frame.job_id == "job_2"]) == 1
