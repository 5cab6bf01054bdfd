"""The built-in series, and series defined in the data directory."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phaseline.errors import InvalidSeries
from phaseline_server.errors import DataDirError
from phaseline_server.pictures.errors import BadSeriesFile, OutsideDataDir, UnknownSeries
from phaseline_server.pictures.series import Series, SeriesLibrary

SHIPPED = ["nocturne", "simple"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "series"
    folder.mkdir()
    return folder


def put(folder: Path, name: str, content: Any) -> None:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / f"{name}.json").write_bytes(text)


def test_two_series_are_built_in(tmp_path: Path) -> None:
    library = SeriesLibrary(tmp_path)
    assert library.names() == SHIPPED
    assert library.get("simple").filters == {}
    assert set(library.get("nocturne").filters) >= {"places", "palettes"}
    assert library.get("nocturne").dimensions == (1536, 1024)
    assert library.get("simple").dimensions is None


def test_a_file_adds_a_series(folder: Path) -> None:
    whole = {"name": "sea", "purpose": "Salt\u0007 water.", "filters": {"nouns": ["kind=sea"]}, "provider": "openai"}
    put(folder, "sea", whole | {"size": "640x480", "detail": 5})
    library = SeriesLibrary(folder.parent)
    assert library.names() == ["nocturne", "sea", "simple"]
    assert library.get("sea") == Series("sea", "Salt water.", {"nouns": ["kind=sea"]}, "openai", "640x480", 5)
    assert library.get("sea").dimensions == (640, 480)


def test_a_file_replaces_a_built_in_series_at_once(folder: Path) -> None:
    library = SeriesLibrary(folder.parent)
    put(folder, "simple", {"detail": 1})
    assert library.names() == SHIPPED
    assert library.get("simple").detail == 1
    put(folder, "simple", {"detail": None})
    assert library.get("simple").detail is None
    (folder / "simple.json").unlink()
    assert library.get("simple").purpose != ""


@pytest.mark.parametrize("name", ["", "a b", "../simple", "a/b", "a\0", "x" * 65, "\u00e9t\u00e9", "simple\n", "."])
def test_an_invalid_name_is_rejected_before_any_file_is_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidSeries):
        SeriesLibrary(tmp_path).get(name)


def test_the_error_for_an_unknown_series_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownSeries, match="nocturne, simple"):
        SeriesLibrary(tmp_path).get("sea")


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"[]", "Expected `object`"),
        (b'{"purpose": "\xff"}', "utf-8|UTF-8"),
        (b"[" * 60_000, "Expected `object`|deeply"),
        (b'{"x": ' + b"[" * 60_000, "unknown field `x`|deeply"),
        (b'{"filters": {"nouns": ' + b"[" * 60_000, "deeply"),
        (b" " * 70_000, "70000 bytes"),
        ({"colour": 1}, "unknown field `colour`"),
        ({"name": "earth"}, "name is 'earth'"),
        ({"purpose": 3}, r"\$\.purpose"),
        ({"filters": ["night"]}, r"\$\.filters"),
        ({"filters": {"planets": ["x"]}}, r"filters\.'planets' is not a database"),
        ({"filters": {"nouns": "owl"}}, r"filters\.nouns: Expected `array`"),
        ({"filters": {"nouns": ["owl", 4]}}, r"filters\.nouns: .*\$\[1\]"),
        ({"filters": {"nouns": [""]}}, r"filters\.nouns: "),
        ({"filters": {"nouns": ["xyzzy"]}}, r"filters\.nouns of series sea is \['xyzzy'\]"),
        ({"provider": "crayon"}, "provider"),
        ({"size": "big"}, "size is 'big'"),
        ({"size": "9999x9999"}, "size is '9999x9999'"),
        ({"size": "100x1024"}, "size is '100x1024'"),
        ({"size": 1024}, r"\$\.size"),
        ({"detail": 0}, r"\$\.detail"),
        ({"detail": 6}, r"\$\.detail"),
        ({"detail": True}, r"\$\.detail"),
        ({"detail": 2.5}, r"\$\.detail"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_an_invalid_file_is_an_error_that_names_file_and_key(folder: Path, content: Any, reported: str) -> None:
    put(folder, "sea", content)
    library = SeriesLibrary(folder.parent)
    with pytest.raises(BadSeriesFile, match=reported) as caught:
        library.get("sea")
    assert "series/sea.json" in str(caught.value)
    assert "allowed" in str(caught.value)
    assert library.names() == ["nocturne", "sea", "simple"]
    assert library.get("simple").name == "simple"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["name", "purpose", "filters", "provider", "size", "detail", "nouns"]) | st.text(),
                inner,
            )
        ),
        max_leaves=8,
    )
)
def test_any_json_gives_a_series_or_an_error(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    folder = tmp_path_factory.mktemp("any") / "series"
    folder.mkdir()
    put(folder, "sea", content)
    try:
        series = SeriesLibrary(folder.parent).get("sea")
    except BadSeriesFile:
        return
    assert series.name == "sea"


def test_only_links_inside_the_folder_are_followed(folder: Path) -> None:
    outside = folder.parent / "secret.json"
    outside.write_text('{"detail": 4}')
    (folder / "out.json").symlink_to(outside)
    put(folder, "real", {"detail": 3})
    (folder / "inner.json").symlink_to("real.json")
    library = SeriesLibrary(folder.parent)
    with pytest.raises(OutsideDataDir, match=r"series/out\.json"):
        library.get("out")
    assert library.get("inner").detail == 3
    assert library.get("real").detail == 3


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    put(elsewhere, "sea", {"detail": 3})
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / "series").symlink_to(elsewhere)
    assert SeriesLibrary(data_dir).get("sea").detail == 3


def test_anything_but_a_regular_file_is_an_error_and_does_not_block(folder: Path) -> None:
    os.mkfifo(folder / "pipe.json")
    (folder / "folder.json").mkdir()
    (folder / "dangling.json").symlink_to("nowhere.json")
    library = SeriesLibrary(folder.parent)
    for name in ("pipe", "folder", "dangling"):
        with pytest.raises(BadSeriesFile, match="not a regular file"):
            library.get(name)


def test_other_files_are_ignored(folder: Path) -> None:
    for name in ("notes.txt", "bad name.json", ".hidden.json", ".json"):
        (folder / name).write_text("{}")
    assert SeriesLibrary(folder.parent).names() == SHIPPED


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "series").write_text("")
    library = SeriesLibrary(tmp_path)
    with pytest.raises(DataDirError, match="cannot read"):
        library.names()
    assert library.get("simple").name == "simple"


@pytest.mark.parametrize("name", SHIPPED)
def test_the_built_in_series_are_valid(tmp_path: Path, name: str) -> None:
    assert SeriesLibrary(tmp_path).get(name).name == name
