"""The fast path for most reports has the same results as the normal path."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phaseline.errors import IllegalEvent, InvalidField, PhaselineError
from phaseline.model.events import Event, JobCompleted, JobProgress, JobStalled, JobStarted, PhaseCompleted
from phaseline.model.job import Job
from phaseline.model.snapshot import Brief, Estimate, Moment
from phaseline.model.states import State
from phaseline.wire import (
    Ping,
    ProgressLines,
    decode_arrays,
    decode_client,
    decode_frames,
    encode_event,
    encode_message,
)
from tests.support.core_events import (
    SECOND,
    WALL,
    everything_in,
    json_objects,
    labels,
    names,
    percents,
    photo_ids,
    texts,
)

LIMIT = 10_000_000

# ------------------------------------------------------------------ jobs

progress = st.builds(
    JobProgress,
    job_id=st.just("a"),
    phase=st.sampled_from(["importing", "importing", "exporting", "completed", "nowhere"]),
    progress=st.none() | percents | st.sampled_from([float("nan"), -1.0, 101.0]),
    text=labels,
    photo_id=st.sampled_from([None, None, 7]),
)
others: st.SearchStrategy[Event] = st.sampled_from(
    [
        JobStarted(job_id="a"),
        PhaseCompleted(job_id="a", phase="importing"),
        JobStalled(job_id="a"),
        JobCompleted(job_id="a"),
    ]
)


def apply(job: Job, event: Event, now: Moment, *, short: bool) -> str:
    """Return the reason for which `job` rejects `event`, or ""."""
    try:
        if not (short and isinstance(event, JobProgress) and job.goes_on(event, now)):
            job.apply(event, now)
    except (IllegalEvent, InvalidField) as error:
        return str(error)
    return ""


@given(st.lists(st.tuples(progress | progress | others, st.integers(-2, 5)), max_size=12))
def test_a_job_does_not_depend_on_the_path_of_its_reports(reports: list[tuple[Event, int]]) -> None:
    short, long, at_ns = Job("a"), Job("a"), 10 * SECOND
    for event, seconds in [(JobStarted(job_id="a"), 0), *reports]:
        at_ns += seconds * SECOND
        now = Moment(WALL + at_ns, at_ns)
        before = short.copy()
        kept = everything_in(before)
        assert apply(short, event, now, short=True) == apply(long, event, now, short=False)
        assert everything_in(short) == everything_in(long)
        assert everything_in(before) == kept


def test_a_report_within_a_phase_takes_the_fast_path() -> None:
    job = Job("a")
    job.apply(JobStarted(job_id="a"), Moment(WALL, 0))
    assert not job.goes_on(JobProgress(job_id="a", phase="importing"), Moment(WALL, 1))
    job.apply(JobProgress(job_id="a", phase="importing"), Moment(WALL, 1))
    assert job.goes_on(JobProgress(job_id="a", phase="importing", progress=5), Moment(WALL, 2))


# ------------------------------------------------------------------ messages

durations = st.none() | st.integers(0, 10**15)
estimates = st.builds(
    Estimate,
    percent=percents,
    remaining_ns=durations,
    low_ns=durations,
    high_ns=durations,
    runs=st.integers(0, 10**6),
    phase_percent=percents,
)
briefs = st.builds(
    Brief,
    at_ns=st.integers(WALL, 2 * WALL),
    photo_id=photo_ids,
    workflow=names,
    series=labels,
    host=labels,
    state=st.just(State.ACTIVE),
    phase_index=st.integers(1, 500),
    phase_count=st.integers(1, 500),
    estimate=estimates,
    elapsed_ns=st.integers(0, 10**15),
)
reported = st.tuples(
    st.none() | percents,
    texts,
    json_objects,
    st.integers(1, 2**63),
    st.integers(WALL, 2 * WALL),
    st.integers(0, 10**15),
)


@pytest.mark.slow
@given(names, names, briefs, st.lists(reported, min_size=1, max_size=4), st.integers(0, 10**15))
def test_each_line_equals_a_single_message(
    job_id: str, phase: str, brief: Brief, output: list[Any], offset_ns: int
) -> None:
    lines = ProgressLines(job_id, phase, brief, "e1", offset_ns=offset_ns)
    for percent, text, details, seq, wall_ns, elapsed_ns in [*output, *output]:
        event = JobProgress(job_id=job_id, phase=phase, progress=percent, text=text, details=details)
        line = lines.encode(event, seq, wall_ns, elapsed_ns)
        in_phase_ns = max(0, elapsed_ns - offset_ns)
        assert line == encode_message(
            event, brief, seq, "e1", wall_ns, elapsed_ns=elapsed_ns, phase_elapsed_ns=in_phase_ns
        )
        read = json.loads(line)
        assert (read["message"], read["stage"], read["job_id"], read["seq"]) == (text, phase, job_id, seq)


# ------------------------------------------------------------------ frames

sound = st.one_of(
    st.builds(JobProgress, job_id=names, phase=names, progress=st.none() | percents, text=texts, details=json_objects),
    st.builds(JobStarted, job_id=names, photo_info=json_objects),
    st.just(Ping()),
).map(lambda message: json.dumps(json.loads(encode_event(message))))  # type: ignore[arg-type] # Ping is encoded alike
unsound = st.sampled_from(
    [
        '{"type":"job_progress","job_id":"a\\nb","stage":"x"}',
        '{"type":"job_progress","job_id":"","stage":"x"}',
        '{"type":"job_started","job_id":"a","phases":["a\\tb"]}',
        '{"type":"job_progress","job_id":"a\\u202eb","stage":"x"}',
        '{"type":"job_progress","job_id":"a","stage":"x","details":[]}',
        '{"type":"job_started","job_id":"a","photo_info":' + '{"a":' * 20 + "1" + "}" * 21,
        '{"type":"job_progress","job_id":"a","stage":"x","unknown":' + "[" * 16 + "]" * 16 + "}",
        '{"type":"nothing"}',
        "[]",
        "7",
    ]
)


@given(st.lists(sound | sound | unsound, max_size=5))
def test_an_array_is_read_as_its_messages_are_or_not_at_all(documents: list[str]) -> None:
    found = decode_arrays([f"[{','.join(documents)}]"], LIMIT)
    if found is not None:
        assert found == [decode_client(document, LIMIT) for document in documents]


@given(st.lists(st.lists(sound | sound | unsound, max_size=3), max_size=3))
def test_arrays_are_decoded_together_as_their_messages_are_or_not_at_all(arrays: list[list[str]]) -> None:
    found = decode_arrays([f"[{','.join(documents)}]" for documents in arrays], LIMIT)
    if found is not None:
        assert found == [decode_client(document, LIMIT) for documents in arrays for document in documents]


@pytest.mark.parametrize(
    "frames",
    [
        ['[{"type":"ping"}', ',{"type":"ping"}]'],
        ['[{"type":"ping"},{"type":"ping","a":[]', "[]}]"],
        ['[{"type":"ping"}]\n[{"type":"ping","a":[]', "[]}]"],
        ["[]\n[]", "[]"],
        ["[][]", "[]"],
        ["[]", "{}"],
    ],
)
def test_an_array_does_not_reach_from_one_frame_into_the_next(frames: list[str]) -> None:
    assert decode_arrays(frames, LIMIT) is None
    assert decode_arrays(["[]", '[{"type":"ping"}]'], LIMIT) == [Ping()]


def test_frames_decoded_together_may_be_larger_than_one_frame() -> None:
    document = encode_event(JobProgress(job_id="a", phase="x", text="ä" * 100)).decode()
    size = len(document.encode())
    for decode, frame, least in ((decode_frames, document, size), (decode_arrays, f"[{document}]", size + 2)):
        assert len(decode([frame] * 3, least) or ()) == 3
        assert decode([frame] * 3, least - 1) is None


@given(st.lists(sound | sound | unsound, max_size=5))
def test_frames_are_decoded_together_as_each_by_itself_or_not_at_all(documents: list[str]) -> None:
    found = decode_frames(documents, LIMIT)
    if found is not None:
        assert found == [decode_client(document, LIMIT) for document in documents]


@pytest.mark.parametrize(
    "frames",
    [
        ['{"type":"ping"}, {"type":"ping"', "}"],
        ['{"type":"ping"},{"type":"ping","a":[{}', "{}]}"],
        ['{"type":"ping"}\n{"type":"ping","a":[{}', ",{}]}"],
        ['{"type":"ping"}\n{"type":"auth","token":"}', '{"}'],
        ['{"type":"ping"}{"type":"ping"}', "{}"],
        ['{"type":"ping"}\n{"type":"ping"}', '{"type":"ping"}'],
    ],
)
def test_a_message_does_not_reach_from_one_frame_into_the_next(frames: list[str]) -> None:
    assert decode_frames(frames, LIMIT) is None


@pytest.mark.parametrize("text", ["", "half", "zwölf Bögen", "two\nlines", '"quoted"', "brackets {}"])
def test_an_array_of_valid_messages_is_decoded_at_once(text: str) -> None:
    document = encode_event(JobProgress(job_id="a", phase="x", text=text, details={"a": [1, {"b": 2}]})).decode()
    assert decode_arrays([f"[{','.join([document] * 50)}]"], LIMIT) is not None
    assert decode_frames([document] * 50, LIMIT) is not None


@pytest.mark.parametrize("limit", [10, 16])
def test_an_array_is_nested_as_deep_as_its_messages_may_be(limit: int) -> None:
    start = '{"type":"job_started","job_id":"a","photo_info":'
    for depth in range(limit - 3, limit + 3):
        document = start + '{"a":' * (depth - 1) + "1" + "}" * depth
        try:
            decode_client(document, LIMIT, limit)
        except PhaselineError:
            assert decode_arrays([f"[{document},{document}]"], LIMIT, limit) is None
        else:
            assert decode_arrays([f"[{document},{document}]"], LIMIT, limit) is not None
