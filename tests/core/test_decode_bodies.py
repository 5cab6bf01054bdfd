"""Request bodies: one struct, with or without a type, or a list of messages; rejected with the errors of frames."""

import json
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from phaseline.errors import InvalidField, InvalidJSON, PhaselineError, TooLarge, UnknownType
from phaseline.model.events import JobId, JobProgress, JobStarted, Report
from phaseline.stream import Position
from phaseline.wire import decode_json, decode_object

LIMIT = 65_536
PROGRESS = {"type": "job_progress", "job_id": "j", "stage": "importing"}


class Untyped(msgspec.Struct):
    job_id: JobId
    success: bool = True
    result: dict[str, Any] = {}


class Choosy(msgspec.Struct):
    mood: Literal["good", "bad"]


class Few(msgspec.Struct, tag=True, tag_field="type"):
    count: Annotated[int, Meta(le=3, description="at most three")]


class Many(msgspec.Struct, tag=True, tag_field="type"):
    count: Annotated[int, Meta(ge=4, description="more than three")]


def refusal(body: object, kind: Any) -> str:
    with pytest.raises(PhaselineError) as refused:
        decode_object(json.dumps(body).encode(), kind, LIMIT)
    return f"{type(refused.value).__name__}: {refused.value}"


def test_a_body_of_one_kind_needs_no_type() -> None:
    assert decode_object(b'{"job_id":"j","stage":"a"}', JobProgress, LIMIT) == JobProgress(job_id="j", phase="a")
    assert decode_object(b'{"epoch":"e","seq":5}', Position, LIMIT) == Position("e", 5)
    assert decode_object(b'{"type":[1],"job_id":"j","result":[]}', Untyped, LIMIT) == Untyped("j")


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ({"epoch": "e", "seq": "5"}, Position, "InvalidField: seq is '5'; allowed: an integer from 0 to 2^63 - 1"),
        (
            {"seq": 5},
            Position,
            "InvalidField: epoch is missing; allowed: a string of at most 100 characters",
        ),
        (
            {"job_id": "j", "stage": 5},
            JobProgress,
            "InvalidField: stage is 5; allowed: a string of 1 to 100 characters ",
        ),
        (
            {"type": "job_started", "job_id": "j"},
            JobProgress,
            "UnknownType: type is 'job_started'; allowed: job_progress",
        ),
        ({"type": [1], "job_id": 5}, Untyped, "InvalidField: job_id is 5; allowed: a string of 1 to 200 characters"),
        ({"job_id": "j", "success": 1}, Untyped, "InvalidField: success is 1; allowed: true or false"),
        ({"mood": "a\n - at `$.b`"}, Choosy, r"InvalidField: mood is 'a\n - at `$.b`'; allowed: good, bad"),
        ({"type": "Many", "count": 3}, Few | Many, "InvalidField: count is 3; allowed: more than three"),
        ([], JobStarted, "InvalidJSON: the document is an array; allowed: a JSON object"),
    ],
)
def test_a_body_is_rejected_with_the_error_of_a_frame(body: object, kind: Any, words: str) -> None:
    assert refusal(body, kind).startswith(words)


def test_a_list_of_messages_is_decoded_one_by_one() -> None:
    body = json.dumps([PROGRESS, {"type": "job_completed", "job_id": "j", "result": []}, PROGRESS | {"details": []}])
    events = decode_object(body.encode(), list[Report], LIMIT)
    assert [event.type for event in events] == ["job_progress", "job_completed", "job_progress"]
    assert decode_object(b"[]", list[Report], LIMIT) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            [PROGRESS, PROGRESS | {"progress": 101}],
            "InvalidField: [1].progress is 101; allowed: a number from 0 to 100",
        ),
        (
            [PROGRESS, {"type": "job_progress", "job_id": "j"}],
            "InvalidField: [1].stage is missing; allowed: a string of 1 to",
        ),
        (
            [{"type": "job_started", "job_id": "j", "phases": ["a", 5]}],
            "InvalidField: [0].phases[1] is 5; allowed: a str",
        ),
        ([PROGRESS, PROGRESS | {"details": [1]}], "InvalidField: [1].details is [1]; allowed: an object"),
        ([PROGRESS, {"job_id": "j"}], "UnknownType: type is None; allowed: job_queued, job_started, job_progress, "),
        ([PROGRESS, {"type": "ping"}], "UnknownType: type is 'ping'; allowed: job_queued, job_started, job_progress, "),
        ([PROGRESS, []], "InvalidField: [1] is []; allowed: a JSON object"),
        ([PROGRESS, None], "InvalidField: [1] is None; allowed: a JSON object"),
        (PROGRESS, "InvalidJSON: the document is an object; allowed: a JSON array"),
    ],
)
def test_a_list_is_rejected_with_the_index_of_the_message(body: object, words: str) -> None:
    assert refusal(body, list[Report]).startswith(words)


def test_only_json_within_bounds_is_decoded() -> None:
    assert decode_json(b'{"a":[1,2.5,null,"b"]}', LIMIT) == {"a": [1, 2.5, None, "b"]}
    for document, error in {
        b"{": InvalidJSON,
        b"1e400": InvalidField,
        b"[[[[1]]]]": InvalidJSON,
        b"1" * 99: TooLarge,
    }.items():
        with pytest.raises(error):
            decode_json(document, 98, max_depth=3)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
fields = ["type", "job_id", "stage", "progress", "success", "result", "details", "phases", "epoch", "seq"]
types = st.sampled_from(["job_progress", "job_completed", "job_started"])
bodies = st.dictionaries(st.sampled_from(fields), json_values | types, max_size=6)


@given(bodies | st.lists(bodies | json_values, max_size=3))
def test_no_body_raises_anything_but_our_errors(body: object) -> None:
    for kind in (JobProgress, Untyped, Position, list[Report]):
        try:
            decode_object(json.dumps(body).encode(), kind, LIMIT)
        except (InvalidField, InvalidJSON, UnknownType) as error:
            assert str(error).isprintable()  # noqa: PT017 - it need not be refused
            assert "; allowed: " in str(error)  # noqa: PT017
