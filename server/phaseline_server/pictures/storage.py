"""Where the artefacts of pictures lie: `output/<series>/<kind>/<address>.<suffix>` in the data directory.

All of it blocks; whoever is on the Trio thread calls it in a worker thread.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

import httpx
import msgspec
import structlog

from phaseline.errors import DataDirError, InvalidAddress, InvalidSeries, OutsideDataDir, UnknownPath
from phaseline.model.workflows import valid_address, valid_series
from phaseline_server.atomic_files import replace_file, write_error
from phaseline_server.pictures.dress import Dress
from phaseline_server.pictures.http_client import public
from phaseline_server.pictures.safe_paths import inside, is_regular, read_regular
from phaseline_server.pictures.sources import EncodedPicture, LocalPicture, PictureSource, RemotePicture

__all__ = ["Kind", "PictureKind", "Storage", "StoredPicture"]

_log: Final = structlog.get_logger()

PictureKind: TypeAlias = Literal["generated", "annotated"]
Kind: TypeAlias = Literal["annotated", "generated", "selector", "data", "title", "terse", "prompt", "enhanced"]

# `annotated` comes first: whatever interrupts a removal, a picture without its papers is never left.
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
_ALLOWED_PATH: Final = "allowed: a file's path below output, without empty or hidden parts, .. or control characters"


class StoredPicture(NamedTuple):
    """An annotated picture; `mtime` is in seconds since 1970."""

    series: str
    address: str
    mtime: float


class Unfinished(NamedTuple):
    """What a run that did not come to its end has left: its enhanced prompt, and its picture without a caption."""

    enhanced: str = ""
    picture: bytes | None = None


class Storage:
    """The artefacts in one data directory.

    Files are replaced whole or not at all. No path leaves the folder `output`, whatever symbolic links lie there.
    """

    def __init__(self, data_dir: Path) -> None:
        """Keep everything in the folder `output` of `data_dir`; it is made when the first file is."""
        self._data_dir = data_dir
        self._output = data_dir / "output"

    # ------------------------------------------------------------------ paths

    def relative(self, kind: Kind, series: str, address: str) -> str:
        """Return the path of an artefact relative to the data directory, with `/` between its parts.

        Raises:
            InvalidSeries, InvalidAddress: It can't be the name of a file.
        """
        return f"output/{valid_series(series)}/{kind}/{valid_address(address)}.{_SUFFIXES[kind]}"

    def path(self, kind: Kind, series: str, address: str) -> Path:
        """Return where an artefact lies, proved to be inside `output`; it need not exist.

        Raises:
            InvalidSeries, InvalidAddress: It can't be the name of a file.
            OutsideDataDir: A symbolic link on the way leads out.
        """
        path = self._data_dir / self.relative(kind, series, address)
        inside(self._output, path)
        return path

    @property
    def scratch(self) -> Path:
        """A folder for files that are not finished yet, made if it is missing; `read` shows nothing of it.

        Raises:
            DiskFull, DataDirError: It can't be made.
            OutsideDataDir: It is a symbolic link that leads out.
        """
        folder = self._output / ".scratch"
        inside(self._output, folder)
        self._check_data_dir()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(folder, error) from None
        return folder

    def clear_scratch(self) -> None:
        """Remove what a server that was killed has left unfinished; whatever can't be removed stays."""
        folder = self._output / ".scratch"
        with suppress(OSError, OutsideDataDir):
            inside(self._output, folder)
            for path in folder.iterdir():
                path.unlink(missing_ok=True)

    # ------------------------------------------------------------------ reading

    def annotated_exists(self, series: str, address: str) -> bool:
        """Return whether the annotated picture is there.

        Raises:
            OutsideDataDir: A symbolic link on the way leads out.
            DataDirError: It can't be told.
        """
        return is_regular(self._output, self.path("annotated", series, address))

    def read_annotated(self, series: str, address: str) -> bytes | None:
        """Return the annotated picture, or None if there is none.

        Raises:
            OutsideDataDir: A symbolic link on the way leads out.
            DataDirError: It can't be read.
        """
        return read_regular(self._output, self.path("annotated", series, address))

    def read_dress(self, series: str, address: str) -> Dress | None:
        """Return the dress of a picture as it was stored; None if there is none, or none that can be understood.

        Raises:
            OutsideDataDir: A symbolic link on the way leads out.
            DataDirError: It can't be read.
        """
        path = self.path("selector", series, address)
        content = read_regular(self._output, path)
        if content is None:
            return None
        try:
            return msgspec.json.decode(content, type=Dress)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            # Another version's, or a damaged one: it follows from the address anyway.
            _log.warning("a stored dress can't be read and is passed over", path=str(path), error=str(error))
            return None

    def unfinished(self, dress: Dress) -> Unfinished:
        """Return what an earlier run of the same words has left behind.

        Raises:
            OutsideDataDir: A symbolic link on the way leads out.
            DataDirError: A file can't be read.
        """
        key = dress.series, dress.original
        if read_regular(self._output, self.path("prompt", *key)) != _text(dress.prompt):
            return Unfinished()
        enhanced = read_regular(self._output, self.path("enhanced", *key)) or b""
        picture = read_regular(self._output, self.path("generated", *key))
        return Unfinished(enhanced.decode(errors="replace").strip(), picture)

    def read(self, path: str) -> bytes | None:
        """Return the file at `path` below `output`, or None if there is none.

        Args:
            path: Relative, with `/` between its parts; from a stranger.

        Raises:
            UnknownPath: No file of ours can have this path.
            OutsideDataDir: A symbolic link on the way leads out.
            DataDirError: It can't be read.
        """
        parts = path.split("/")
        if not path.isascii() or not path.isprintable() or any(part.startswith(".") or not part for part in parts):
            raise UnknownPath(path, _ALLOWED_PATH)
        return read_regular(self._output, self._output.joinpath(*parts))

    def gallery(self) -> Iterator[StoredPicture]:
        """Return the annotated pictures, newest first. What is no picture of ours is passed over.

        Raises:
            DataDirError: A folder can't be read.
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
        """Write the five layers of words, a text file each.

        Raises:
            DiskFull, DataDirError: They can't be written.
            OutsideDataDir: A symbolic link on the way leads out.
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
        """Write the dress as JSON; raises as `write_prompts`."""
        content = msgspec.json.format(msgspec.json.encode(dress), indent=2)
        self._write("selector", dress.series, dress.original, content + b"\n")

    def write_picture(self, kind: PictureKind, series: str, address: str, png: bytes) -> None:
        """Write a picture; raises as `write_prompts`."""
        self._write(kind, series, address, png)

    def _write(self, kind: Kind, series: str, address: str, content: bytes) -> None:
        path = self.path(kind, series, address)
        self._check_data_dir()
        replace_file(path, content)

    def _check_data_dir(self) -> None:
        if not os.path.isdir(self._data_dir):  # noqa: PTH112 - False, no error, where this user may not look
            # Never create it: it may be an unmounted disk.
            raise DataDirError(
                f"data directory {self._data_dir} does not exist or is not accessible; "
                "mount or create it, and make it writable for this user"
            )

    def remove(self, series: str, address: str) -> bool:
        """Remove all artefacts of one picture, and return whether there was any.

        Raises:
            OutsideDataDir: A folder is a symbolic link that leads out. (A file that is one is removed itself.)
            DataDirError: One can't be removed.
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

    # ------------------------------------------------------------------ what a dress says of files

    def with_generated(self, dress: Dress, source: PictureSource) -> Dress:
        """Return `dress` with the path of the picture as it was made, and how it came."""
        path = self.relative("generated", dress.series, dress.original)
        match source:
            case RemotePicture(url=url):
                # The query of a signed address is a secret.
                shown = public(httpx.URL(url))
                return msgspec.structs.replace(dress, generated_path=path, download_mode="url", image_url=shown)
            case EncodedPicture():
                return msgspec.structs.replace(dress, generated_path=path, download_mode="base64")
            case LocalPicture():
                return msgspec.structs.replace(dress, generated_path=path, download_mode="local")

    def with_annotated(self, dress: Dress) -> Dress:
        """Return `dress` with the path of the annotated picture, and completed."""
        path = self.relative("annotated", dress.series, dress.original)
        return msgspec.structs.replace(dress, annotated_path=path, completed=True)


def _text(text: str) -> bytes:
    return f"{text}\n".encode()


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what lies in `folder`; nothing if it is none."""
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except (FileNotFoundError, NotADirectoryError):
        return
