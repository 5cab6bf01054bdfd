"""The band's colours: its ground is the picture's own, its type always contrasts."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from phaseline_server.pictures.band_colour import BLACK, WHITE, Colour, contrast, edge_colour, luminance, type_colour
from tests.support.examples import examples

CHANNEL = st.integers(0, 255)
COLOURS = st.tuples(CHANNEL, CHANNEL, CHANNEL)


def plain(colour: Colour, size: tuple[int, int]) -> Image.Image:
    return Image.new("RGB", size, colour)


@pytest.mark.parametrize(
    ("colour", "expected"),
    [(BLACK, 0.0), (WHITE, 1.0), ((255, 0, 0), 0.2126), ((0, 255, 0), 0.7152), ((119, 119, 119), 0.1845)],
)
def test_luminance_follows_wcag(colour: Colour, expected: float) -> None:
    assert luminance(colour) == pytest.approx(expected, abs=5e-5)


def test_contrast_follows_wcag() -> None:
    assert contrast(BLACK, WHITE) == contrast(WHITE, BLACK) == pytest.approx(21.0)
    assert contrast(WHITE, (119, 119, 119)) == pytest.approx(4.48, abs=0.005)  # the well-known #777 that just fails


@given(COLOURS)
@example((117, 117, 117))
def test_black_or_white_always_has_enough_contrast(ground: Colour) -> None:
    assert contrast(type_colour(ground), ground) > 4.5


@given(COLOURS)
@settings(max_examples=examples(40))
@example((117, 117, 117))
def test_the_band_has_the_color_of_the_edge_with_enough_contrast(colour: Colour) -> None:
    ground = edge_colour(plain(colour, (8, 8)))
    assert contrast(type_colour(ground), ground) >= 7.0
    if contrast(type_colour(colour), colour) >= 7.0:
        assert ground == colour


def test_the_color_of_the_band_is_the_most_common_one_and_not_the_mean() -> None:
    picture = plain((200, 220, 255), (300, 200))
    picture.paste((250, 140, 20), (0, 120, 100, 200))
    picture.paste((20, 40, 90), (100, 120, 300, 200))  # two thirds of the lower edge
    assert edge_colour(picture) == (20, 40, 90)


def test_a_small_flat_object_does_not_outweigh_a_background_of_many_shades() -> None:
    picture = Image.new("RGB", (300, 200))
    for x in range(300):
        picture.paste((40 + x // 10, 60, 70 + x // 12), (x, 0, x + 1, 200))
    picture.paste((240, 250, 200), (100, 150, 150, 200))
    red, green, blue = edge_colour(picture)
    assert 40 <= red <= 70
    assert green == 60
    assert 70 <= blue <= 95
