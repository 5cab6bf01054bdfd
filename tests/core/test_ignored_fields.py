"""The fields of a report that are not understood, and the leniency of the decoding."""

from typing import Any

import pytest

from phaseline.errors import InvalidField, UnknownType
from phaseline.model.events import JobProgress, JobStarted, Report
from phaseline.wire import (
    decode_arrays,
    decode_client,
    decode_object,
    ignored_fields,
    ignored_in_array,
    ignored_in_arrays,
)

MOST = 1_000_000


def test_unknown_fields_are_named() -> None:
    assert ignored_fields(b'{"type":"job_progress","job_id":"a","stage":"b","done":1,"colour":2}')[-1:] == ("colour",)
    assert ignored_fields(b'{"job_id":"a","colour":1}', JobStarted) == ("colour",)


@pytest.mark.parametrize(
    "document",
    [
        b'{"type":"job_progress","job_id":"a","stage":"b","progress":1,"message":"","timestamp":"x","photo_id":1}',
        b'{"type":"job_completed","job_id":"a","success":true,"stages_completed":[],"result":{"any":1}}',
        b'{"type":"job_failed","job_id":"a","producer":"p","producer_seq":1,"age_seconds":2}',
    ],
)
def test_a_message_of_the_photo_protocol_has_no_unknown_field(document: bytes) -> None:
    assert ignored_fields(document) == ()
    assert ignored_fields(document.decode()) == ()


def test_each_report_of_an_array_has_its_own_ignored_fields() -> None:
    good = b'{"type":"job_started","job_id":"a"}'
    odd = b'{"type":"job_started","job_id":"a","x":1,"y":{}}'
    assert list(ignored_in_array(b"[%b,%b]" % (good, good))) == []
    assert list(ignored_in_array(b"[%b,%b]" % (good, odd))) == [(), ("x", "y")]
    one, two = good.decode(), odd.decode()
    assert list(ignored_in_arrays([f"[{one}]", f"[{one},{one}]"])) == []
    assert list(ignored_in_arrays([f"[{one},{one}]", "[]", f"[{two},{one}]"])) == [(), (), ("x", "y"), ()]


def test_names_are_cleaned_and_bounded() -> None:
    fields = ",".join(f'"{"x" * 1000}{n}":1' for n in range(100))
    found = ignored_fields(f'{{"type":"job_started","job_id":"a","\\u001b]52;":1,{fields}}}')
    assert len(found) == 20
    assert found[0] == "]52;"
    assert max(map(len, found)) <= 100
    assert ignored_fields(b'{"type":"job_started","job_id":"a","\\ud800":1}') == ()


def test_percent_in_place_of_progress_names_the_right_field() -> None:
    one = '{"type":"job_progress","job_id":"a","stage":"b","percent":45}'
    with pytest.raises(InvalidField, match=r"percent is 45; allowed: the field `progress`"):
        decode_client(one, MOST)
    with pytest.raises(InvalidField, match=r"\[1\].percent is 45"):
        decode_object(f'[{{"type":"job_started","job_id":"a"}},{one}]'.encode(), list[Report], MOST)
    assert decode_arrays([f"[{one}]"], MOST) is None
    for allowed in ('"percent":45,"progress":50', '"details":{"percent":45}'):
        assert isinstance(decode_client(one.replace('"percent":45', allowed), MOST), JobProgress)


@pytest.mark.parametrize(("given", "taken"), [("100.00000000000003", 100.0), ("-1e-9", 0.0), ("100.0000005", 100.0)])
def test_a_progress_is_clamped_within_a_rounding_error(given: str, taken: float) -> None:
    document = f'{{"type":"job_progress","job_id":"a","stage":"b","progress":{given}}}'
    decoded: Any = decode_client(document, MOST)
    assert decoded.progress == taken
    [decoded] = decode_object(f"[{document}]".encode(), list[Report], MOST)
    assert decoded.progress == taken


@pytest.mark.parametrize("given", ["100.00001", "-0.00001", '"45%"'])
def test_any_other_progress_out_of_range_is_rejected(given: str) -> None:
    document = f'{{"type":"job_progress","job_id":"a","stage":"b","progress":{given}}}'
    with pytest.raises(InvalidField, match=r"progress is .*; allowed: a number from 0 to 100"):
        decode_client(document, MOST)
    with pytest.raises(InvalidField, match=r"\[0\].progress is .*; allowed: a number from 0 to 100"):
        decode_object(f"[{document}]".encode(), list[Report], MOST)


def test_an_error_in_an_array_of_lenient_reports_names_its_place() -> None:
    lua = '{"type":"job_started","job_id":"a","photo_info":[]}'
    with pytest.raises(InvalidField, match=r"\[2\].job_id is missing; allowed: a string"):
        decode_object(f'[{lua},{lua},{{"type":"job_started"}}]'.encode(), list[Report], MOST)
    with pytest.raises(UnknownType):
        decode_object(f'[{lua},{{"type":"x"}}]'.encode(), list[Report], MOST)
    with pytest.raises(InvalidField, match=r"\[1\] is 5; allowed: a JSON object"):
        decode_object(f"[{lua},5]".encode(), list[Report], MOST)


def test_each_report_of_a_lenient_array_is_converted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import msgspec  # noqa: PLC0415

    calls = 0

    def counted(*arguments: Any, convert: Any = msgspec.convert) -> Any:
        nonlocal calls
        calls += 1
        return convert(*arguments)

    monkeypatch.setattr("msgspec.convert", counted)
    lua = '{"type":"job_started","job_id":"a","photo_info":[]}'
    assert len(decode_object(f"[{','.join([lua] * 500)}]".encode(), list[Report], MOST)) == 500
    assert calls == 1000
