"""Sources of pictures: the results of the phase `image_wait`, from which `image_download` gets the bytes."""

import msgspec

__all__ = ["EncodedPicture", "LocalPicture", "PictureSource", "RemotePicture"]

_SHOWN_CHARACTERS = 24


class RemotePicture(msgspec.Struct, frozen=True, tag="remote"):
    """A picture at a provider's HTTP or HTTPS `url`, which may be signed and expire soon."""

    url: str


class EncodedPicture(msgspec.Struct, frozen=True, tag="encoded"):
    """A picture in the response itself; `data` is base64 (RFC 4648, section 4) without line breaks."""

    data: str

    def __repr__(self) -> str:
        """Return only the beginning, because the data can be megabytes in a log or a traceback."""
        return f"EncodedPicture({self.data[:_SHOWN_CHARACTERS]!r}…, {len(self.data):,} characters)"


class LocalPicture(msgspec.Struct, frozen=True, tag="local"):
    """A picture in the local file at `path`."""

    path: str


PictureSource = RemotePicture | EncodedPicture | LocalPicture
