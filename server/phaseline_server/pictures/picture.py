"""The proof that some bytes are one whole picture, and its PNG; nobody believes in a provider's picture before."""

from io import BytesIO
from typing import Final

import msgspec
import trio
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from phaseline.errors import PictureError, shown

__all__ = ["Picture", "check"]

_FORMATS: Final = ("PNG", "JPEG", "WEBP")
_ALLOWED: Final = "a whole PNG, JPEG or WebP picture"
_BEGINNING: Final = 24
_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"

# Off is Pillow's default. It is one switch for the whole process, and the proof below is none if anybody turned it on.
ImageFile.LOAD_TRUNCATED_IMAGES = False


class Picture(msgspec.Struct, frozen=True):
    """A picture that was decoded to its last pixel.

    Attributes:
        png: The PNG file: the very bytes that came if they were a PNG, a conversion otherwise.
        width: In pixels, as seen (a rotation that the camera noted is applied).
        height: Likewise.
        format: What came: `PNG`, `JPEG` or `WEBP`.
    """

    png: bytes
    width: int
    height: int
    format: str


async def check(data: bytes, max_pixels: int) -> Picture:
    """Prove, in a thread, that `data` is one whole picture of at most `max_pixels` pixels.

    What ends as its format prescribes and yet lacks its last lines is beyond the proof: decoders fill those in.

    Raises:
        PictureError: It is not; the text says what is wrong with it.
    """
    return await trio.to_thread.run_sync(_check, data, max_pixels)


def _check(data: bytes, max_pixels: int) -> Picture:
    if not data:
        raise PictureError(f"the picture has 0 bytes; allowed: {_ALLOWED}")
    whole = _whole_length(data)
    if whole > len(data):
        raise PictureError(f"picture cut off after {len(data):,} of at least {whole:,} bytes; allowed: {_ALLOWED}")
    try:
        return _decoded(data, max_pixels)
    except PictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError(f"{error}; allowed: at most {max_pixels:,} pixels") from None
    except UnidentifiedImageError:
        seen = shown(data[:_BEGINNING].decode("latin-1"))
        raise PictureError(f"not an image: starts with {seen}; allowed: {_ALLOWED}") from None
    except Exception as error:  # a decoder that is fed hostile bytes may raise nearly anything
        raise PictureError(f"broken picture of {len(data):,} bytes: {error}; allowed: {_ALLOWED}") from error


def _decoded(data: bytes, max_pixels: int) -> Picture:
    with Image.open(BytesIO(data), formats=_FORMATS) as image:
        kind = "JPEG" if image.format == "MPO" else str(image.format)  # a JPEG with further pictures behind it
        width, height = image.size
        if width * height > max_pixels:
            raise PictureError(
                f"picture has {width} x {height} = {width * height:,} pixels; allowed: at most {max_pixels:,}"
            )
        image.verify()  # every checksum of a PNG; it leaves the image unusable
    with Image.open(BytesIO(data), formats=_FORMATS) as image:
        image.load()
        if kind == "PNG":
            return Picture(data, width, height, kind)
        turned = ImageOps.exif_transpose(image)
        return Picture(_png(turned), turned.width, turned.height, kind)


def _png(image: Image.Image) -> bytes:
    """Return the PNG of a decoded JPEG or WebP, with its colour profile and no other metadata."""
    profile = image.info.get("icc_profile")
    if image.mode not in {"L", "RGB", "RGBA"}:
        image, profile = image.convert("RGB"), None  # the profile describes the mode that was
    file = BytesIO()
    image.save(file, "PNG", icc_profile=profile)
    return file.getvalue()


def _whole_length(data: bytes) -> int:
    """Return how many bytes the file must have at least by what it says itself; 0 if it doesn't say.

    A PNG is a signature and chunks of a 4-byte length, a 4-byte name, the data and a 4-byte checksum, up to IEND
    (RFC 2083, section 3); a WebP is a RIFF file, whose bytes 4 to 8 hold the length of what follows (RFC 9649,
    section 2.4).
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
    return position + 12  # IEND is still to come
