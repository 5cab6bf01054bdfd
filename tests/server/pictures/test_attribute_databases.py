"""The attribute databases: complete, clean, and narrowed as a series asks."""

import re

import pytest

from phaseline_server.pictures.databases import database, database_names, narrowed
from phaseline_server.pictures.errors import BadSeriesFile
from phaseline_server.pictures.wording import with_article

ALL = database_names()
HEX = re.compile(r"#[0-9A-F]{6}")
VOCABULARIES = {
    ("colors", "tone"): {"dark", "middle", "light"},
    ("lights", "time"): {"any", "day", "night"},
    ("palettes", "tone"): {"dark", "light", "muted", "bright"},
    ("places", "setting"): {"indoors", "outdoors", "underwater"},
    ("places", "time"): {"any", "day", "night"},
    ("textures", "finish"): {"gloss", "matte", "metal", "rough", "soft"},
    ("weather", "time"): {"any", "day", "night"},
}
BEHIND_AN_ARTICLE = ("compositions", "nouns", "occupations", "places", "props")


def cells(name: str) -> list[str]:
    return [cell for row in database(name).rows for cell in row.values()]


def test_there_are_enough_databases_and_rows() -> None:
    assert len(ALL) >= 14
    assert sum(len(database(name).rows) for name in ALL) >= 1_500
    assert all(len(database(name).rows) >= 50 for name in ALL)


@pytest.mark.parametrize("name", ALL)
def test_rows_are_complete_and_unique(name: str) -> None:
    columns, rows = database(name).columns, database(name).rows
    assert columns[0] == "name"
    assert columns[-1] == "description"
    names = [row["name"].casefold() for row in rows]
    assert sorted(set(names)) == sorted(names)
    descriptions = [row["description"].casefold() for row in rows]
    assert sorted(set(descriptions)) == sorted(descriptions)


@pytest.mark.parametrize("name", ALL)
def test_cells_are_clean_text_that_fits_into_a_sentence(name: str) -> None:
    for cell in cells(name):
        assert cell
        assert cell.isascii()
        assert cell.isprintable()
        assert " ".join(cell.split()) == cell
        assert not cell.endswith((".", ",", ";", ":"))
    assert all(len(row["name"]) <= 50 and len(row["description"]) <= 70 for row in database(name).rows)


@pytest.mark.parametrize("name", BEHIND_AN_ARTICLE)
def test_names_after_an_article_are_singular(name: str) -> None:
    heads = [re.split(r" (?:of|in|on|at|from|against) ", row["name"])[0] for row in database(name).rows]
    assert [head for head in heads if head.endswith("s") and not head.endswith(("ss", "us", "is", "rhinoceros"))] == []


def test_nouns_and_adjectives_get_the_spoken_article() -> None:
    names = [row["name"] for name in ("adverbs", "adjectives", *BEHIND_AN_ARTICLE) for row in database(name).rows]
    phrases = [with_article(name) for name in names]
    odd = {phrase for phrase in phrases if (phrase.split(" ")[1][0] in "aeiou") != phrase.startswith("an ")}
    assert odd == {"a unicorn"}


@pytest.mark.parametrize(("where", "words"), VOCABULARIES.items())
def test_columns_with_a_fixed_vocabulary_use_exactly_its_values(where: tuple[str, str], words: set[str]) -> None:
    name, column = where
    assert {row[column] for row in database(name).rows} == words


def test_colors_are_hex_values_and_palettes_have_five() -> None:
    colors = [row["hex"] for row in database("colors").rows]
    assert all(HEX.fullmatch(color) for color in colors)
    assert len(set(colors)) == len(colors)
    for row in database("palettes").rows:
        palette = row["colors"].split(" ")
        assert len(set(palette)) == 5
        assert all(HEX.fullmatch(color) for color in palette)


def test_a_row_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        database("nouns").rows[0]["name"] = "walrus"  # type: ignore[index]


def test_an_unknown_database_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        database("../series/simple")


def test_without_filters_every_row_matches() -> None:
    assert narrowed("nouns", [], series="s") == database("nouns").rows


def test_filters_are_case_insensitive_substrings_of_any_cell() -> None:
    left = {row["name"] for row in narrowed("nouns", ["OWL", "lantern of WATER"], series="s")}
    assert {"barn owl", "jellyfish"} <= left
    assert len(left) < 6


def test_a_filter_with_an_equals_sign_matches_one_column() -> None:
    assert {row["time"] for row in narrowed("lights", ["time=night"], series="s")} == {"night"}
    assert {row["time"] for row in narrowed("lights", ["light"], series="s")} != {"night"}


def test_filters_without_a_match_are_an_error_with_all_details() -> None:
    with pytest.raises(BadSeriesFile, match=r"series/moon\.json") as caught:
        narrowed("places", ["xyzzy"], series="moon")
    text = str(caught.value)
    assert "filters.places of series moon is ['xyzzy']" in text
    assert f"none of the {len(database('places').rows)} rows" in text
    assert caught.value.code == "BAD_SERIES_FILE"
