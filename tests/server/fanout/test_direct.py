"""Subscribers with a sink: messages are framed once for all, in order, at the subscriber's pace, or it is ended."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from phaseline.model.events import JobProgress, JobStarted
from phaseline.protocol import SLOW, UNAUTHORIZED
from phaseline.stream import JOBS, PHOTOS
from phaseline_server.fanout.broadcaster import Broadcaster
from phaseline_server.fanout.direct import DirectSubscriber
from phaseline_server.fanout.frames import text_frame
from phaseline_server.pictures import helpers
from tests.support.listening import listening
from tests.support.servers import serving
from tests.support.sinks import Heap, seqs
from tests.support.tracking import message


@contextmanager
def attached(broadcaster: Broadcaster, *channels: str, queue: int = 10) -> Iterator[tuple[DirectSubscriber, Heap]]:
    heap = Heap()
    with broadcaster.attach(heap, channels or [JOBS], queue) as subscriber:
        yield subscriber, heap


def test_a_message_is_encoded_once_for_all_subscribers() -> None:
    broadcaster, heaps = Broadcaster(), (Heap(), Heap())
    with broadcaster.attach(heaps[0], [JOBS], 10), broadcaster.attach(heaps[1], ["job:a"], 10):
        broadcaster.publish(message(1))
        broadcaster.publish(*map(message, range(2, 12)))
        assert [len(heap.written) for heap in heaps] == [2, 2]
        for first, second in zip(heaps[0].written, heaps[1].written, strict=True):
            assert first is second
        assert heaps[0].written[0] == text_frame(b'{"seq":1}')
        assert seqs(heaps[0]) == list(range(1, 12))
        assert broadcaster.statistics().delivered == 22


def test_subscribers_get_their_channels_of_a_bundle_and_equal_selections_share_frames() -> None:
    broadcaster, heaps = Broadcaster(), [Heap() for _ in range(5)]
    with (
        broadcaster.attach(heaps[0], [JOBS], 10),
        broadcaster.attach(heaps[1], [JOBS], 10),
        broadcaster.attach(heaps[2], [PHOTOS], 10),
        broadcaster.attach(heaps[3], [JOBS, PHOTOS], 10) as confined,
        broadcaster.attach(heaps[4], [JOBS], 10) as arrays,
    ):
        confined.admits = lambda job_id: job_id == "b"
        arrays.form(batch=True, coalesce_s=0)
        broadcaster.publish(message(1, "a"), message(2, "b", "photo_info", PHOTOS), message(3, "b"))
        assert [seqs(heap) for heap in heaps[:4]] == [[1, 3], [1, 3], [2], [2, 3]]
        assert heaps[0].written[0] is heaps[1].written[0]
        assert heaps[4].payloads == [[{"seq": 1}, {"seq": 3}]]


CHANGES = st.one_of(
    st.tuples(st.just("channels"), st.frozensets(st.sampled_from([JOBS, PHOTOS, "job:a", "job:b"]))),
    st.tuples(st.just("admits"), st.sampled_from(["a", "b", None])),
    st.tuples(st.just("batch"), st.booleans()),
    st.tuples(st.just("end"), st.none()),
)
PUBLISHED = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([JOBS, PHOTOS])), min_size=1, max_size=3)


@given(st.lists(st.one_of(st.tuples(st.integers(0, 3), CHANGES), PUBLISHED), max_size=30))
def test_a_changed_subscription_applies_from_the_next_message(
    steps: list[tuple[int, tuple[str, object]] | list[tuple[str, str]]],
) -> None:
    broadcaster, seq, heaps = Broadcaster(), 0, [Heap() for _ in range(4)]
    with ExitStack() as stack:
        subscribers = [stack.enter_context(broadcaster.attach(heap, [JOBS], 1000)) for heap in heaps]
        expected: list[list[int]] = [[], [], [], []]
        for step in steps:
            if isinstance(step, list):
                messages = [message(seq := seq + 1, job_id, "x", channel) for job_id, channel in step]
                for subscriber, into in zip(subscribers, expected, strict=True):
                    into += [m.seq for m in messages if not subscriber.slow and subscriber.wants(m)]
                broadcaster.publish(*messages)
                continue
            number, (what, value) = step
            change(subscribers[number], what, value)
        assert [seqs(heap) for heap in heaps] == expected


def change(subscriber: DirectSubscriber, what: str, value: object) -> None:
    """Change a setting of a subscriber, or end it."""
    if what == "channels":
        assert isinstance(value, frozenset)
        subscriber.channels = value
    elif what == "admits":
        subscriber.admits = None if value is None else lambda job_id: job_id == value
    elif what == "batch":
        subscriber.form(batch=bool(value), coalesce_s=0)
    else:
        subscriber.end()


def test_replies_and_messages_are_sent_in_order() -> None:
    broadcaster = Broadcaster()
    with attached(broadcaster) as (subscriber, heap):
        broadcaster.publish(message(1))
        subscriber.put(message(0), message(0))
        broadcaster.publish(message(2))
        subscriber.form(batch=False, coalesce_s=5)
        broadcaster.publish(message(3), message(4, kind="stage_completed"), message(5))
        subscriber.put(message(0))
        assert seqs(heap) == [1, 0, 0, 2, 4, 5, 0]


def test_a_full_sink_ends_its_subscriber_and_no_other() -> None:
    broadcaster = Broadcaster()
    heaps = Heap(), Heap()
    with broadcaster.attach(heaps[0], [JOBS], 10) as slow, broadcaster.attach(heaps[1], [JOBS], 10) as quick:
        heaps[0].full = True
        for seq in (1, 2):
            broadcaster.publish(message(seq))
        assert heaps[0].closed[0] == (SLOW, True)
        assert (slow.slow, seqs(heaps[0])) == (True, [])
        assert (quick.slow, seqs(heaps[1]), heaps[1].closed) == (False, [1, 2], [])
        assert not slow.put(message(0))
        now = broadcaster.statistics()
        assert (now.subscribers, now.ended_slow, now.delivered) == (1, 1, 2)


async def test_coalescing_sends_the_latest_progress_of_each_job_once_per_interval(
    autojump_clock: trio.testing.MockClock,
) -> None:
    broadcaster = Broadcaster()
    with attached(broadcaster, queue=100) as (subscriber, heap):
        subscriber.form(batch=True, coalesce_s=1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(subscriber.run_pace)
            for seq in range(1, 41):
                broadcaster.publish(message(seq, "ab"[seq % 2]))
                await trio.sleep(0.1)
            await trio.sleep(1)
            assert 4 <= len(heap.payloads) <= 5
            assert heap.payloads[-1] == [{"seq": 39}, {"seq": 40}]
            await trio.sleep(60)
            assert len(heap.payloads) <= 5
            nursery.cancel_scope.cancel()


def test_a_subscriber_that_ends_during_a_write_does_not_affect_others() -> None:
    broadcaster = Broadcaster()
    with ExitStack() as stack:
        listeners, heaps = [], []
        for _ in range(100):
            subscriber, heap = stack.enter_context(attached(broadcaster, queue=1))
            heaps.append(heap)
            subscriber.form(batch=False, coalesce_s=60)
            heaps[-1].full = True
            listeners.append(stack.enter_context(broadcaster.subscribe([JOBS], 10)))
        broadcaster.publish(message(1, kind="stage_completed"))
        broadcaster.publish(message(2, kind="stage_completed"))
        assert [heap.closed[0] for heap in heaps] == [(SLOW, True)] * 100
        assert [listener.queued for listener in listeners] == [2] * 100
        now = broadcaster.statistics()
        assert (now.subscribers, now.ended_slow) == (100, 100)


def test_messages_gathered_for_coalescing_are_bounded() -> None:
    broadcaster = Broadcaster()
    with attached(broadcaster) as (subscriber, heap):
        subscriber.form(batch=False, coalesce_s=60)
        for seq in range(1, 1000):
            broadcaster.publish(message(seq))
        assert heap.written == []
        for seq in range(1000, 1020):
            broadcaster.publish(message(seq, kind="stage_completed"))
        assert 11 <= len(seqs(heap)) <= 22


def test_a_revoked_grant_closes_the_sink_and_drops_its_queue() -> None:
    with attached(Broadcaster()) as (subscriber, heap):
        subscriber.end()
        assert heap.closed == [(UNAUTHORIZED, True)]


async def test_coalescing_keeps_the_latest_progress_of_each_job_and_everything_else() -> None:
    broadcaster, heap = Broadcaster(), Heap()
    kinds = ["job_started", "job_progress", "job_progress", "stage_completed", "job_progress", "job_completed"]
    stream = [message(n * 2 + k + 1, job_id, kind) for n, kind in enumerate(kinds) for k, job_id in enumerate("ab")]
    with broadcaster.attach(heap, [JOBS], 100) as subscriber:
        subscriber.form(batch=False, coalesce_s=60)
        broadcaster.publish(*stream)
        subscriber.flush()
    kept = [each.seq for each in stream if each.type != "job_progress"] + [9, 10]
    assert seqs(heap) == sorted(kept)


async def test_a_client_reports_subscribes_resumes_and_batches(tmp_path: Path) -> None:
    await converse(tmp_path)


async def converse(data_dir: Path) -> None:
    """Report, subscribe, resume, and batch, over `/ws`."""
    async with serving(data_dir) as client, listening(client, "jobs") as watcher, listening(client) as worker:
        tracker = helpers._running[-1][1]
        await worker.send("register", client_type="worker", acks=True)
        await worker.receive("registration_confirmed")
        start = {"epoch": watcher.welcome["epoch"], "seq": 0}
        report = {"job_id": "a", "producer": "me"}
        reports: list[dict[str, object]] = [{"type": "job_started", "producer_seq": 1, **report}]
        reports += [
            {"type": "job_progress", "stage": "importing", "progress": n, "producer_seq": n, **report} for n in (2, 3)
        ]
        await worker.socket.send_message(json.dumps(reports))
        acks = [await worker.receive() for _ in reports]
        assert [ack["seq"] for ack in acks] == [1, 2, 3]
        assert [(await watcher.receive())["seq"] for _ in reports] == [1, 2, 3]
        async with listening(client) as other:
            await other.send("subscribe", channels=["jobs"], batch=True, since=start)
            received: list[int] = []
            await tracker.report(JobProgress(job_id="a", phase="importing", progress=50))
            while not received or received[-1] < 4:
                received += [entry["seq"] for entry in await other.frame() if "seq" in entry]
            assert received == [1, 2, 3, 4]
        await tracker.report(JobStarted(job_id="b"))
        assert (await watcher.receive("job_progress"))["seq"] == 4
        assert (await watcher.receive("job_started"))["job_id"] == "b"
