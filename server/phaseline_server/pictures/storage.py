"""The files of pictures: `output/<series>/<kind>/<address>.<suffix>` in the data directory.

All methods block, so call them in worker threads.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

import httpx
import msgspec
import structlog

from phaseline.errors import InvalidAddress, InvalidSeries
from phaseline.model.workflows import valid_address, valid_series
from phaseline_server.atomic_files import replace_file, write_error
from phaseline_server.errors import DataDirError, UnknownPath
from phaseline_server.pictures.dress import Dress
from phaseline_server.pictures.errors import OutsideDataDir
from phaseline_server.pictures.http_client import public
from phaseline_server.pictures.safe_paths import inside, is_regular, read_regular
from phaseline_server.pictures.scratch import Scratch, check_data_dir
from phaseline_server.pictures.sources import EncodedPicture, LocalPicture, PictureSource, RemotePicture

__all__ = ["Kind", "PictureKind", "Storage", "StoredPicture"]

_log: Final = structlog.get_logger()

PictureKind: TypeAlias = Literal["generated", "annotated"]
Kind: TypeAlias = Literal["annotated", "generated", "selector", "data", "title", "terse", "prompt", "enhanced"]

# `annotated` is first, so that an interrupted removal never leaves a picture without its other files.
_SUFFIXES: Final[dict[Kind, str]] = {
    "annotated": "png",
    "generated": "png",
    "selector": "json",
    "data": "txt",
    "title": "txt",
    "terse": "txt",
    "prompt": "txt",
    "enhanced": "txt",
}
_ALLOWED_PATH: Final = "allowed: a file's path under output/, without empty or hidden parts, .. or control characters"


class StoredPicture(NamedTuple):
    """An annotated picture; `mtime` is in seconds since 1970."""

    series: str
    address: str
    mtime: float


class Unfinished(NamedTuple):
    """The results of an unfinished run: its enhanced prompt and its picture without a caption."""

    enhanced: str = ""
    generated: Path | None = None


class Storage:
    """The files of pictures in one data directory.

    Files are replaced atomically. Paths cannot leave the folder `output`, not even by symbolic links.
    """

    def __init__(self, data_dir: Path) -> None:
        """Use the folder `output` of `data_dir`, which is created with the first file."""
        self._data_dir = data_dir
        self._output = data_dir / "output"
        self.scratch = Scratch(data_dir)
        """Unfinished files, which `read` does not return."""

    # ------------------------------------------------------------------ paths

    def relative(self, kind: Kind, series: str, address: str) -> str:
        """Return the path of a file relative to the data directory, separated by `/`.

        Raises:
            InvalidSeries, InvalidAddress: The series or address is not valid.
        """
        return f"output/{valid_series(series)}/{kind}/{valid_address(address)}.{_SUFFIXES[kind]}"

    def path(self, kind: Kind, series: str, address: str) -> Path:
        """Return the path of a file, which is inside `output` and need not exist.

        Raises:
            InvalidSeries, InvalidAddress: The series or address is not valid.
            OutsideDataDir: A symbolic link points outside `output`.
        """
        path = self._data_dir / self.relative(kind, series, address)
        inside(self._output, path)
        return path

    # ------------------------------------------------------------------ reading

    def annotated_exists(self, series: str, address: str) -> bool:
        """Return whether the annotated picture exists.

        Raises:
            OutsideDataDir: A symbolic link points outside `output`.
            DataDirError: The file is not accessible.
        """
        return is_regular(self._output, self.path("annotated", series, address))

    def read_annotated(self, series: str, address: str) -> bytes | None:
        """Return the annotated picture, or None if it does not exist.

        Raises:
            OutsideDataDir: A symbolic link points outside `output`.
            DataDirError: The file is not readable.
        """
        return read_regular(self._output, self.path("annotated", series, address))

    def read_dress(self, series: str, address: str) -> Dress | None:
        """Return the stored dress of a picture, or None if it does not exist or is not valid.

        Raises:
            OutsideDataDir: A symbolic link points outside `output`.
            DataDirError: The file is not readable.
        """
        path = self.path("selector", series, address)
        content = read_regular(self._output, path)
        if content is None:
            return None
        try:
            return msgspec.json.decode(content, type=Dress)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            # From another version, or damaged. The dress can be made again from the address.
            _log.warning("ignoring an invalid dress file", path=str(path), error=str(error))
            return None

    def unfinished(self, dress: Dress) -> Unfinished:
        """Return the results of an earlier, unfinished run with the same prompt.

        Raises:
            OutsideDataDir: A symbolic link points outside `output`.
            DataDirError: A file is not readable.
        """
        key = dress.series, dress.original
        if read_regular(self._output, self.path("prompt", *key)) != _text(dress.prompt):
            return Unfinished()
        enhanced = read_regular(self._output, self.path("enhanced", *key)) or b""
        generated = self.path("generated", *key)
        there = is_regular(self._output, generated)
        return Unfinished(enhanced.decode(errors="replace").strip(), generated if there else None)

    def read(self, path: str) -> bytes | None:
        """Return the file at `path` below `output`, or None if it does not exist.

        Args:
            path: A relative path, separated by `/`, from an untrusted client.

        Raises:
            UnknownPath: The path is not allowed.
            OutsideDataDir: A symbolic link points outside `output`.
            DataDirError: The file is not readable.
        """
        parts = path.split("/")
        if not path.isascii() or not path.isprintable() or any(part.startswith(".") or not part for part in parts):
            raise UnknownPath(path, _ALLOWED_PATH)
        return read_regular(self._output, self._output.joinpath(*parts))

    def gallery(self) -> Iterator[StoredPicture]:
        """Return the annotated pictures, newest first; other files are ignored.

        Raises:
            DataDirError: A folder is not readable.
        """
        found: list[StoredPicture] = []
        try:
            for folder in _entries(self._output):
                found.extend(self._pictures(folder.name))
        except OSError as error:
            raise DataDirError(
                f"cannot read {error.filename}: {error.strerror}; make it readable for this user"
            ) from None
        found.sort(key=lambda picture: (-picture.mtime, picture.series, picture.address))
        return iter(found)

    def _pictures(self, series: str) -> Iterator[StoredPicture]:
        for entry in _entries(self._output / series / "annotated"):
            address = entry.name.removesuffix(".png")
            try:
                path = self.path("annotated", series, address)
                if path.name == entry.name and path.is_file():
                    yield StoredPicture(series, address, path.stat().st_mtime)
            except (InvalidSeries, InvalidAddress, OutsideDataDir, FileNotFoundError):
                continue

    # ------------------------------------------------------------------ writing

    def write_prompts(self, dress: Dress) -> None:
        """Write the five texts, each to its own file.

        Raises:
            DiskFull, DataDirError: A file cannot be written.
            OutsideDataDir: A symbolic link points outside `output`.
        """
        layers: dict[Kind, str] = {
            "data": dress.data_prompt,
            "title": dress.title_prompt,
            "terse": dress.terse_prompt,
            "prompt": dress.prompt,
            "enhanced": dress.enhanced_prompt,
        }
        for kind, text in layers.items():
            self._write(kind, dress.series, dress.original, _text(text))

    def write_dress(self, dress: Dress) -> None:
        """Write the dress as JSON; raises the same errors as `write_prompts`."""
        content = msgspec.json.format(msgspec.json.encode(dress), indent=2)
        self._write("selector", dress.series, dress.original, content + b"\n")

    def write_picture(self, kind: PictureKind, series: str, address: str, png: bytes) -> None:
        """Write a picture; raises the same errors as `write_prompts`."""
        self._write(kind, series, address, png)

    def place_picture(self, kind: PictureKind, series: str, address: str, scratch: Path) -> int:
        """Write the picture in the file `scratch` and return its size; raises the same errors as `write_prompts`."""
        try:
            png = scratch.read_bytes()
        except OSError as error:
            raise DataDirError(f"cannot read {scratch}: {error.strerror}; request the picture again") from None
        self.write_picture(kind, series, address, png)
        return len(png)

    def _write(self, kind: Kind, series: str, address: str, content: bytes) -> None:
        path = self.path(kind, series, address)
        check_data_dir(self._data_dir)
        replace_file(path, content)

    def remove(self, series: str, address: str) -> bool:
        """Remove all files of one picture and return whether there was any.

        Raises:
            OutsideDataDir: A folder is a symbolic link that points outside `output`. (A link to a file is removed.)
            DataDirError: A file cannot be removed.
        """
        removed = False
        for kind in _SUFFIXES:
            path = self._data_dir / self.relative(kind, series, address)
            inside(self._output, path.parent)
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise write_error(path, error) from None
            removed = True
        return removed

    # ------------------------------------------------------------------ files in the dress

    def with_generated(self, dress: Dress, source: PictureSource) -> Dress:
        """Return `dress` with the path and the source of the original picture."""
        path = self.relative("generated", dress.series, dress.original)
        match source:
            case RemotePicture(url=url):
                # The query of a signed URL is a secret.
                shown = public(httpx.URL(url))
                return msgspec.structs.replace(dress, generated_path=path, download_mode="url", image_url=shown)
            case EncodedPicture():
                return msgspec.structs.replace(dress, generated_path=path, download_mode="base64")
            case LocalPicture():
                return msgspec.structs.replace(dress, generated_path=path, download_mode="local")

    def with_annotated(self, dress: Dress) -> Dress:
        """Return `dress` with the path of the annotated picture, marked as completed."""
        path = self.relative("annotated", dress.series, dress.original)
        return msgspec.structs.replace(dress, annotated_path=path, completed=True)


def _text(text: str) -> bytes:
    return f"{text}\n".encode()


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield the entries of `folder`; nothing if it is not a folder."""
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except (FileNotFoundError, NotADirectoryError):
        return
