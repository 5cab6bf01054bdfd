"""Workflows and the names that paths and job ids are made of."""

import pytest

from phaseline.errors import InvalidAddress, InvalidSeries
from phaseline.model.workflows import (
    PHOTO,
    PICTURES,
    Picture,
    Workflow,
    makes_pictures,
    picture_of,
    reserved_for_pictures,
    valid_address,
    valid_series,
    workflow,
)


def test_the_two_built_in_workflows_are_photo_and_pictures() -> None:
    assert list(PICTURES.phases) == [
        "setup",
        "base_prompts",
        "enhance_prompt",
        "image_prep",
        "image_wait",
        "image_download",
        "annotate",
    ]
    assert list(PHOTO.phases) == [
        "importing",
        "exif_analysis",
        "ai_evaluation",
        "context_detection",
        "preset_selection",
        "applying_preset",
        "quality_check",
        "exporting",
    ]
    assert PICTURES.ends == PHOTO.ends == ("completed", "failed")
    assert PICTURES.fixed
    assert PHOTO.fixed


def test_only_workflows_that_are_not_built_in_are_learned() -> None:
    assert workflow("photo", ("a",)) is PHOTO
    assert workflow("dalle") is PICTURES
    assert workflow("nightly", ("a", "b")) == Workflow("nightly", ("a", "b"), fixed=False)
    assert workflow("Photo") == Workflow("Photo")


@pytest.mark.parametrize("name", ["simple", "a", "A-1_z", "x" * 64])
def test_a_series_name_is_not_changed(name: str) -> None:
    assert valid_series(name) == name


@pytest.mark.parametrize(
    "name", ["", "x" * 65, "a b", "a\n", "a/b", "..", "a.b", "%2e", "é", "\u0661", "a\x00", "simple\u200b"]
)
def test_any_other_series_name_is_rejected(name: str) -> None:
    with pytest.raises(InvalidSeries, match=r"^series is .*; allowed: 1 to 64 of A-Z a-z 0-9 _ -$"):
        valid_series(name)


@pytest.mark.parametrize(
    ("text", "kept"), [("0x1", "0x1"), ("0xABCdef", "0xabcdef"), ("0x" + "F" * 64, "0x" + "f" * 64), ("0x00", "0x00")]
)
def test_an_address_is_kept_in_lower_case(text: str, kept: str) -> None:
    assert valid_address(text) == kept


@pytest.mark.parametrize("text", ["", "0x", "1", "0X1", "0xg", "0x" + "1" * 65, "0x1\n", " 0x1", "0x1/..", "0x\u0661"])
def test_any_other_address_is_rejected(text: str) -> None:
    with pytest.raises(InvalidAddress, match=r"^address is .*; allowed: 0x and 1 to 64 hexadecimal digits$"):
        valid_address(text)


def test_the_id_of_a_pictures_job_names_the_picture() -> None:
    picture = Picture("simple", "0x1")
    assert (picture.job_id, picture.path, str(picture)) == ("dalle:simple:0x1", "/dalle/simple/0x1", "simple/0x1")
    assert picture_of(picture.job_id) == picture


@pytest.mark.parametrize("job_id", ["", "dalle", "dalle:simple", "dalle:simple:", "dalle:a/b:0x1", "photo:simple:0x1"])
def test_any_other_id_names_no_picture(job_id: str) -> None:
    assert picture_of(job_id) is None


def test_ids_that_begin_like_a_pictures_are_reserved_for_pictures() -> None:
    assert [name for name in ("dalle", "photo", "nightly", None) if makes_pictures(name)] == ["dalle"]
    assert reserved_for_pictures("dalle:anything")
    assert not reserved_for_pictures("photo:1")
