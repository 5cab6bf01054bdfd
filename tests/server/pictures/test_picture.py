"""Validation of picture files."""

import random
import zlib
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile

from phaseline_server.pictures.bounds import Bounds
from phaseline_server.pictures.errors import PictureError
from phaseline_server.pictures.picture import Picture, check

PIXELS = 10_000
BOUNDS = Bounds(PIXELS, 1000)


def painted(mode: str = "RGB", size: tuple[int, int] = (80, 60)) -> Image.Image:
    """Return noise: a picture that no encoder makes small."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(mode, size, random.Random(5).randbytes(size[0] * size[1] * channels))


def encoded(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    file = BytesIO()
    (image or painted()).save(file, kind, **options)
    return file.getvalue()


def problem(data: bytes, bounds: Bounds = BOUNDS) -> str:
    with pytest.raises(PictureError) as caught:
        check(data, bounds)
    return str(caught.value)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "1", "P"])
def test_a_complete_png_is_returned_unchanged(mode: str) -> None:
    data = encoded("PNG", painted().convert(mode))
    assert check(data, BOUNDS) == Picture(data, 80, 60, "PNG")


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_other_formats_become_a_png_with_the_same_pixels(kind: str) -> None:
    data = encoded(kind)
    checked = check(data, BOUNDS)
    assert (checked.format, checked.width, checked.height) == (kind, 80, 60)
    with Image.open(BytesIO(checked.png)) as png, Image.open(BytesIO(data)) as original:
        assert png.format == "PNG"
        assert png.tobytes() == original.convert(png.mode).tobytes()


def test_a_cmyk_jpeg_becomes_rgb() -> None:
    checked = check(encoded("JPEG", painted("CMYK")), BOUNDS)
    with Image.open(BytesIO(checked.png)) as png:
        assert (png.format, png.mode) == ("PNG", "RGB")


def test_an_mpo_file_is_read_as_its_first_picture() -> None:
    data = encoded("MPO", save_all=True, append_images=[painted("L")])
    with Image.open(BytesIO(data)) as several:
        assert several.format == "MPO"
    checked = check(data, BOUNDS)
    assert (checked.format, checked.width, checked.height) == ("JPEG", 80, 60)


def test_a_webp_keeps_its_transparency() -> None:
    checked = check(encoded("WEBP", painted("RGBA"), lossless=True, exact=True), BOUNDS)
    with Image.open(BytesIO(checked.png)) as png:
        assert png.mode == "RGBA"
        assert png.tobytes() == painted("RGBA").tobytes()


def test_the_exif_rotation_is_applied_and_metadata_is_removed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010F] = "a camera"
    checked = check(encoded("JPEG", exif=exif, icc_profile=b"a profile"), BOUNDS)
    assert (checked.width, checked.height) == (60, 80)
    with Image.open(BytesIO(checked.png)) as png:
        assert png.size == (60, 80)
        assert len(png.getexif()) == 0
        assert png.info["icc_profile"] == b"a profile"


def test_a_truncated_picture_is_never_accepted() -> None:
    for kind in ("PNG", "JPEG", "WEBP"):
        data = encoded(kind)
        for length in {*range(0, len(data), 97), *range(len(data) - 20, len(data))}:
            problem(data[:length])


def test_the_error_for_a_truncated_picture_names_the_expected_size() -> None:
    png, webp = encoded("PNG"), encoded("WEBP")
    assert f"the picture ends after 1,234 of at least {len(png):,} bytes" in problem(png[:1234])
    assert f"the picture ends after 1,234 of at least {len(webp):,} bytes" in problem(webp[:1234])


def test_the_error_for_a_truncated_jpeg_contains_the_text_of_the_decoder() -> None:
    data = encoded("JPEG")
    text = problem(data[: len(data) // 2])
    assert text.startswith(f"damaged picture of {len(data) // 2:,} bytes: image file is truncated (")


IEND = 12  # bytes of a PNG's last chunk


@pytest.mark.parametrize("place", [len(encoded("PNG")) // 2, -IEND - 1], ids=["pixels", "checksum"])
def test_one_wrong_bit_in_a_png_is_detected(place: int) -> None:
    data = bytearray(encoded("PNG"))
    data[place] ^= 1
    assert "damaged picture of " in problem(bytes(data))


def test_wrong_pixels_with_a_valid_checksum_are_detected() -> None:
    data = bytearray(encoded("PNG"))
    begin = data.index(b"IDAT")
    data[begin + 4] ^= 0xFF  # how the pixels are packed
    data[-IEND - 4 : -IEND] = zlib.crc32(data[begin : -IEND - 4]).to_bytes(4, "big")
    assert "damaged picture of " in problem(bytes(data))


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (b"", "the picture has 0 bytes"),
        (b"<html><body>no</body></html>", "not a picture: starts with '<html><body>no</body></h'"),
        (b'{"error": "gone"}', 'not a picture: starts with \'{"error": "gone"}\''),
        (b"\x00\x1b[31m\xff", "not a picture: starts with '\\x00\\x1b[31m\\xff'"),
        (encoded("GIF"), "not a picture: starts with 'GIF8"),
        (encoded("BMP"), "not a picture: starts with 'BM"),
        (encoded("TIFF"), "not a picture: starts with 'II*"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 'not a picture: starts with "<svg '),
    ],
)
def test_the_error_for_an_invalid_picture_shows_its_beginning(data: bytes, seen: str) -> None:
    text = problem(data)
    assert text.startswith(seen)
    assert text.endswith("; allowed: a complete PNG, JPEG or WebP picture")


def test_too_many_pixels_are_rejected_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(_image: ImageFile.ImageFile) -> None:
        raise AssertionError("decoded")

    data = encoded("PNG", painted(size=(101, 100)))
    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    assert problem(data) == (
        "the picture has 101 x 100 = 10,100 pixels; allowed: at most 10,000 pixels, and 1,000 a side"
    )


def test_a_long_thin_picture_is_rejected_before_decoding() -> None:
    assert "the picture has 1001 x 1 = 1,001 pixels; allowed: " in problem(encoded("PNG", painted(size=(1001, 1))))


@pytest.mark.parametrize(
    ("requested", "bounds"),
    [
        ((64, 64), Bounds(4_194_304, 4096)),
        ((1024, 1024), Bounds(4_194_304, 4096)),
        ((1792, 1024), Bounds(7_340_032, 4096)),
        ((4096, 4096), Bounds(67_108_864, 8192)),
        ((8192, 8192), Bounds(67_108_864, 8192)),
    ],
)
def test_a_picture_may_have_twice_the_requested_sides_and_a_small_one_more(
    requested: tuple[int, int], bounds: Bounds
) -> None:
    assert Bounds.near(*requested) == bounds
    assert bounds.allow(*requested)


def test_the_maximum_number_of_pixels_is_accepted() -> None:
    assert (check(encoded("PNG", painted(size=(100, 100))), BOUNDS)).width == 100


def test_a_decompression_bomb_is_rejected() -> None:
    bomb = bytearray(encoded("PNG"))
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2  # 3.6 billion pixels, according to the header
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    text = problem(bytes(bomb))
    assert text.startswith("the picture has 60000 x 60000 = 3,600,000,000 pixels; allowed: at most 10,000 pixels")


def test_pillow_does_not_load_truncated_pictures() -> None:
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


@given(seed=st.integers(0, 10_000), kind=st.sampled_from(["PNG", "JPEG", "WEBP"]), flips=st.integers(1, 8))
def test_damaged_bytes_give_a_picture_or_a_picture_error(seed: int, kind: str, flips: int) -> None:
    rng = random.Random(seed)
    data = bytearray(encoded(kind, painted(size=(16, 16))))
    for _ in range(flips):
        data[rng.randrange(len(data))] = rng.randrange(256)
    try:
        checked = check(bytes(data), BOUNDS)
    except PictureError:
        return
    assert 0 < checked.width * checked.height <= PIXELS
