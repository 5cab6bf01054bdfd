"""Small pictures for lists, made when they are first wanted and kept in a bounded part of the memory."""

import hashlib
from collections import OrderedDict
from io import BytesIO
from typing import Final, NamedTuple

import trio
from PIL import Image

from phaseline_server.pictures.errors import PictureError
from phaseline_server.pictures.gallery import Gallery

__all__ = ["SIZE", "Thumbnail", "Thumbnails"]

SIZE: Final = (480, 640)
"""Width and height in pixels that a thumbnail fits into."""
_MOST_PIXELS: Final = 25_000_000
_MOST_BYTES: Final = 16 * 2**20
_QUALITY: Final = 82


class Thumbnail(NamedTuple):
    """A JPEG; `tag` differs if the picture does."""

    content: bytes
    tag: str


class Thumbnails:
    """The thumbnails of one gallery. One is made at a time, because decoding takes memory and a processor.

    Attributes:
        size: The bytes that are kept.
    """

    def __init__(self, gallery: Gallery) -> None:
        """Begin without thumbnails."""
        self._gallery = gallery
        self._limiter = trio.CapacityLimiter(1)
        self._made: OrderedDict[str, bytes] = OrderedDict()
        self.size = 0

    async def get(self, series: str, address: str) -> Thumbnail:
        """Return the thumbnail of an annotated picture.

        Raises:
            NoPicture: The picture does not exist (yet).
            PictureError: The file is no picture, or has more than 25 million pixels.
            OutsideDataDir: A symbolic link points outside the data directory.
            DataDirError: The file is not readable.
        """
        return await trio.to_thread.run_sync(self._get, series, address, limiter=self._limiter)

    def _get(self, series: str, address: str) -> Thumbnail:
        picture = self._gallery.picture(series, address)
        tag = hashlib.blake2b(picture, digest_size=12).hexdigest()
        content = self._made.get(tag)
        if content is None:
            content = self._made[tag] = _reduced(picture, f"{series}/{address}")
            self.size += len(content)
            while self.size > _MOST_BYTES:
                self.size -= len(self._made.popitem(last=False)[1])
        else:
            self._made.move_to_end(tag)
        return Thumbnail(content, tag)


def _reduced(picture: bytes, name: str) -> bytes:
    made = BytesIO()
    try:
        with Image.open(BytesIO(picture), formats=["PNG"]) as image:
            if image.width * image.height > _MOST_PIXELS:
                size = f"{image.width} x {image.height} pixels"
                raise PictureError(f"{name} has {size}; allowed for a thumbnail: at most {_MOST_PIXELS:,} pixels")
            image.thumbnail(SIZE)
            image.convert("RGB").save(made, "JPEG", quality=_QUALITY)
    except (OSError, ValueError, SyntaxError) as error:
        raise PictureError(f"{name} is not a complete PNG: {error}; make it again with ?retry=1") from None
    return made.getvalue()
