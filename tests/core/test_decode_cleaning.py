"""Decoding removes control, zero-width and bidirectional characters anywhere in a document."""

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phaseline.errors import InvalidField, PhaselineError
from phaseline.model.events import JobProgress
from phaseline.text import clean, clean_json, needs_cleaning
from phaseline.wire import decode_client, decode_json, encode_event

LIMIT = 1_000_000
HOSTILE = [chr(code) for code in range(0x10000) if unicodedata.category(chr(code)) in {"Cc", "Zl", "Zp"}]
HOSTILE = [character for character in HOSTILE if character not in "\t\n"]
SURROGATES = ["\ud800", "\udbff", "\udc00", "\udfff"]
HOSTILE += [*"\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"]
KEPT = ["a", " ", "é", "日", "\u200d", "\u200c", "🙂", "\u00a0", "ا"]


def test_a_hostile_character_is_removed_from_text() -> None:
    for character in HOSTILE + SURROGATES:
        assert clean(f" A{character}b\n") == " Ab\n", f"U+{ord(character):04X}"
        assert clean(character) == "", f"U+{ord(character):04X}"


@pytest.mark.parametrize("text", ["", "plain", "two\nlines\tand a tab", *KEPT])
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


def sent(escaped: bool, **fields: Any) -> str:
    message = {"type": "job_progress", "job_id": "j", "stage": "importing"} | fields
    return json.dumps(message, ensure_ascii=escaped)


@pytest.mark.parametrize("escaped", [True, False])
def test_a_hostile_character_is_removed_everywhere(escaped: bool) -> None:
    for character in HOSTILE:
        bad = f"a{character}b"
        frame = sent(
            escaped,
            job_id=bad,
            stage=bad,
            message=bad,
            producer=bad,
            photo_id=bad,
            details={bad: [bad, {bad: {"deep": bad}}], "more": [[bad]]},
        )
        event = decode_client(frame, LIMIT)
        assert event == JobProgress(
            job_id="ab",
            phase="ab",
            text="ab",
            producer="ab",
            photo_id="ab",
            details={"ab": ["ab", {"ab": {"deep": "ab"}}], "more": [["ab"]]},
        ), f"U+{ord(character):04X}"


def test_a_name_of_only_control_characters_is_rejected() -> None:
    with pytest.raises(InvalidField, match=r"^job_id is ''; allowed: a string of 1 to 200"):
        decode_client(sent(escaped=True, job_id="\u202e\u200b\x1b"), LIMIT)


def test_text_keeps_its_lines_and_tabs() -> None:
    event = decode_client(sent(escaped=True, message="a\n\tb\r\nc"), LIMIT)
    assert isinstance(event, JobProgress)
    assert event.text == "a\n\tb\nc"


@pytest.mark.parametrize("harmless", [r"C:\\users\\new", r"a\\b", r"\"quoted\"", r"\/", "🙂", "日本語"])
def test_harmless_text_is_not_changed(harmless: str) -> None:
    document = f'{{"a":"{harmless}"}}'
    assert decode_json(document.encode(), LIMIT) == json.loads(document)


@given(
    st.recursive(st.text(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
)
def test_received_texts_lose_only_their_control_characters(value: object) -> None:
    for escaped in (True, False):
        document = json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
        try:
            read = decode_json(document, LIMIT, max_depth=100)
        except PhaselineError:  # a lone surrogate
            assert b"\\ud" in document or b"\xed" in document
            continue
        assert read == clean_json(value)
        assert clean_json(read) == read


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_that_needs_cleaning_is_found_in_escaped_and_plain_bytes(text: str) -> None:
    if clean(text) != text:
        assert needs_cleaning(json.dumps(text).encode())
        assert needs_cleaning(json.dumps(text, ensure_ascii=False).encode())


def test_plain_reports_are_not_read_twice() -> None:
    assert not needs_cleaning(encode_event(JobProgress(job_id="job_1", phase="importing", text="Analyzing… é 日 50 %")))
