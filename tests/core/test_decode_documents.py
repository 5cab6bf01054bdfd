"""Documents that decoding rejects: invalid JSON, too large, too deep, or of an unknown type."""

import json
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from phaseline.errors import InvalidField, InvalidJSON, PhaselineError, TooLarge, UnknownType
from phaseline.wire import ClientMessage, decode_client, decode_json

LIMIT = 65_536
PROGRESS = '{"type":"job_progress","job_id":"j","stage":"importing",%s}'
INFO = '{"type":"photo_info","job_id":"j","photo_data":{"a":1,"x":%s}}'

STRUCTS = get_args(ClientMessage)
TYPES = [str(struct.__struct_config__.tag) for struct in STRUCTS]
FIELD_NAMES = sorted({field for struct in STRUCTS for field in struct.__struct_encode_fields__} - {"type"})


def refusal(frame: bytes | str, max_depth: int = 16) -> PhaselineError:
    with pytest.raises(PhaselineError) as refused:
        decode_client(frame, LIMIT, max_depth)
    return refused.value


@pytest.mark.parametrize(
    ("frame", "kind", "words"),
    [
        # no JSON
        (b"", InvalidJSON, "it is empty"),
        (b"hello", InvalidJSON, "byte 0"),
        (b'{"type":"ping"', InvalidJSON, "truncated"),
        (b'{"type":"ping"} {}', InvalidJSON, "trailing characters (byte 17)"),
        (b'{"type":5, garbage', InvalidJSON, "(byte 11)"),
        (b'{"type":"job_progress","job_id":5,]', InvalidJSON, "(byte 34)"),
        (b"\xef\xbb\xbf" + b'{"type":"ping"}', InvalidJSON, "byte 0"),
        (INFO % "NaN", InvalidJSON, "invalid character"),
        (INFO % "-Infinity", InvalidJSON, "invalid"),
        (INFO % "+1", InvalidJSON, "invalid character"),
        (INFO % "01", InvalidJSON, "invalid"),
        (INFO % "'a'", InvalidJSON, "invalid character"),
        (INFO % '"\x1b"', InvalidJSON, "invalid character"),
        (INFO % '"a\nb"', InvalidJSON, "invalid character"),
        # no Unicode
        (b'{"type":"ping\xff"}', InvalidJSON, "byte 0xff"),
        ((INFO % '"%s"').encode() % b"\xc0\xaf", InvalidJSON, "byte 0xc0"),
        ((INFO % '"%s"').encode() % b"\xed\xa0\x80", InvalidJSON, "byte 0xed"),
        (INFO % '"\ud800"', InvalidJSON, "byte 0xed"),
        (INFO % r'"\ud800"', InvalidJSON, "the lone surrogate \\ud"),
        (INFO % r'"\udc00\ud800"', InvalidJSON, "the lone surrogate \\ud"),
        # not an object, or of an unknown type
        (b"[]", InvalidJSON, "is an array; allowed: a JSON object"),
        (b"null", InvalidJSON, "is null; allowed: a JSON object"),
        (b'"ping"', InvalidJSON, "is a string; allowed: a JSON object"),
        (b'[{"type":"ping"}]', InvalidJSON, "is an array; allowed: a JSON object"),
        (b"{}", UnknownType, "type is None; allowed: register, subscribe, "),
        (b'{"type":null}', UnknownType, "type is None; allowed: "),
        (b'{"type":7}', UnknownType, "type is 7; allowed: "),
        (b'{"type":["ping"]}', UnknownType, "type is ['ping']; allowed: "),
        (b'{"type":"Ping"}', UnknownType, "type is 'Ping'; allowed: "),
        (b'{"type":"x` - at `$.job_id`","job_id":5}', UnknownType, "type is 'x` - at `$.job_id`'; allowed: "),
        (b'{"type":"\\n - at `$.a\\n`"}', UnknownType, r"type is '\n - at `$.a\n`'; allowed: "),
        (b'{"type":"missing required field `type`"}', UnknownType, "type is 'missing required field `type`'; allowed"),
        (b'{"type":"job_stalled","job_id":"j"}', UnknownType, "type is 'job_stalled'; allowed: "),
        (b'{"type":"job_lost","job_id":"j"}', UnknownType, "type is 'job_lost'; allowed: "),
        (b'{"type":"ping","type":"pong"}', UnknownType, "type is 'pong'; allowed: "),
        # numbers that no machine has room for
        (INFO % "1e400", InvalidField, "x is '1e400'; allowed: numbers up to 1.7e308"),
        (INFO % "6.1e308.0", InvalidField, "x is '6.1e308'; allowed: numbers up to 1.7e308"),
        (INFO % '["y",{},"z",1e400]', InvalidField, "x is '1e400'; allowed: "),
        (INFO % "-1e999", InvalidField, "x is '-1e999'; allowed: "),
        (INFO % ('{"y":"1e400","z":[' + "9" * 5000 + "]}"), InvalidField, "z is '9999999"),
        (PROGRESS % '"progress":1e400', InvalidField, "progress is '1e400'; allowed: "),
        (PROGRESS % ('"progress":1' + "0" * 400), InvalidField, "progress is 1000"),
        (PROGRESS % ('"producer_seq":1' + "0" * 5000), InvalidField, "producer_seq is '1000"),
        (PROGRESS % '"producer_seq":9223372036854775808', InvalidField, "producer_seq is 9223372036854775808; allowed"),
        (PROGRESS % '"photo_id":9223372036854775808', InvalidField, "photo_id is 9223372036854775808; allowed: an int"),
    ],
)
def test_a_hostile_document_is_rejected_with_an_error_text(
    frame: bytes | str, kind: type[PhaselineError], words: str
) -> None:
    error = refusal(frame)
    assert type(error) is kind
    assert words in str(error)
    assert "allowed: " in str(error)
    assert str(error).isprintable()


