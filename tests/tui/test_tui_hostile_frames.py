"""Messages of the server's own encoder, with any of their fields replaced, are decoded, applied and drawn."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phaseline.model.events import (
    EVENTS,
    ErrorOccurred,
    Event,
    JobStarted,
    PhaseCompleted,
)
from phaseline.model.job import Job
from phaseline.model.snapshot import Estimate, Reason
from phaseline.stream import Position
from phaseline.wire import encode_message, encode_snapshot
from phaseline_tui.drawing.detail import detail
from phaseline_tui.drawing.layout import columns_for
from phaseline_tui.drawing.rows import row
from phaseline_tui.drawing.scene import Scene
from phaseline_tui.model.decoding import decode_batch
from phaseline_tui.model.event_log import EventLog
from phaseline_tui.model.events import words_of
from phaseline_tui.model.state import ViewState
from tests.support.core_events import SECOND, WALL, events_before, example_of, moment
from tests.support.examples import examples
from tests.support.tui_jobs import FixedClock

CLOCK = FixedClock()
TOKENS = [
    *("null", "true", "0", "-1", "7", "1e999", "-1e999", "1e308", "NaN", "1.5", "9" * 30, "9" * 5000, "-0.0"),
    *('""', '"x"', '"\\ud800"', '"\\u001b[2J"', '"a\\nb"', '"2026-11-09T18:30:00Z"', '"9999-12-31T23:59:59Z"'),
    *("[]", "{}", "[null]", '[{"name": 1e999}]', '[{"name": "x", "state": 3}]', '[{"text": []}]', '{"x": 1e999}'),
    *("[" * 500 + "]" * 500, "[" * 5000 + "]" * 5000, '{"error": 7}', '"' + "y" * 5000 + '"'),
]
"""JSON values of every kind, valid and not, some of them absurd."""


def encoded_messages() -> Iterator[bytes]:
    """Yield a snapshot with two jobs, and one message of each kind, as the server encodes them."""
    started = JobStarted(
        job_id="job_1", photo_id=456, photo_info={"iso": 800}, phases=("a", "b"), series="s", orders=("cancel",)
    )
    error = ErrorOccurred(job_id="job_1", error_type="oops", text="no disk", details={"free": 0})
    job = job_after(started, PhaseCompleted(job_id="job_1", phase="a"), error)
    estimate = Estimate(40.0, 6 * SECOND, phase_percent=33.0)
    why = Reason(1, 9 * SECOND, "b is 1.6x its usual length: +9.0 s")
    described = [job.snapshot(moment(10), estimate, {"a": 2 * SECOND}, (why,)) for _ in range(2)]
    yield encode_snapshot(described, Position("e1", 7), 1, recovered=None)
    for kind in EVENTS:
        event = example_of(kind)
        job = job_after(*events_before(kind, started), event)
        yield encode_message(event, job.snapshot(moment(3), estimate, {}), 8, "e1", WALL)


def job_after(*events: Event) -> Job:
    job = Job("job_1")
    for second, each in enumerate(events):
        job.apply(each, moment(second))
    return job


MESSAGES: list[Any] = [json.loads(each) for each in encoded_messages()]


def places_in(value: Any) -> list[tuple[Any, Any]]:
    """Return each place in a JSON value, as its container and its key or index there."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in [(value, key), *places_in(value[key])]]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Return a message of the server with up to four values replaced, in its text."""
    whole = [copy.deepcopy(draw(st.sampled_from(MESSAGES)))]
    tokens = draw(st.lists(st.sampled_from(TOKENS), min_size=1, max_size=4))
    for number in range(len(tokens)):
        container, key = draw(st.sampled_from(places_in(whole)))
        container[key] = f"@{number}@"
    text = json.dumps(whole[0])
    for number, token in enumerate(tokens):
        text = text.replace(f'"@{number}@"', token)
    return text


def show(*texts: str) -> ViewState:
    """Decode, apply and draw the messages, as the view does."""
    state, log = ViewState(), EventLog()
    for text in texts:
        frames, ignored = decode_batch(text)
        assert frames or ignored or not text.strip("[]")  # an empty batch holds nothing
        state.apply(frames, 1000.0)
        log.add(frames, "", 1.0)
    columns, scene = columns_for(120), Scene(1001.0, 1.0, CLOCK.local)
    for job in state.jobs.values():
        assert all(text.isprintable() for text, _ in row(job, columns, scene))
        detail(job, 80, scene)
        assert state.filter.keeps(job)
    for event in log.shown():
        assert all(text.isprintable() for text in words_of(event.frame))
    return state


@pytest.mark.slow
@settings(max_examples=examples(400))
@given(st.lists(mutated(), min_size=1, max_size=4), st.booleans())
def test_mutated_messages_never_end_the_view(texts: list[str], as_array: bool) -> None:
    show(*([f"[{','.join(texts)}]"] if as_array else texts))


@pytest.mark.parametrize("beside", ["1e999", "-1e999", "9" * 400])
def test_a_number_out_of_range_beside_a_field_of_a_wrong_type_loses_only_these_fields(beside: str) -> None:
    job = f'{{"job_id": "a", "series": "s", "percent": "half", "elapsed_seconds": {beside}}}'
    state = show(f'{{"type": "snapshot", "jobs": [{job}, {{"job_id": "b"}}]}}')
    assert [(each.job_id, each.series) for each in state.jobs.values()] == [("a", "s"), ("b", "")]


@pytest.mark.parametrize("beside", ["9" * 5000, "[" * 900 + "]" * 900])
def test_a_job_that_cannot_be_decoded_does_not_affect_other_jobs(beside: str) -> None:
    job = f'{{"job_id": "a", "percent": "half", "result": {beside}}}'
    state = show(f'{{"type": "snapshot", "jobs": [{job}, {{"job_id": "b"}}]}}')
    assert "b" in [each.job_id for each in state.jobs.values()]


def test_a_message_that_is_not_json_is_dropped() -> None:
    assert not decode_batch('{"type": "snapshot", "jobs": [{"job_id": "b"}], "seq": NaN}')[0]


def test_a_message_nested_too_deeply_does_not_stop_the_view() -> None:
    deep = "[" * 5000 + "]" * 5000  # how deep it goes depends on the version of Python
    frames, _ = decode_batch(f'{{"type": "snapshot", "jobs": [{{"job_id": "b"}}], "seq": {deep}}}')
    state = ViewState()
    state.apply(frames, 1000.0)
    assert {key.job_id for key in state.jobs} <= {"b"}
