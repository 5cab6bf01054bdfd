"""Validation of a provider's picture, and its conversion to PNG."""

from io import BytesIO
from typing import Final

import msgspec
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from phaseline.errors import shown
from phaseline_server.pictures.bounds import Bounds
from phaseline_server.pictures.errors import PictureError

__all__ = ["Picture", "check"]

_FORMATS: Final = ("PNG", "JPEG", "WEBP")
_ALLOWED: Final = "a complete PNG, JPEG or WebP picture"
_BEGINNING: Final = 24
_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"

# Pillow's default. The flag is global, and the validation below would fail if another module had set it.
ImageFile.LOAD_TRUNCATED_IMAGES = False
# Pillow's own limit is checked at the same place as ours, and its text names another limit.
Image.MAX_IMAGE_PIXELS = None


class Picture(msgspec.Struct, frozen=True):
    """A completely decoded picture.

    Attributes:
        png: The PNG file: the original bytes of a PNG, or a conversion.
        width: Width in pixels, after applying the EXIF rotation.
        height: Height in pixels, after applying the EXIF rotation.
        format: The original format: `PNG`, `JPEG` or `WEBP`.
    """

    png: bytes
    width: int
    height: int
    format: str


def check(data: bytes, bounds: Bounds) -> Picture:
    """Check that `data` is a complete picture within `bounds`, and return it.

    Only the header is read before the size is known to be allowed. Decoding takes seconds and a lot of memory, so call
    it in a process of its own. A file that ends correctly but lacks its last lines is not detected, because decoders
    fill them in.

    Raises:
        PictureError: The picture is incomplete, too large or not valid.
    """
    if not data:
        raise PictureError(f"the picture has 0 bytes; allowed: {_ALLOWED}")
    whole = _whole_length(data)
    if whole > len(data):
        raise PictureError(f"the picture ends after {len(data):,} of at least {whole:,} bytes; allowed: {_ALLOWED}")
    try:
        return _decoded(data, bounds)
    except PictureError:
        raise
    except MemoryError:
        raise PictureError(f"the picture of {len(data):,} bytes needs too much memory; allowed: {bounds}") from None
    except UnidentifiedImageError:
        seen = shown(data[:_BEGINNING].decode("latin-1"))
        raise PictureError(f"not a picture: starts with {seen}; allowed: {_ALLOWED}") from None
    except Exception as error:  # decoders can raise almost any error on hostile bytes
        raise PictureError(f"damaged picture of {len(data):,} bytes: {error}; allowed: {_ALLOWED}") from error


def _decoded(data: bytes, bounds: Bounds) -> Picture:
    with Image.open(BytesIO(data), formats=_FORMATS) as image:
        kind = "JPEG" if image.format == "MPO" else str(image.format)  # MPO: a JPEG followed by further pictures
        width, height = image.size
        if not bounds.allow(width, height):
            pixels = f"{width} x {height} = {width * height:,} pixels"
            raise PictureError(f"the picture has {pixels}; allowed: {bounds}")
        image.verify()  # checks every checksum of a PNG; the image is unusable afterwards
    with Image.open(BytesIO(data), formats=_FORMATS) as image:
        image.load()
        if kind == "PNG":
            return Picture(data, width, height, kind)
        turned = ImageOps.exif_transpose(image)
        return Picture(_png(turned), turned.width, turned.height, kind)


def _png(image: Image.Image) -> bytes:
    """Return the PNG of a decoded JPEG or WebP, with its color profile and no other metadata."""
    profile = image.info.get("icc_profile")
    if image.mode not in {"L", "RGB", "RGBA"}:
        image, profile = image.convert("RGB"), None  # the profile describes the old mode
    file = BytesIO()
    image.save(file, "PNG", icc_profile=profile)
    return file.getvalue()


def _whole_length(data: bytes) -> int:
    """Return the minimum size of the file, in bytes, according to its own headers; 0 if unknown.

    A PNG is a signature and chunks of a 4-byte length, a 4-byte name, the data and a 4-byte checksum, up to IEND
    (RFC 2083, section 3). A WebP is a RIFF file; its bytes 4 to 8 hold the length of the rest (RFC 9649, section 2.4).
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return 8 + int.from_bytes(data[4:8], "little")
    if not data.startswith(_PNG_SIGNATURE):
        return 0
    position = len(_PNG_SIGNATURE)
    while position + 8 <= len(data):
        name = data[position + 4 : position + 8]
        position += 12 + int.from_bytes(data[position : position + 4], "big")
        if name == b"IEND":
            return position
    return position + 12  # at least IEND is missing
