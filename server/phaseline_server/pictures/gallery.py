"""The gallery: what is there already, whoever made it and whenever. All of it blocks: for worker threads."""

from itertools import islice

import msgspec

from phaseline.errors import NoPicture, PhaselineError, UnknownPath
from phaseline_server.pictures.studio import Studio

__all__ = ["Gallery", "GalleryPicture"]


class GalleryPicture(msgspec.Struct, frozen=True):
    """A picture of the gallery; `path` is under `output/`."""

    series: str
    address: str
    path: str
    title: str


class Gallery:
    """The pictures and series of one data directory."""

    def __init__(self, studio: Studio) -> None:
        """Look into the storage and the library of `studio`."""
        self._storage = studio.storage
        self._library = studio.library

    def series_names(self) -> list[str]:
        """Return the names of all series.

        Raises:
            DataDirError: Their folder can't be read.
        """
        return self._library.names()

    def picture(self, series: str, address: str) -> bytes:
        """Return the annotated picture.

        Raises:
            NoPicture: There is none (yet).
            OutsideDataDir: A symbolic link leads out.
            DataDirError: It can't be read.
        """
        content = self._storage.read_annotated(series, address)
        if content is None:
            raise NoPicture(series, address)
        return content

    def file(self, path: str) -> bytes:
        """Return a file under `output/`.

        Raises:
            UnknownPath: There is none, or no file of ours can have this path.
            OutsideDataDir: A symbolic link leads out.
            DataDirError: It can't be read.
        """
        content = self._storage.read(path)
        if content is None:
            raise UnknownPath(f"/files/{path}", "allowed: a file's path below output; /preview shows the pictures")
        return content

    def pictures(self, most: int) -> list[GalleryPicture]:
        """Return the latest `most` annotated pictures, newest first.

        Raises:
            DataDirError: A folder can't be read.
        """
        return [
            GalleryPicture(
                series,
                address,
                self._storage.relative("annotated", series, address).removeprefix("output/"),
                self._title(series, address),
            )
            for series, address, _mtime in islice(self._storage.gallery(), most)
        ]

    def _title(self, series: str, address: str) -> str:
        """Return a picture's title, or its address where that is not to be had: one bad file spoils no page."""
        try:
            dress = self._storage.read_dress(series, address)
        except PhaselineError:
            return address
        return dress.title_prompt if dress else address