def test_the_last_of_two_equal_keys_is_used() -> None:
    event = decode_client(PROGRESS % '"progress":1,"progress":2,"details":{"a":1,"a":2}', LIMIT)
    assert (event.progress, event.details) == (2, {"a": 2})  # type: ignore[union-attr]
    assert str(refusal(PROGRESS % '"progress":1,"progress":"x"')).startswith("progress is 'x'; allowed: ")


def test_unknown_fields_of_a_message_are_ignored() -> None:
    decode_client('{"type":"ping","colour":"red","job_id":[5]}', LIMIT)


# ---------------------------------------------------------------------- size and depth


def test_a_document_may_be_as_large_as_the_limit_and_no_larger() -> None:
    frame = b'{"type":"ping"}'.ljust(LIMIT)
    decode_client(frame, LIMIT)
    error = refusal(frame + b" ")
    assert type(error) is TooLarge
    assert str(error) == "the document has 65537 bytes; allowed: at most 65536"


def test_the_size_is_measured_in_bytes_of_utf_8() -> None:
    with pytest.raises(TooLarge, match=r"has 7 bytes"):
        decode_json('"é€"'.encode(), 6)
    with pytest.raises(TooLarge, match=r"has 5 bytes"):
        decode_client('"€"', 4)


@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_a_document_may_be_nested_as_deep_as_the_limit_and_no_deeper(brackets: str) -> None:
    def nested(depth: int) -> bytes:
        opening, closing = ("[", "]") if brackets == "[]" else ('{"a":', "}")
        inner = depth - 1  # one is the message itself
        return f'{{"type":"ping","x":{opening * inner}1{closing * inner}}}'.encode()

    decode_client(nested(16), LIMIT)
    decode_json(b"[[],[],{},[[]]]", LIMIT, max_depth=3)
    error = refusal(nested(17))
    assert (type(error), str(error)) == (InvalidJSON, "the document is nested 17 deep; allowed: at most 16")
    assert "nested 4 deep; allowed: at most 3" in str(refusal(nested(4), max_depth=3))


def test_brackets_in_strings_and_side_by_side_are_not_nesting() -> None:
    decode_client(PROGRESS % f'"message":"{"[{" * 100}","details":{{"a":[{",".join(["[]"] * 100)}]}}', LIMIT)


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("text", ["", r'"\u0000",'])
def test_an_endlessly_nested_document_is_rejected(closed: bool, text: str) -> None:
    deep = "[" * 30_000 + text + "]" * 30_000 * closed
    for max_depth in (16, 10**6):
        error = refusal(deep, max_depth)
        assert type(error) is InvalidJSON
        assert "nested too deeply" in str(error)


def test_a_limit_above_that_of_python_does_not_crash() -> None:
    deep = "[" * 700 + r'"\u0000"' + "]" * 700
    assert type(refusal(deep, 10**6)) is InvalidJSON


# ---------------------------------------------------------------------- anything at all

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["job_progress", "ping"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(FIELD_NAMES), inner),
    max_leaves=20,
)
# A few fields at a time: drawing each field's presence would be slow.
messages = st.builds(
    lambda kind, fields: {"type": kind, **fields},
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(FIELD_NAMES), json_values | st.text(max_size=3), max_size=8),
)


def check_refused_in_words(frame: bytes | str) -> None:
    try:
        decode_client(frame, LIMIT)
    except PhaselineError as error:
        assert str(error).isprintable()  # noqa: PT017 - it need not be refused
        assert "; allowed: " in str(error)  # noqa: PT017
        assert len(str(error)) < 1000  # noqa: PT017


@given(st.binary() | st.text())
@example(b'{"type":"ping","x":1e400')
@example(b'{"type":1e400}')
@example(b'{"type":"job_progress","job_id":"j","stage":"a","progress":"\xff"}')
@example(b'{"":1e999}')
def test_no_bytes_and_no_text_raise_anything_but_our_errors(frame: bytes | str) -> None:
    check_refused_in_words(frame)


@given(json_values)
def test_no_json_raises_anything_but_our_errors(value: object) -> None:
    check_refused_in_words(json.dumps(value))


@given(messages, st.booleans())
@pytest.mark.slow
def test_no_message_raises_anything_but_our_errors(message: dict[str, object], escaped: bool) -> None:
    check_refused_in_words(json.dumps(message, ensure_ascii=escaped))


@pytest.mark.slow
@given(messages, st.integers(0, 300), st.binary(max_size=4), st.integers(0, 10))
def test_no_damaged_message_raises_anything_but_our_errors(
    message: dict[str, object], at: int, junk: bytes, lost: int
) -> None:
    frame = json.dumps(message).encode()
    check_refused_in_words(frame[:at] + junk + frame[at + lost :])
