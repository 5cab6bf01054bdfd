"""The texts of pictures are clean English for every address."""

import re

from hypothesis import given
from hypothesis import strategies as st

from phaseline_server.pictures.dress import Dress, make_dress
from phaseline_server.pictures.selection import PLAN
from phaseline_server.pictures.series import Series

SIMPLE = Series("simple")
addresses = st.integers(min_value=0, max_value=2**256 - 1).map(hex)


def texts(dress: Dress) -> list[str]:
    return [dress.title_prompt, dress.terse_prompt, dress.prompt]


@given(addresses)
def test_every_text_is_clean_english(address: str) -> None:
    dress = make_dress(SIMPLE, address)
    for text in texts(dress):
        assert not re.search(r"\b[Aa] [aeioAEIO]|\b[Aa]n [^aeiouhAEIOUH]", text), text
        assert not re.search(r"  | [.,;:]|[{}\[\]|]|\.\.|,,|\bNone\b|\b(\w+) \1\b", text), text
        assert text[0].isupper()
        assert text.isascii()
    assert all(line.endswith(".") for line in dress.prompt.splitlines())


@given(addresses)
def test_title_and_caption_are_single_lines(address: str) -> None:
    dress = make_dress(SIMPLE, address)
    assert "\n" not in dress.title_prompt + dress.terse_prompt
    assert len(dress.title_prompt) <= 80
    assert len(dress.terse_prompt) <= 160


@given(addresses)
def test_the_prompt_contains_every_attribute(address: str) -> None:
    dress = make_dress(SIMPLE, address)
    assert [token for token in dress.selected_tokens if token not in dress.prompt] == []


@given(addresses)
def test_the_table_has_a_line_for_each_attribute(address: str) -> None:
    dress = make_dress(SIMPLE, address)
    head, table = dress.data_prompt.split("\n\n")
    assert head == f"series   simple\naddress  {address}\nseed     {dress.seed}"
    lines = table.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [list(pair) for pair in PLAN]
    for line, attribute in zip(lines[1:], dress.attributes, strict=True):
        assert f" {attribute.selector + 1} of {attribute.count} " in line
        assert f" {attribute.value} (" in line


def test_the_weather_of_an_indoor_place_is_outside() -> None:
    inside = make_dress(Series("s", filters={"places": ["flooded library"]}), "0x1")
    assert "in a flooded library, where ladders rise from still black water. Outside there is " in inside.prompt
    under = make_dress(Series("s", filters={"places": ["kelp forest"]}), "0x1")
    assert "Far above the surface there is " in under.prompt
    outside = make_dress(Series("s", filters={"places": ["salt flat"]}), "0x1")
    assert "in a finger of water. There is " in outside.prompt


def test_a_repeated_style_or_color_is_named_once() -> None:
    dress = make_dress(Series("s", filters={"artstyles": ["mezzotint"], "colors": ["name=vermilion"]}), "0x1")
    assert dress.prompt.count("mezzotint") == 1
    assert dress.prompt.count("vermilion") == 1
    assert dress.selected_tokens.count("mezzotint") == 2
