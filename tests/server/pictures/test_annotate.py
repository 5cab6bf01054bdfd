"""The band below the picture: its colours, its type, and texts of every kind."""

import random
from io import BytesIO

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from phaseline_server.pictures.annotate import annotate
from phaseline_server.pictures.band_colour import BLACK, WHITE, Colour
from phaseline_server.pictures.errors import PictureError
from phaseline_server.pictures.typesetting import Block, _broken, font_of, printable, typeset
from tests.support.examples import examples

FOX = "A melancholy violet fox in the style of Art Nouveau"
HERON = (
    "A serene, slightly bewildered heron made of brass as a court cartographer, standing on a hill at dusk, "
    "in the style of 1920s travel posters"
)


def png(picture: Image.Image) -> bytes:
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def plain(colour: Colour = (30, 60, 120), size: tuple[int, int] = (320, 200)) -> Image.Image:
    return Image.new("RGB", size, colour)


def noise() -> Image.Image:
    return Image.frombytes("RGB", (320, 200), random.Random(1).randbytes(320 * 200 * 3))


def opened(data: bytes) -> Image.Image:
    with Image.open(BytesIO(data)) as image:
        image.load()
        return image


def band_of(data: bytes, height: int) -> Image.Image:
    image = opened(data)
    return image.crop((0, height, image.width, image.height))


# ------------------------------------------------------------------------------------------------- texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a\tfox\r\nat  dusk ", "a fox at dusk"),
        ("a\x00 f\x1b[31mo\u202ex\u200b", "a f[31mox"),
        ("", ""),
        (" \n\x07\u200d\u0301", ""),
        ("Ångström’s café: naïve Łódź, Æsir, Straße", "Angstrom’s cafe: naive Lodz, AEsir, Strasse"),
        ("ﬁne — “fox” – ½", "fine - “fox” - 1⁄2"),
        ("\"It's\" a fox's 'den' of the '20s (\"now\")", "“It’s” a fox’s ‘den’ of the ’20s (“now”)"),
        ("漢字 лиса 🦊", "·· ···· ·"),
        ("e\u0301\u0323", "e"),
    ],
)
def test_text_is_reduced_to_printable_characters(text: str, expected: str) -> None:
    assert printable(text) == expected


@given(st.text(max_size=60))
def test_only_characters_of_the_font_are_drawn(text: str) -> None:
    font = font_of(20)
    box = bytes(font.getmask("\U0010ffff"))
    line = printable(text)
    assert "\n" not in line
    assert not [c for c in line if bytes(font.getmask(c)) == box]


def block_of(text: str, width: int = 1024, height: int = 1024) -> Block:
    block = typeset(printable(text), width, height)
    assert block is not None
    return block


def test_the_font_is_the_largest_that_fits_two_lines() -> None:
    short, usual, long, longest = (
        block_of(text) for text in ("A proud owl", f"{FOX}, {FOX}", HERON, f"{HERON}, {FOX}")
    )
    assert [len(block.lines) for block in (short, usual, long, longest)] == [1, 2, 2, 3]
    assert short.size == pytest.approx(1024 / 30)
    assert usual.size == short.size
    assert 1024 / 46 < long.size < short.size
    assert longest.size == pytest.approx(1024 / 46)


def test_lines_have_similar_lengths() -> None:
    block = block_of("A serene heron made of brass in the manner of a poster", 640, 1024)
    assert len(block.lines) == 2
    one, two = (font_of(100).getlength(line) for line in block.lines)
    assert min(one, two) / max(one, two) > 0.8


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "A glossy crane as a shipwright, holding up the sky, in the style of Rococo painting",
            ("A glossy crane as a shipwright,", "holding up the sky, in the style of Rococo painting"),
        ),
        (
            "Yes, a glossy crane holding up the endless sky in the style of Rococo painting",
            ("Yes, a glossy crane holding up the endless", "sky in the style of Rococo painting"),
        ),
        (
            "A gilded heron working as a smuggler, mending the nets of a fleet at dusk in the style of Art Nouveau",
            (
                "A gilded heron working as a smuggler, mending",
                "the nets of a fleet at dusk in the style of Art Nouveau",
            ),
        ),
    ],
    ids=["after a comma", "but not after the first word", "nor where the next would be too long"],
)
def test_a_line_prefers_to_end_after_a_comma(text: str, lines: tuple[str, str]) -> None:
    assert block_of(text).lines == lines


def test_a_line_prefers_to_end_before_an_article() -> None:
    block = block_of("A brass heron standing quietly at the lighthouse gate while ships go by", 900, 1100)
    assert block.lines == ("A brass heron standing quietly", "at the lighthouse gate while ships go by")


def test_an_endless_word_costs_limited_work() -> None:
    measured = 0

    def measure(text: str) -> float:
        nonlocal measured
        measured += len(text)
        return float(len(text))

    assert _broken(["m" * 1000], 1.5, measure) == ["m"] * 5
    assert measured < 50_000


@given(
    text=st.text(st.sampled_from("abcdefghij    -.,"), max_size=1500),
    width=st.integers(150, 3000),
    height=st.integers(150, 3000),
)
@settings(max_examples=examples(40))
@example(text="m" * 3000, width=200, height=200)
@example(text="word " * 400, width=1024, height=1024)
@example(text="word " * 300, width=3000, height=200)  # four lines would hold more than is set at all
@pytest.mark.slow
def test_every_text_fits_four_lines_between_the_margins(text: str, width: int, height: int) -> None:
    line = printable(text)
    block = typeset(line, width, height)
    if block is None:
        assert not line
        return
    assert 1 <= len(block.lines) <= 4
    font = font_of(100)
    assert max(font.getlength(each) for each in block.lines) * block.size / 100 <= 0.87 * width
    shown = " ".join(block.lines)
    if shown.endswith("…"):
        assert line.replace(" ", "").startswith(shown[:-1].replace(" ", ""))
    else:
        assert shown.replace(" ", "") == line.replace(" ", "")
    assert block.baselines[-1] < block.height


