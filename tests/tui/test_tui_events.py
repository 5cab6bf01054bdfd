"""The event log and its view."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from phaseline_tui.app.app import ProgressApp
from phaseline_tui.app.live_data import LiveData
from phaseline_tui.drawing.themes import DARK
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.model.connection import Batch
from phaseline_tui.model.event_log import EventLog
from phaseline_tui.model.events import words_of
from phaseline_tui.model.frames import JobMessage
from phaseline_tui.model.jobs import JobKey
from tests.support.tui_events import stream
from tests.support.tui_hosts import several, several_batches
from tests.support.tui_jobs import FixedClock, connected, frame, many_jobs, photo_job
from tests.support.tui_links import progress
from tests.support.tui_pilot import looks, text_of

Compare = Callable[..., bool]


def filled(text: str = "", most: int = 5000, *, folds: bool = False) -> EventLog:
    log = EventLog(most, folds=folds)
    log.set_filter(text)
    for batch in stream():
        log.add(batch.frames, "box", batch.received, lambda key: f"name of {key.job_id}")
    return log


def kinds(log: EventLog) -> list[str]:
    return [words_of(event.frame).kind for event in log.shown()]


def test_facts_are_shown_as_text() -> None:
    data = {"exif": {"camera_make": "NIKON", "iso": 800.0, "flash": False}, "tags": ["sea", None], "size": 12}
    words = words_of(frame({"type": "photo_info", "job_id": "j", "photo_data": data}))
    assert (words.kind, words.text) == ("facts", "exif camera_make NIKON, iso 800, flash no · tags sea, — · size 12")


def test_only_the_last_events_are_kept_and_all_are_counted() -> None:
    log = filled(most=4)
    assert kinds(log) == ["failed", "cancelled", "completed", "server"]
    assert log.total == 14


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("state:failed", ["error", "failed"]),
        ("phase:export", ["progress"]),
        ("id:job_33", ["started", "skipped", "cancelled"]),
        ('"48 mb"', ["progress"]),
        ("server:box completed", ["completed"]),
        ("server:elsewhere", []),
        ('"not known"', ["server"]),
    ],
)
def test_the_job_filter_applies_to_events(text: str, expected: list[str]) -> None:
    assert kinds(filled(text)) == expected, "as they come"
    log = filled()
    log.set_filter(text)
    assert kinds(log) == expected, "afterwards"


def test_the_texts_of_a_message_are_clean() -> None:
    hostile = "\x1b]52;c;aGk=\x07\x1b[2J\u202egnp.exe\r\n[/red]"
    for kind, field in (
        ("job_progress", "message"),
        ("job_progress", "stage"),
        ("error_occurred", "error_message"),
        ("error_occurred", "error_type"),
        ("error_occurred", "stage"),
        ("stage_completed", "stage"),
    ):
        words = words_of(frame({"type": kind, "job_id": "j", field: hostile}))
        assert all(text.isprintable() for text in words), words
        assert "\u202e" not in "".join(words)
    for message in (
        {"type": "job_failed", "job_id": "j", "result": {"error": hostile}},
        {"type": "photo_info", "job_id": "j", "photo_data": {hostile: hostile}},
        {"type": "error", "error": hostile},
    ):
        assert all(text.isprintable() for text in words_of(frame(message)))
    log = EventLog()
    log.add([frame({"type": "job_progress", "job_id": hostile})], "box", 0.0)
    key = log.shown()[0].key
    assert key is not None
    assert key.job_id.isprintable()


def test_events_keep_the_names_of_their_jobs() -> None:
    log = filled()
    assert log.shown()[0].name == "name of job_31"
    assert log.shown()[0].key == JobKey("box", "job_31")
    assert log.shown()[-1].key is None


def test_the_progress_of_a_job_is_one_line_until_something_else_happens_to_it() -> None:
    log = EventLog(most=10)
    ended = frame({"type": "stage_completed", "job_id": "a", "stage": "importing"})
    for number, job_id in enumerate("aabab"):
        log.add([frame(progress(number, job_id=job_id))], "box", 0.0)
    log.add([ended, frame(progress(9, job_id="a"))], "box", 0.0)
    assert [(event.number, event.folded) for event in log.shown()] == [(4, 2), (5, 1), (6, 0), (7, 0)]
    log.fold(folds=False)
    assert [event.number for event in log.shown()] == [1, 2, 3, 4, 5, 6, 7]
    assert {event.folded for event in log.shown()} == {0}
    log.fold(folds=True)
    log.set_filter("id:b")
    assert [(event.number, event.folded) for event in log.shown()] == [(5, 1)]


def test_folded_lines_are_dropped_with_their_event() -> None:
    log = EventLog(most=3)
    for number in range(9):
        log.add([frame(progress(number, job_id="abc"[number % 3]))], "box", 0.0)
        assert log.shown() is log.shown()
    for number in range(3):
        log.add([frame({"type": "error", "error": f"{number}"})], "box", 0.0)
    assert kinds(log) == ["server"] * 3


def test_z_shows_all_progress_and_the_cursor_stays_on_its_event() -> None:
    async def main() -> None:
        app = one(DARK)
        async with app.run_test(size=(100, 20)) as pilot:
            app.receive(connected(many_jobs()))
            await _fill(pilot, app)
            for number in range(5):
                app.receive(_progress(number))
            await pilot.pause()
            assert "5 reports" in text_of(app)
            assert "16 of 20" in text_of(app)
            assert "z all progress" in text_of(app)
            await pilot.press("k", "k")
            await pilot.pause()
            (line,) = [line for line in text_of(app).splitlines() if line.startswith("▌")]
            await pilot.press("z")
            await pilot.pause()
            assert "20 of 20" in text_of(app)
            assert "z fold progress" in text_of(app)
            assert [each for each in text_of(app).splitlines() if each.startswith("▌")] == [line]

    asyncio.run(main())


def test_pending_events_are_dropped_and_counted_too() -> None:
    log = EventLog(most=4, folds=False)
    for number in range(10):
        log.add([frame(progress(3 * number + each)) for each in range(3)], "box", float(number))
    assert [event.frame.seq for event in log.shown() if isinstance(event.frame, JobMessage)] == [126, 127, 128, 129]
    assert log.total == 30


def test_an_event_keeps_its_name_after_the_job_was_removed() -> None:
    data = LiveData((ServerAddress.parse("http://127.0.0.1:5100"),), FixedClock(), fold_after=900.0)
    data.apply([connected([photo_job("job_1", "DSC_0001.NEF", 2)])])
    data.apply([Batch((frame(progress(1)),), 1001.0)])
    data.apply([connected([])])
    assert [(event.key, event.name) for event in data.events.shown()] == [
        (None, ""),
        (JobKey(data.labels[0], "job_1"), "DSC_0001.NEF"),
        (None, ""),
    ]


async def _fill(pilot: Pilot[Any], app: ProgressApp) -> None:
    app.receive(*(batch for batch in stream()))
    await pilot.press("4")
    await pilot.pause()


def one(theme: str | None = None) -> ProgressApp:
    return ProgressApp(ServerAddress.parse("http://127.0.0.1:5100"), clock=FixedClock(), theme=theme, connect=False)


def test_the_cursor_follows_the_end_until_it_is_moved_and_again_after_f() -> None:
    async def main() -> None:
        app = one(DARK)
        async with app.run_test(size=(100, 20)) as pilot:
            app.receive(connected(many_jobs()))
            await _fill(pilot, app)
            await pilot.press("z")
            for number in range(30):
                app.receive(_progress(number))
            await pilot.pause()
            assert " 29% " in text_of(app)
            await pilot.press("k")
            for number in range(30, 60):
                app.receive(_progress(number))
            await pilot.pause()
            assert " 59% " not in text_of(app)
            await pilot.press("f")
            await pilot.pause()
            assert " 59% " in text_of(app)
            await pilot.press("slash", *"state:failed", "enter")
            await pilot.pause()
            assert "the card was taken out" in text_of(app)
            assert " 59% " not in text_of(app)
            await pilot.press("escape")
            await pilot.pause()
            assert app.screen is app.screen_stack[0]

    asyncio.run(main())


def _progress(number: int) -> Batch:
    return Batch((frame(progress(number, job_id="job_31")),), 1000.0)


@looks
def test_events(snap_compare: Compare, theme: str, size: tuple[int, int]) -> None:
    app = one(theme)

    async def before(pilot: Pilot[Any]) -> None:
        app.receive(connected(many_jobs()))
        await _fill(pilot, app)
        await pilot.press("k", "k", "k")
        await pilot.pause()

    assert snap_compare(app, run_before=before, terminal_size=size)


def test_events_of_several_servers(snap_compare: Compare) -> None:
    app = several(DARK)

    async def before(pilot: Pilot[Any]) -> None:
        app.receive(*several_batches(app), *stream(app.data.labels[0])[:6], *stream(app.data.labels[2])[6:])
        await pilot.press("4")
        await pilot.pause()

    assert snap_compare(app, run_before=before, terminal_size=(160, 40))
