"""The dress of a picture: always the same one for a series and an address, and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phaseline.errors import InvalidAddress
from phaseline_server.pictures.databases import database
from phaseline_server.pictures.dress import Dress, make_dress
from phaseline_server.pictures.errors import BadSeriesFile
from phaseline_server.pictures.painting.brief import Brief
from phaseline_server.pictures.selection import PLAN
from phaseline_server.pictures.series import Series, SeriesLibrary
from tests.support.picture_runs import ATTRIBUTE_KEYS, DRESS_KEYS

ROOT = Path(__file__).parents[3]
SIMPLE = Series("simple")
GOLDEN_SEED = "963e7904c38510c738c86476"
GOLDEN_TOKENS = (
    "nobly",
    "angular",
    "puffin",
    "conductor",
    "digging for an echo",
    "hammer",
    "shyness",
    "stares at nothing",
    "cabinet of curiosities",
    "light through alabaster",
    "powdery snow",
    "ancient Egypt",
    "circus poster art",
    "photorealism",
    "minimalist fiction",
    "porthole view",
    "linen and clay",
    "tangerine",
    "wine",
    "green bronze",
    "branching coral",
)
GOLDEN_TITLE = "The Angular Puffin of the Cabinet of Curiosities"
GOLDEN_TERSE = "An angular puffin as a conductor, digging for an echo, in the style of circus poster art"

digits = st.text("0123456789abcdef", min_size=1, max_size=64)
addresses = digits.map(lambda text: f"0x{text}")


def nocturne() -> Series:
    return SeriesLibrary(Path("/nonexistent")).get("nocturne")


def test_a_known_address_has_its_known_dress() -> None:
    dress = make_dress(SIMPLE, "0xf503017d7baf7fbc0fff7492b751025c6a78179b")
    assert dress.seed.startswith(GOLDEN_SEED)
    assert dress.selected_tokens == GOLDEN_TOKENS
    assert dress.title_prompt == GOLDEN_TITLE
    assert dress.terse_prompt == GOLDEN_TERSE


@given(addresses)
def test_every_dress_has_values_from_the_databases(address: str) -> None:
    dress = make_dress(SIMPLE, address)
    assert make_dress(SIMPLE, address) == dress
    assert [(attribute.name, attribute.database) for attribute in dress.attributes] == list(PLAN)
    assert "".join(dress.seed_chunks) == dress.seed
    for attribute, chunk, token, record in zip(
        dress.attributes, dress.seed_chunks, dress.selected_tokens, dress.selected_records, strict=True
    ):
        assert record in database(attribute.database).rows
        assert attribute.value == token == record["name"]
        assert attribute.bytes == chunk
        assert attribute.number == int(chunk, 16)
        assert 0 <= attribute.factor < 1
        assert attribute.selector == int(attribute.factor * attribute.count)
        assert 0 < attribute.count <= len(database(attribute.database).rows)


@given(addresses)
def test_the_values_of_a_dress_are_consistent(address: str) -> None:
    dress = make_dress(SIMPLE, address)
    assert len(set(dress.selected_tokens)) == len(dress.selected_tokens)
    times = {record["time"] for record in dress.selected_records if "time" in record}
    assert not {"day", "night"} <= times
    assert dress.record("adverb")["name"][:4] != dress.record("adjective")["name"][:4]


def test_an_adverb_is_not_echoed_by_its_adjective() -> None:
    series = Series("s", filters={"adverbs": ["name=playfully"], "adjectives": ["name=playful", "name=proud"]})
    assert {make_dress(series, hex(number)).record("adjective")["name"] for number in range(20)} == {"proud"}


@given(addresses)
def test_filters_hold_for_every_address(address: str) -> None:
    dress = make_dress(nocturne(), address)
    assert dress.record("place")["time"] == dress.record("light")["time"] == "night"
    assert dress.record("palette")["tone"] == "dark"
    assert dress.words()["time"] == "night"


@given(addresses)
def test_every_dress_gives_a_valid_brief(address: str) -> None:
    dress = make_dress(SIMPLE, address)
    brief = Brief(seed=dress.seed, colors=dress.colors(), words=dress.words())
    assert 5 <= len(brief.colors) <= 7
    assert brief.words["noun"] == dress.record("noun")["name"]


@pytest.mark.parametrize(("one", "two"), [("0x1", "0x2"), ("0x1", "0x01"), ("0x" + "f" * 64, "0x" + "f" * 63 + "e")])
def test_neighbours_have_little_in_common(one: str, two: str) -> None:
    first, second = make_dress(SIMPLE, one), make_dress(SIMPLE, two)
    assert len(set(first.selected_tokens) & set(second.selected_tokens)) <= 3


def test_an_address_is_case_insensitive() -> None:
    assert make_dress(SIMPLE, "0xABCDEF") == make_dress(SIMPLE, "0xabcdef")


def test_the_filters_of_a_series_change_only_their_attributes() -> None:
    simple, night = make_dress(SIMPLE, "0x77"), make_dress(nocturne(), "0x77")
    assert night.seed == simple.seed
    assert night.record("noun") == simple.record("noun")
    assert night.series == "nocturne"


def test_a_dress_round_trips_through_json_with_exactly_the_agreed_keys() -> None:
    dress = make_dress(SIMPLE, "0xabc")
    document = json.loads(msgspec.json.encode(dress))
    assert set(document) == set(DRESS_KEYS)
    assert list(document["attributes"][0]) == ATTRIBUTE_KEYS
    assert msgspec.json.decode(msgspec.json.encode(dress), type=Dress) == dress
    assert document["enhancedPrompt"] == document["prompt"]
    assert document["fileName"] == "0xabc.png"
    assert [document[key] for key in ("downloadMode", "generatedPath", "annotatedPath", "imageUrl")] == [""] * 4
    assert (document["cacheHit"], document["completed"]) == (False, False)


def test_a_dress_is_immutable() -> None:
    dress = make_dress(SIMPLE, "0xabc")
    with pytest.raises(AttributeError):
        dress.completed = True  # type: ignore[misc]


@pytest.mark.parametrize("address", ["", "0x", "0xg", "abc", "0x" + "0" * 65, "0x1\n", "0x1/../2", "0x\u0661"])
def test_an_invalid_address_is_rejected(address: str) -> None:
    with pytest.raises(InvalidAddress):
        make_dress(SIMPLE, address)


def test_a_filter_without_a_match_is_rejected() -> None:
    with pytest.raises(BadSeriesFile, match=r"filters\.nouns of series empty"):
        make_dress(Series("empty", filters={"nouns": ["xyzzy"]}), "0x1")


def test_a_filter_with_one_match_overrides_the_rule_of_different_rows() -> None:
    dress = make_dress(Series("red", filters={"colors": ["name=scarlet"]}), "0x1")
    assert dress.record("color1") == dress.record("color2")
    assert dress.colors().count(dress.record("color1")["hex"]) == 1


def test_an_unknown_attribute_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        make_dress(SIMPLE, "0x1").record("mood")


@pytest.mark.slow
def test_the_dress_does_not_depend_on_the_process() -> None:
    program = (
        "import hashlib, msgspec\n"
        "from pathlib import Path\n"
        "from phaseline_server.pictures.dress import make_dress\n"
        "from phaseline_server.pictures.series import SeriesLibrary\n"
        "library = SeriesLibrary(Path('/nonexistent'))\n"
        "dresses = [make_dress(library.get(s), hex(n)) for s in library.names() for n in range(20)]\n"
        "print(hashlib.sha256(msgspec.json.encode(dresses)).hexdigest())\n"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={
                "PYTHONPATH": f"{ROOT / 'core'}:{ROOT / 'server'}",
                "PYTHONHASHSEED": seed,
                "LC_ALL": locale,
                "TZ": zone,
            },
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed, locale, zone in (("0", "C", "UTC"), ("1", "C.UTF-8", "Asia/Tokyo"), ("4242", "C", "UTC"))
    }
    assert len(seen) == 1
