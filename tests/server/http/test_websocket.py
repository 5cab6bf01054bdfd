"""`/ws`: messages and replies, a stream without gaps, and clients that do not affect one another."""

import json
from pathlib import Path

import pytest
import trio
from trio_websocket import ConnectionClosed, open_websocket_url

from phaseline.model.events import Event, JobCompleted, JobProgress, JobStarted, PhaseCompleted, PhotoInfo
from phaseline.protocol import GOING_AWAY
from phaseline.stream import Message
from phaseline_server.fanout.frames import arrays
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.pictures import helpers
from tests.support.listening import Said, listening
from tests.support.pictures import ask
from tests.support.servers import serving


def tracker() -> Tracker:
    """Return the tracker of the server in this process."""
    return helpers._running[-1][1]


async def progress(*percents: float, job_id: str = "a", text: str = "") -> None:
    for percent in percents:
        await tracker().report(JobProgress(job_id=job_id, phase="importing", progress=percent, text=text))


# ------------------------------------------------------------------ question and answer


async def test_the_first_message_has_the_position(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, listening(client) as one, listening(client) as two:
        assert list(one.welcome) == ["type", "client_id", "server_time", "epoch", "protocol", "features"]
        assert one.welcome["protocol"] == 1
        assert one.welcome["epoch"] == two.welcome["epoch"] == tracker().log.top.epoch
        assert one.welcome["client_id"] != two.welcome["client_id"]
        assert one.welcome["server_time"].endswith("Z")


async def test_subscriptions_are_confirmed_with_channels_and_position(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, listening(client) as listener:
        await tracker().report(JobStarted(job_id="a"))
        position = {"epoch": listener.welcome["epoch"], "seq": 1}
        confirmed = await listener.subscribe("jobs", "photos")
        assert confirmed == {"type": "subscription_confirmed", "channels": ["jobs", "photos"], "position": position}
        assert (await listener.subscribe("job:a", "jobs"))["channels"] == ["job:a", "jobs", "photos"]
        await listener.send("unsubscribe", channels=["jobs", "nothing"])
        assert await listener.receive() == {"type": "unsubscription_confirmed", "channels": ["job:a", "photos"]}
        assert (await ask(client, "/health"))["subscribers"] == 1


async def test_a_subscription_without_channels_gets_the_usual_channels(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, listening(client) as listener:
        await listener.send("subscribe")
        assert (await listener.receive())["channels"] == ["jobs", "photos", "system"]


async def test_register_ping_and_auth_are_answered(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, listening(client) as listener:
        await listener.send("register", client_type="tui", client_name="me", anything="else")
        me = listener.welcome["client_id"]
        assert await listener.receive() == {"type": "registration_confirmed", "client_id": me, "client_type": "tui"}
        await listener.send("ping")
        assert list(await listener.receive("pong")) == ["type", "server_time"]
        await listener.send("auth", token="x")
        await listener.receive("auth_confirmed")


async def test_no_message_arrives_without_a_subscription(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, listening(client) as listener:
        await tracker().report(JobStarted(job_id="a"))
        await listener.send("ping")
        await listener.receive("pong")


# ------------------------------------------------------------------ channels


async def test_each_channel_carries_its_own_messages_once(tmp_path: Path) -> None:
    wanted = {
        ("jobs",): ["job_started a", "job_started b", "job_progress a", "job_completed b"],
        ("photos",): ["photo_info a", "photo_info b"],
        ("job:b",): ["job_started b", "photo_info b", "job_completed b"],
        ("system",): [],
        ("jobs", "photos", "job:a"): [
            "job_started a",
            "job_started b",
            "job_progress a",
            "photo_info a",
            "photo_info b",
            "job_completed b",
        ],
    }
    async with serving(tmp_path) as client:
        for channels, expected in wanted.items():
            async with listening(client, *channels) as listener:
                for job_id in "ab":
                    await tracker().report(JobStarted(job_id=job_id))
                await progress(10)
                for job_id in "ab":
                    await tracker().report(PhotoInfo(job_id=job_id, data={}))
                await tracker().report(JobCompleted(job_id="b"))
                await listener.send("ping")
                received = (await listener.receive_until("pong"))[:-1]
                assert [f"{message['type']} {message['job_id']}" for message in received] == expected
            await tracker().report(JobCompleted(job_id="a"))


async def test_the_number_of_channels_is_limited(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, listening(client, "jobs") as listener:
        for number in range(2):
            await listener.send("subscribe", channels=[f"job:{number}/{each}" for each in range(600)])
        await listener.receive("subscription_confirmed")
        error = await listener.receive("error")
        assert error["code"] == "INVALID_FIELD"
        assert error["error"] == "channels is '1201 in total'; allowed: 1000 subscribed at a time"


# ------------------------------------------------------------------ the state, and the stream behind it


@pytest.mark.slow
async def test_the_stream_continues_at_the_position_of_the_snapshot(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, trio.open_nursery() as nursery:
        await tracker().report(JobStarted(job_id="a"))

        async def work() -> None:
            percent = 0.0
            while True:
                percent += 0.001
                await progress(percent)
                await trio.lowlevel.checkpoint()

        nursery.start_soon(work)
        for _ in range(5):
            async with listening(client) as listener:
                await listener.send("subscribe", channels=["jobs"], snapshot=True)
                confirmed = await listener.receive("subscription_confirmed")
                snapshot = await listener.receive("snapshot")
                assert list(snapshot) == ["type", "epoch", "seq", "server_time", "today", "jobs"]
                assert confirmed["position"] == {"epoch": snapshot["epoch"], "seq": snapshot["seq"]}
                [job] = snapshot["jobs"]
                assert job["seq"] == snapshot["seq"]
                assert job["progress"] == pytest.approx(0.001 * (snapshot["seq"] - 1), abs=0.01)
                following = [(await listener.receive("job_progress"))["seq"] for _ in range(50)]
                assert following == list(range(snapshot["seq"] + 1, snapshot["seq"] + 51))
        nursery.cancel_scope.cancel()


async def test_the_snapshot_holds_every_job_and_is_empty_when_there_is_none(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        async with listening(client, "jobs", snapshot=True) as listener:
            assert (await listener.receive("snapshot"))["jobs"] == []
        for job_id in "abc":
            await tracker().report(JobStarted(job_id=job_id))
        await tracker().report(JobCompleted(job_id="b"))
        async with listening(client, "jobs", snapshot=True) as listener:
            reported = {job["job_id"]: job for job in (await listener.receive("snapshot"))["jobs"]}
        assert {name: job["state"] for name, job in reported.items()} == {
            "a": "active",
            "b": "completed",
            "c": "active",
        }
        rest = (await ask(client, "/progress/job/b"))["job_status"]
        assert reported["b"] == rest


async def test_a_client_that_reconnects_receives_all_missed_messages(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await tracker().report(JobStarted(job_id="a"))
        async with listening(client, "jobs") as listener:
            await progress(1, 2)
            last = [await listener.receive() for _ in range(2)][-1]
        await progress(3, 4)
        await tracker().report(PhotoInfo(job_id="a", data={}))
        await progress(5)
        since = {"epoch": last["epoch"], "seq": last["seq"]}
        async with listening(client) as listener:
            # A client that gets all messages needs no snapshot.
            confirmed = await listener.subscribe("jobs", since=since, snapshot=True)
            assert (confirmed["recovered"], confirmed["position"]) == (True, since)
            await progress(6)
            received = [await listener.receive("job_progress") for _ in range(4)]
            assert [message["progress"] for message in received] == [3, 4, 5, 6]
            assert [message["seq"] for message in received] == [4, 5, 7, 8]
        async with listening(client) as listener:
            top = {"epoch": last["epoch"], "seq": 8}
            assert (await listener.subscribe("jobs", since=top))["recovered"] is True
            await progress(7)
            assert (await listener.receive())["seq"] == 9


async def test_a_gap_is_reported_and_filled_by_a_snapshot(tmp_path: Path) -> None:
    async with serving(tmp_path, history=3) as client:
        await tracker().report(JobStarted(job_id="a"))
        await progress(1, 2, 3, 4)
        epoch = tracker().log.top.epoch
        for since in ({"epoch": epoch, "seq": 99}, {"epoch": "other", "seq": 5}):
            async with listening(client) as listener:
                confirmed = await listener.subscribe("jobs", since=since)
                assert confirmed["recovered"] is False
                assert confirmed["position"]["epoch"] == epoch
                snapshot = await listener.receive("snapshot")
                assert (snapshot["recovered"], snapshot["seq"]) == (False, confirmed["position"]["seq"])
                assert len(snapshot["jobs"]) == 1
                await progress(9)
                assert (await listener.receive())["seq"] == snapshot["seq"] + 1


# ------------------------------------------------------------------ pace and form


async def test_coalescing_only_drops_superseded_progress(tmp_path: Path) -> None:
    events: list[Event] = [JobStarted(job_id=job_id) for job_id in "ab"]
    for percent in range(100):
        events += [JobProgress(job_id=job_id, phase="importing", progress=percent) for job_id in "ab"]
        if percent % 10 == 0:
            events.append(PhaseCompleted(job_id="a", phase="exif_analysis"))
    events += [JobCompleted(job_id=job_id) for job_id in "ba"]
    async with serving(tmp_path) as client, listening(client, "jobs", coalesce_ms=50) as listener:
        await (await tracker().take_all(events)).wait()  # together, and so within one coalescing interval
        received: list[Said] = []
        while [message["type"] for message in received].count("job_completed") < 2:
            received.append(await listener.receive())
        kinds = [message["type"] for message in received]
        assert (kinds.count("job_started"), kinds.count("stage_completed")) == (2, 10)
        assert kinds.count("job_progress") < 100
        last = {message["job_id"]: message["progress"] for message in received if message["type"] == "job_progress"}
        assert last == {"a": 99, "b": 99}
        numbers = [message["seq"] for message in received]
        assert numbers == sorted(set(numbers))


async def test_a_batch_is_an_array_of_messages_in_order(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, listening(client) as listener:
        await tracker().report(JobStarted(job_id="a"))
        await listener.send("subscribe", channels=["jobs"], batch=True, snapshot=True)
        received: list[Said] = []
        while len(received) < 2:
            received += await listener.frame()
        await progress(*range(100))
        await listener.send("ping")
        while received[-1]["type"] != "pong":
            frame = await listener.frame()
            assert isinstance(frame, list)
            received += frame
        assert [message["type"] for message in received[:2]] == ["subscription_confirmed", "snapshot"]
        assert [message["seq"] for message in received[2:-1]] == list(range(2, 102))


def test_a_large_batch_is_split() -> None:
    messages = [Message(seq, "x", "a", frozenset(), b'"%d%s"' % (seq, b"x" * 100_000)) for seq in range(1, 11)]
    frames = list(arrays(m.payload for m in messages))
    assert [each for frame in frames for each in json.loads(frame)] == [json.loads(m.payload) for m in messages]
    assert max(map(len, frames)) < 400_000
    assert len(frames) == 4
    assert list(arrays([])) == []


async def test_a_client_that_connects_during_shutdown_is_closed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing = trio.Event()  # as of an app that another one replaces; the door stays open
    monkeypatch.setattr("phaseline_server.runtime.entrance.Reception.closing", closing)
    async with serving(tmp_path) as client:
        async with listening(client) as listener:
            closing.set()
            assert (await listener.wait_closed())[0] == GOING_AWAY
        address = f"{str(client.base_url).rstrip('/').replace('http', 'ws', 1)}/ws"
        async with open_websocket_url(address) as socket:
            with trio.fail_after(20), pytest.raises(ConnectionClosed) as closed:
                await socket.get_message()
            await trio.aclose_forcefully(socket._stream)  # trio-websocket leaves it open when the server closes first
    assert closed.value.reason is not None
    assert closed.value.reason.code == GOING_AWAY
