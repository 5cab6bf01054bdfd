"""Decoding returns the encoded messages unchanged."""

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phaseline.model.events import EVENTS, Event, Finding, JobDismissed, OrderGiven, Report
from phaseline.model.states import PhaseState, State
from phaseline.stream import Position
from phaseline.wire import (
    Auth,
    JobStatus,
    Ping,
    Register,
    StageStatus,
    Subscribe,
    Unsubscribe,
    decode_client,
    encode_event,
)
from phaseline.wire import decode_json as decode_any
from phaseline.wire.message import CompletedStage
from phaseline.wire.status import ErrorStatus, ReasonStatus
from tests.support.core_events import (
    any_event,
    counts,
    events_of,
    json_objects,
    labels,
    names,
    numbers,
    photo_ids,
    texts,
)

LIMIT = 10_000_000
REPORTS: tuple[type[Event], ...] = get_args(Report)

positions = st.builds(Position, epoch=texts, seq=counts)
channels = st.lists(names, max_size=4).map(tuple)
seconds = st.floats(0, 1e9)
maybe_seconds = st.none() | seconds
subscriptions = st.builds(
    Subscribe,
    channels=channels,
    snapshot=st.booleans(),
    since=st.none() | positions,
    coalesce_ms=st.integers(0, 60_000),
    batch=st.booleans(),
)
stages = st.builds(
    StageStatus,
    name=names,
    state=st.sampled_from([str(state) for state in PhaseState]),
    started_at=st.none() | texts,
    elapsed_seconds=seconds,
    average_seconds=maybe_seconds,
    progress=st.none() | numbers,
    error=texts,
)
errors = st.builds(
    ErrorStatus,
    error_type=names,
    error_message=texts,
    error_details=json_objects,
    stage=st.none() | names,
    timestamp=texts,
)
reasons = st.builds(ReasonStatus, at=texts, change_seconds=st.floats(-1e9, 1e9), text=texts)
completed = st.builds(CompletedStage, stage=names, completed_at=texts, result=st.none() | json_objects)
statuses = st.builds(
    JobStatus,
    job_id=names,
    photo_id=photo_ids,
    photo_info=json_objects,
    current_stage=labels,
    progress=numbers,
    elapsed_seconds=seconds,
    stages_completed=st.lists(
        st.builds(CompletedStage, stage=names, completed_at=texts, result=json_objects), max_size=3
    ),
    workflow=labels,
    name=labels,
    worker=json_objects,
    done=st.none() | st.floats(0, 1e18),
    total=st.none() | st.floats(0, 1e18),
    unit=labels,
    rate=maybe_seconds,
    series=labels,
    host=labels,
    state=st.sampled_from([str(state) for state in State]),
    percent=numbers,
    eta_seconds=maybe_seconds,
    eta_low_seconds=maybe_seconds,
    eta_high_seconds=maybe_seconds,
    eta_basis=st.sampled_from(["history", "similar", "progress", "none"]),
    eta_runs=counts,
    stage_index=counts,
    stage_count=counts,
    message=texts,
    started_at=texts,
    completed_at=st.none() | texts,
    success=st.none() | st.booleans(),
    result=st.none() | json_objects,
    duration=maybe_seconds,
    cache_hit=st.booleans(),
    seq=counts,
    stages=st.lists(stages, max_size=2),
    errors=st.lists(errors, max_size=2),
    eta_reasons=st.lists(reasons, max_size=2),
    reason=st.none() | st.sampled_from(["silent", "worker gone"]),
    silent_seconds=maybe_seconds,
    start_eta_seconds=maybe_seconds,
)


def test_every_event_is_a_report_or_the_servers_own_finding() -> None:
    # A user dismisses jobs and gives orders with separate requests.
    assert {*REPORTS, *get_args(Finding), JobDismissed, OrderGiven} == set(EVENTS)


@given(st.one_of([events_of(kind) for kind in REPORTS]))
def test_a_report_survives_encoding_and_decoding(event: Event) -> None:
    assert decode_client(encode_event(event), LIMIT) == event


@given(any_event)
def test_every_event_survives_encoding_and_decoding(event: Event) -> None:
    assert msgspec.json.decode(encode_event(event), type=type(event)) == event


@given(st.one_of([events_of(kind) for kind in REPORTS]))
def test_a_frame_of_text_is_read_as_its_bytes_are(event: Event) -> None:
    assert decode_client(encode_event(event).decode(), LIMIT) == event


@given(positions)
def test_a_position_survives_encoding_and_decoding(position: Position) -> None:
    assert msgspec.json.decode(msgspec.json.encode(position), type=Position) == position


@given(subscriptions)
def test_a_subscription_survives_encoding_and_decoding(subscription: Subscribe) -> None:
    assert decode_client(msgspec.json.encode(subscription), LIMIT) == subscription


@pytest.mark.slow
@given(statuses)
def test_a_job_status_survives_encoding_and_decoding(status: JobStatus) -> None:
    assert msgspec.json.decode(msgspec.json.encode(status), type=JobStatus) == status


@given(json_objects)
def test_any_json_survives_encoding_and_decoding(value: dict[str, object]) -> None:
    assert decode_any(msgspec.json.encode(value), LIMIT) == value


@pytest.mark.parametrize(
    "message",
    [
        Ping(),
        Auth(token="secret"),
        Unsubscribe(channels=("jobs",)),
        Register(client_type="lightroom", client_name="mine", acks=True),
        Subscribe(),
    ],
    ids=lambda message: type(message).__name__,
)
def test_other_client_messages_survive_encoding_and_decoding(message: msgspec.Struct) -> None:
    assert decode_client(msgspec.json.encode(message), LIMIT) == message


def test_every_optional_field_has_a_default() -> None:
    assert decode_client(b'{"type":"subscribe"}', LIMIT) == Subscribe(channels=("jobs", "photos", "system"))
    assert decode_client(b'{"type":"register"}', LIMIT) == Register(client_type="", client_name="", acks=False)


def test_an_event_has_the_names_of_the_photo_protocol_on_the_wire() -> None:
    sent = b'{"type":"job_progress","job_id":"j","stage":"importing","progress":25,"message":"m","details":{"a":1}}'
    event = decode_client(sent, LIMIT)
    assert isinstance(event, Event)
    assert (event.type, event) == ("job_progress", decode_client(encode_event(event), LIMIT))
    assert msgspec.json.decode(encode_event(event)) == {
        "type": "job_progress",
        "job_id": "j",
        "producer": None,
        "producer_seq": None,
        "age_seconds": 0.0,
        "stage": "importing",
        "progress": 25.0,
        "done": None,
        "total": None,
        "unit": "",
        "message": "m",
        "details": {"a": 1},
        "photo_id": None,
    }


@pytest.mark.parametrize("field", ["details", "result", "photo_info", "photo_data", "error_details", "metrics"])
def test_an_empty_list_is_read_as_an_empty_object_for_lua(field: str) -> None:
    kinds = {
        "details": '"job_progress","stage":"importing"',
        "result": '"job_completed"',
        "photo_info": '"job_started"',
        "photo_data": '"photo_info"',
        "error_details": '"error_occurred","error_type":"x","error_message":"y"',
        "metrics": '"processing_metrics"',
    }
    frame = f'{{"type":{kinds[field]},"job_id":"j","{field}":%s}}'
    assert decode_client(frame % "[]", LIMIT) == decode_client(frame % "{}", LIMIT)
