"""What `image_wait` yields: where the picture of a provider is to be had. `image_download` turns it into bytes."""

import msgspec

__all__ = ["EncodedPicture", "LocalPicture", "PictureSource", "RemotePicture"]

_SHOWN_CHARACTERS = 24


class RemotePicture(msgspec.Struct, frozen=True, tag="remote"):
    """A picture at a provider's http or https `url`, which may be signed and short-lived."""

    url: str


class EncodedPicture(msgspec.Struct, frozen=True, tag="encoded"):
    """A picture in the answer itself: `data` is base64 (RFC 4648, section 4) without line breaks."""

    data: str

    def __repr__(self) -> str:
        """Show the beginning only: the whole would be megabytes in a log or a traceback."""
        return f"EncodedPicture({self.data[:_SHOWN_CHARACTERS]!r}…, {len(self.data):,} characters)"


class LocalPicture(msgspec.Struct, frozen=True, tag="local"):
    """A picture that was made on this machine, in the file at `path`."""

    path: str


PictureSource = RemotePicture | EncodedPicture | LocalPicture
