"""Fields that decoding rejects: the errors name the field, the value and the allowed values."""

import json
from typing import Any, get_args

import pytest

from phaseline.errors import InvalidField, PhaselineError
from phaseline.wire import ClientMessage, decode_client

LIMIT = 65_536

JOB = {"job_id": "j"}
ANSWER = JOB | {"order_id": "o", "order": "cancel"}
REPORTED: dict[str, dict[str, Any]] = {
    "job_queued": JOB,
    "job_started": JOB,
    "job_progress": JOB | {"stage": "importing"},
    "stage_completed": JOB | {"stage": "importing"},
    "photo_info": JOB | {"photo_data": {}},
    "error_occurred": JOB | {"error_type": "x", "error_message": "y"},
    "job_completed": JOB,
    "job_failed": JOB,
    "job_cancelled": JOB,
    "order_taken": ANSWER,
    "order_refused": ANSWER,
    "processing_metrics": JOB,
    "register": {},
    "subscribe": {},
    "unsubscribe": {"channels": ["jobs"]},
    "auth": {"token": "t"},
    "follow": {},
    "ping": {},
    "host_status": {"host": "box"},
}
VALUES: dict[str, Any] = {
    "null": None,
    "bool": True,
    "int": 5,
    "float": 2.5,
    "str": "text",
    "list": [1],
    "object": {"a": 1},
}
TAKES: dict[str, str] = {
    "job_id": "str",
    "producer": "str null",
    "producer_seq": "int null",
    "age_seconds": "int float",
    "name": "str",
    "worker": "object",
    "done": "int float null",
    "total": "int float null",
    "unit": "str",
    "photo_id": "int str null",
    "photo_info": "object",
    "workflow": "str null",
    "phases": "",
    "series": "str",
    "host": "str",
    "cache_hit": "bool",
    "queue": "str",
    "position": "int null",
    "orders": "",
    "order_id": "str",
    "order": "",
    "stage": "str",
    "progress": "int float null",
    "message": "str",
    "details": "object",
    "result": "object",
    "skipped": "bool",
    "photo_data": "object",
    "error_type": "str",
    "error_message": "str",
    "error_details": "object",
    "success": "bool",
    "duration": "int float null",
    "reason": "str",
    "metrics": "object",
    "client_type": "str",
    "client_name": "str",
    "acks": "bool",
    "channels": "",
    "snapshot": "bool",
    "since": "null",
    "coalesce_ms": "int",
    "batch": "bool",
    "token": "str",
    "load": "int float null",
    "processors": "int null",
    "memory_used": "int null",
    "memory_total": "int null",
    "gpus": "",
}
EVENT_FIELDS = ["job_id", "producer", "producer_seq", "age_seconds"]
BEGINNING_FIELDS = [
    *("name", "photo_id", "photo_info", "workflow", "phases", "series", "host", "worker", "queue", "orders"),
]
FIELDS: dict[str, list[str]] = {
    "job_queued": [*EVENT_FIELDS, *BEGINNING_FIELDS, "position"],
    "job_started": [*EVENT_FIELDS, *BEGINNING_FIELDS, "cache_hit"],
    "job_progress": [*EVENT_FIELDS, "stage", "progress", "done", "total", "unit", "message", "details", "photo_id"],
    "stage_completed": [*EVENT_FIELDS, "stage", "result", "skipped", "photo_id"],
    "photo_info": [*EVENT_FIELDS, "photo_data", "photo_id"],
    "error_occurred": [*EVENT_FIELDS, "error_type", "error_message", "error_details", "stage", "photo_id"],
    "job_completed": [*EVENT_FIELDS, "result", "success", "duration", "photo_id"],
    "job_failed": [*EVENT_FIELDS, "result", "success", "duration", "photo_id"],
    "job_cancelled": [*EVENT_FIELDS, "reason"],
    "order_taken": [*EVENT_FIELDS, "order_id", "order"],
    "order_refused": [*EVENT_FIELDS, "order_id", "order", "reason"],
    "processing_metrics": [*EVENT_FIELDS, "metrics", "photo_id"],
    "register": ["client_type", "client_name", "acks", "producer"],
    "subscribe": ["channels", "snapshot", "since", "coalesce_ms", "batch"],
    "unsubscribe": ["channels"],
    "auth": ["token"],
    "follow": ["since"],
    "ping": [],
    "host_status": ["host", "load", "processors", "memory_used", "memory_total", "gpus", "producer_seq"],
}


def refusal(frame: str) -> PhaselineError:
    with pytest.raises(PhaselineError) as refused:
        decode_client(frame, LIMIT)
    return refused.value


def takes(message: str, field: str) -> list[str]:
    optional = ["null"] if (message, field) == ("error_occurred", "stage") else []
    return TAKES[field].split() + optional


