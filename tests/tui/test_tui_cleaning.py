"""Cleaning of untrusted text."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from phaseline.text import one_line, one_line_value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("IMG_0042.CR3", "IMG_0042.CR3"),
        ("two\r\nlines\tand a tab", "two  lines and a tab"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("\x1b]8;;http://x\x07y\x1b\\", "]8;;http://xy\\"),
        ("\x9b2J\x84\x85x", "2J x"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        ("a\u200b\u200d\u2060\ufeff\u00adb", "ab"),
        ("\u2028line\u2029", "line"),
        ("tag\U000e0041\U000e007f", "tag"),
        ("lone\ud800", "lone"),
        ("private\ue000 unassigned\u0378", "private\ufffd unassigned\ufffd"),
        ("flag 🇧🇷", "flag BR"),
        ("👍🏽 ❤\ufe0f", "👍 ❤"),
        ("e\u0301\u0301\u0301\u0301", "e\u0301\u0301"),
        ("\u0301start", "start"),
        ("東京タワー", "東京タワー"),
        ("non\u00a0breaking\u3000wide", "non breaking wide"),
        ("[bold]markup[/]", "[bold]markup[/]"),
        ("\x00\x1b\x07", ""),
    ],
)
def test_control_characters_are_removed_and_other_text_is_kept(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_long_text_is_cut_with_an_ellipsis() -> None:
    assert one_line("x" * 10_000, 20) == "x" * 19 + "…"
    assert one_line("x" * 21, 20) == "x" * 19 + "…"
    assert one_line("x" * 20, 20) == "x" * 20


@given(st.text(st.characters()))
def test_cleaned_text_is_printable_and_cleaning_is_idempotent(text: str) -> None:
    cleaned = one_line(text)
    assert cleaned.isprintable()
    assert not any(unicodedata.category(each) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for each in cleaned)
    assert one_line(cleaned) == cleaned
    assert cell_len(cleaned) >= 0
    cleaned.encode()


def test_values_are_cleaned_at_every_depth() -> None:
    value = {"a\x1b": ["b\x07", {"c\u202e": "d\x9b"}], "n": 1.5, "t": True, "z": None}
    assert one_line_value(value) == {"a": ["b", {"c": "d"}], "n": 1.5, "t": True, "z": None}


def test_huge_and_deep_values_are_bounded() -> None:
    deep: object = "x"
    for _ in range(1000):
        deep = [deep]
    assert str(one_line_value(deep)) == "[[[[[[[['…']]]]]]]]"
    assert len(one_line_value(list(range(5000)))) == 201  # type: ignore[arg-type]
    many = one_line_value({str(n): n for n in range(5000)})
    assert isinstance(many, dict)
    assert many["…"] == "4800 more"
