"""The gallery of stored pictures. All methods block, so call them in worker threads."""

from itertools import islice

import msgspec

from phaseline.errors import PhaselineError
from phaseline_server.errors import UnknownPath
from phaseline_server.pictures.errors import NoPicture
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
        """Use the storage and the library of `studio`."""
        self._storage = studio.storage
        self._library = studio.library

    def series_names(self) -> list[str]:
        """Return the names of all series.

        Raises:
            DataDirError: Their folder is not readable.
        """
        return self._library.names()

    def picture(self, series: str, address: str) -> bytes:
        """Return the annotated picture.

        Raises:
            NoPicture: The picture does not exist (yet).
            OutsideDataDir: A symbolic link points outside the data directory.
            DataDirError: The file is not readable.
        """
        content = self._storage.read_annotated(series, address)
        if content is None:
            raise NoPicture(series, address)
        return content

    def file(self, path: str) -> bytes:
        """Return a file under `output/`.

        Raises:
            UnknownPath: The file does not exist, or the path is not allowed.
            OutsideDataDir: A symbolic link points outside the data directory.
            DataDirError: The file is not readable.
        """
        content = self._storage.read(path)
        if content is None:
            raise UnknownPath(
                f"/files/{path}", "allowed: the path of a file under output/; /preview lists the pictures"
            )
        return content

    def pictures(self, most: int, series: str | None = None) -> list[GalleryPicture]:
        """Return the latest `most` annotated pictures, newest first; of one series, or of all.

        Raises:
            DataDirError: A folder is not readable.
        """
        found = (each for each in self._storage.gallery() if series in {None, each.series})
        return [
            GalleryPicture(
                each.series,
                each.address,
                self._storage.relative("annotated", each.series, each.address).removeprefix("output/"),
                self._title(each.series, each.address),
            )
            for each in islice(found, most)
        ]

    def _title(self, series: str, address: str) -> str:
        """Return a picture's title, or its address if the file is not readable, so that the page still works."""
        try:
            dress = self._storage.read_dress(series, address)
        except PhaselineError:
            return address
        return dress.title_prompt if dress else address