@pytest.mark.parametrize("message", FIELDS)
def test_a_wrong_type_is_rejected_with_the_field_the_value_and_the_allowed_type(message: str) -> None:
    for field in FIELDS[message]:
        for value in VALUES.keys() - takes(message, field):
            error = refusal(json.dumps({"type": message, **REPORTED[message], field: VALUES[value]}))
            case = f"{field} as {value}: {error}"
            assert type(error) is InvalidField, case
            named, _, seen_and_allowed = str(error).partition(" is ")
            seen, _, allowed = seen_and_allowed.partition("; allowed: ")
            assert named.partition("[")[0].partition(".")[0] == field, case
            inner = field in {"phases", "channels", "gpus", "orders"} and value == "list"
            assert seen == ("1" if inner else repr(VALUES[value])) or named == "since.epoch", case
            assert len(allowed) > 5, case
            assert "`" not in allowed, case


@pytest.mark.parametrize("message", FIELDS)
def test_a_valid_type_is_accepted(message: str) -> None:
    for field in FIELDS[message]:
        for value in takes(message, field):
            decode_client(json.dumps({"type": message, **REPORTED[message], field: VALUES[value]}), LIMIT)


def test_the_lists_above_cover_every_message_and_field() -> None:
    fields = {str(each.__struct_config__.tag): set(each.__struct_encode_fields__) for each in get_args(ClientMessage)}
    assert fields == {name: set(listed) for name, listed in FIELDS.items()}
    assert REPORTED.keys() == FIELDS.keys()


MISSING = [(message, field) for message, fields in REPORTED.items() for field in fields]


@pytest.mark.parametrize(("message", "field"), MISSING)
def test_a_missing_field_is_named(message: str, field: str) -> None:
    sent = {name: value for name, value in REPORTED[message].items() if name != field}
    error = refusal(json.dumps({"type": message, **sent}))
    assert type(error) is InvalidField
    allowed = "cancel, pause, resume" if field == "order" else "a"
    assert str(error).startswith(f"{field} is missing; allowed: {allowed}")


@pytest.mark.parametrize(
    ("message", "field", "value", "allowed"),
    [
        ("job_progress", "job_id", "", "a string of 1 to 200 characters in one line"),
        ("job_progress", "job_id", "j" * 201, "a string of 1 to 200 characters in one line"),
        ("job_progress", "job_id", "j\n", "a string of 1 to 200 characters in one line"),
        ("job_progress", "job_id", "j\tk", "a string of 1 to 200 characters in one line"),
        ("job_progress", "stage", "", "a string of 1 to 100 characters in one line"),
        ("job_progress", "stage", "s" * 101, "a string of 1 to 100 characters in one line"),
        ("job_progress", "stage", "a\nb", "a string of 1 to 100 characters in one line"),
        ("job_progress", "progress", -0.1, "a number from 0 to 100"),
        ("job_progress", "progress", 100.1, "a number from 0 to 100"),
        ("job_progress", "message", "m" * 10_001, "a string of at most 10,000 characters"),
        ("job_progress", "producer", "p" * 101, "a string of at most 100 characters in one line"),
        ("job_progress", "producer_seq", -1, "an integer from 0 to 2^63 - 1"),
        ("job_progress", "age_seconds", -0.1, "a number of seconds from 0 to 604800"),
        ("job_progress", "age_seconds", 604_801, "a number of seconds from 0 to 604800"),
        ("job_progress", "photo_id", "p" * 201, "an integer of 64 bits, a string of at most 200 characters in one "),
        ("order_taken", "order", "stop", "cancel, pause, resume"),
        ("job_started", "workflow", "", "a string of 1 to 100 characters in one line"),
        ("job_started", "series", "s" * 101, "a string of at most 100 characters in one line"),
        ("job_started", "host", "h\n", "a string of at most 100 characters in one line"),
        ("job_started", "phases", [f"p{i}" for i in range(501)], "a list of at most 500 names"),
        ("job_started", "phases", ["a", "b\n"], "a string of 1 to 100 characters in one line"),
        ("job_completed", "duration", -0.001, "a number of seconds, 0 or more"),
        ("error_occurred", "stage", "", "a string of 1 to 100 characters in one line"),
        ("subscribe", "channels", [""], "a string of 1 to 210 characters in one line"),
        ("subscribe", "channels", ["c"] * 1001, "a list of at most 1000 channels"),
        ("subscribe", "coalesce_ms", 60_001, "an integer from 0 to 60,000"),
        ("subscribe", "since", {"epoch": "e", "seq": -1}, "an integer from 0 to 2^63 - 1"),
        ("subscribe", "since", {"epoch": "e" * 101, "seq": 1}, "a string of at most 100 characters"),
        ("subscribe", "since", {"epoch": "e"}, "an integer from 0 to 2^63 - 1"),
        ("auth", "token", "t" * 501, "a string of at most 500 characters"),
    ],
)
def test_a_value_out_of_bounds_is_rejected_with_the_bounds(
    message: str, field: str, value: object, allowed: str
) -> None:
    error = refusal(json.dumps({"type": message, **REPORTED[message], field: value}))
    assert type(error) is InvalidField
    assert str(error).startswith(field)
    assert f"; allowed: {allowed}" in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 250


@pytest.mark.parametrize(
    ("field", "value"),
    [("job_id", "j" * 200), ("stage", "s" * 100), ("message", "m" * 10_000), ("progress", 0), ("progress", 100)],
)
def test_a_value_on_its_bounds_is_accepted(field: str, value: object) -> None:
    decode_client(json.dumps({"type": "job_progress", **REPORTED["job_progress"], field: value}), LIMIT)