# ----------------------------------------------------------------------------------------------- picture


def test_the_same_picture_and_text_give_the_same_bytes() -> None:
    assert annotate(png(plain()), FOX) == annotate(png(plain()), FOX)
    assert annotate(png(plain()), FOX) != annotate(png(plain()), FOX + "!")


def test_the_picture_above_the_band_is_unchanged() -> None:
    result = opened(annotate(png(noise()), FOX))
    assert (result.format, result.mode, result.width) == ("PNG", "RGB", 320)
    assert result.height > 200
    assert result.crop((0, 0, 320, 200)).tobytes() == noise().tobytes()


@pytest.mark.parametrize(("ground", "ink"), [((30, 60, 120), WHITE), ((240, 230, 200), BLACK)])
def test_the_text_has_a_contrasting_color_between_the_margins(ground: Colour, ink: Colour) -> None:
    band = band_of(annotate(png(plain(ground, (640, 400))), FOX), 400)
    drawn = [
        (x, y)
        for x in range(band.width)
        for y in range(5, band.height)  # below the rule
        if band.getpixel((x, y)) != ground
    ]
    assert any(band.getpixel(place) == ink for place in drawn)
    left, right = min(x for x, _ in drawn), max(x for x, _ in drawn)
    assert abs(left - (639 - right)) <= 2  # centred
    assert left >= 0.06 * 640
    top, bottom = min(y for _, y in drawn), max(y for _, y in drawn)
    assert top > band.height / 4
    assert bottom < band.height * 3 / 4


def test_a_line_separates_the_band_from_a_picture_of_the_same_color() -> None:
    band = band_of(annotate(png(plain((30, 60, 120))), FOX), 200)
    rule = {band.getpixel((x, 0)) for x in range(band.width)}
    assert len(rule) == 1
    assert (30, 60, 120) not in rule
    assert band.getpixel((0, band.height - 1)) == (30, 60, 120)


@pytest.mark.parametrize(("mode", "kept"), [("RGB", b"a profile"), ("RGBA", b"a profile"), ("L", None)])
def test_a_color_profile_is_kept_only_for_rgb_pictures(mode: str, kept: bytes | None) -> None:
    file = BytesIO()
    plain().convert(mode).save(file, "PNG", icc_profile=b"a profile")
    assert opened(annotate(file.getvalue(), FOX)).info.get("icc_profile") == kept


@pytest.mark.parametrize("text", ["", " \n", "\x00\x1b", "\u200b"])
def test_a_text_without_printable_characters_gives_no_band(text: str) -> None:
    assert opened(annotate(png(plain()), text)).size == (320, 200)


@pytest.mark.parametrize(
    "text",
    ["x", "word " * 5000, "m" * 100_000, "漢字" * 50, "\x1b[31m\x07", "🦊" * 40, "ـ" * 99],
    ids=["letter", "words", "endless word", "ideographs", "controls", "emoji", "right to left"],
)
@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (64, 64)])
def test_any_text_can_be_drawn_at_any_size(text: str, size: tuple[int, int]) -> None:
    result = opened(annotate(png(plain(size=size)), text))
    assert result.width == size[0]
    assert result.height >= size[1]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_pictures_of_every_mode_can_be_annotated(mode: str) -> None:
    result = opened(annotate(png(plain((255, 255, 255)).convert(mode)), FOX))
    assert result.mode == "RGB"
    assert result.getpixel((10, 10)) == WHITE


def test_16_bit_gray_is_scaled_and_not_clipped() -> None:
    grey = Image.new("I;16", (320, 200), 0x8000)
    assert opened(annotate(png(grey), FOX)).getpixel((10, 10)) == (128, 128, 128)


def test_transparent_pixels_become_white() -> None:
    clear = Image.new("RGBA", (320, 200), (255, 0, 0, 0))
    result = opened(annotate(png(clear), FOX))
    assert result.getpixel((10, 10)) == WHITE
    assert result.getpixel((0, result.height - 1)) == WHITE


def with_a_broken_chunk() -> bytes:
    """Return a PNG whose second chunk of pixels has no letters for a name, at which Pillow raises SyntaxError."""
    first, second, *rest = png(noise()).split(b"IDAT")
    return b"IDAT".join([first + b"IDAT" + second + b"\x81A\xe3\xf2" + rest[0], *rest[1:]])


def with_a_bomb() -> bytes:
    """Return a PNG whose text is packed to a thousandth, at which Pillow raises ValueError."""
    notes, file = PngImagePlugin.PngInfo(), BytesIO()
    notes.add_text("Comment", "x" * 3_000_000, zip=True)
    plain().save(file, "PNG", pnginfo=notes)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>", png(plain())[:200], with_a_broken_chunk(), with_a_bomb()],
    ids=["nothing", "no picture", "cut off", "a broken chunk", "a bomb"],
)
def test_an_invalid_picture_is_an_error(data: bytes) -> None:
    with pytest.raises(PictureError, match=f"cannot annotate {len(data):,} bytes: "):
        annotate(data, FOX)
