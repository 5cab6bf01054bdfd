"""Series: under which name, with which filters and by whom pictures are made.

Two ship with the package. A file `series/<name>.json` in the data directory adds one, or replaces one that ships.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from phaseline.errors import BadSeriesFile, DataDirError, InvalidSeries, TooLarge, UnknownSeries, shown
from phaseline.model.workflows import valid_series
from phaseline.text import clean
from phaseline_server.pictures.databases import database_names, narrowed
from phaseline_server.pictures.safe_paths import read_regular

__all__ = ["Series", "SeriesLibrary"]

_PACKAGED: Final = files("phaseline_server.pictures") / "data" / "series"
_SUFFIX: Final = ".json"
_MOST_BYTES: Final = 65_536
_SHORTEST_SIDE: Final = 256
_LONGEST_SIDE: Final = 4096
_SIZE: Final = re.compile(r"([1-9][0-9]{2,3})x([1-9][0-9]{2,3})", re.ASCII)

_Substring = Annotated[str, Meta(min_length=1, max_length=200)]
_Filters = list[_Substring]
_T = TypeVar("_T")


class Series(msgspec.Struct, frozen=True):
    """One series.

    Attributes:
        name: 1 to 64 letters, digits, `_` or `-`.
        purpose: What it is for, in words for people.
        filters: Database -> substrings that narrow it (see `databases.narrowed`); a database that is not in it stays
            whole.
        provider: Who makes the pictures; None leaves it to the server's configuration.
        size: `WIDTHxHEIGHT` in pixels; None leaves it to the server's configuration.
        detail: How much the painter works, 1 (fast) to 5 (slow and fine); None leaves it to the painter.
    """

    name: str
    purpose: str = ""
    filters: dict[str, list[str]] = {}
    provider: Literal["painter", "openai"] | None = None
    size: str | None = None
    detail: int | None = None

    @property
    def dimensions(self) -> tuple[int, int] | None:
        """Width and height in pixels, or None if the series names none."""
        if self.size is None:
            return None
        width, height = self.size.split("x")
        return int(width), int(height)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A series' file. The values of filters are decoded one by one, so that an error can name the database."""

    name: str | None = None
    purpose: Annotated[str, Meta(max_length=2000)] = ""
    filters: dict[str, msgspec.Raw] = {}
    provider: Literal["painter", "openai"] | None = None
    size: str | None = None
    detail: Annotated[int, Meta(ge=1, le=5)] | None = None


class SeriesLibrary:
    """All series of one data directory. Files are read when asked for, so a change counts from the next run on."""

    def __init__(self, data_dir: Path) -> None:
        """Look for files in the folder `series` of `data_dir`; it need not exist."""
        self._folder = data_dir / "series"

    def names(self) -> list[str]:
        """Return the names of all series, in alphabetical order.

        A series whose file is broken is among them: `get` tells what is wrong with it.

        Raises:
            DataDirError: The folder can't be read.
        """
        return sorted({*_packaged(), *self._on_disk()})

    def get(self, name: str) -> Series:
        """Return the series `name`.

        Raises:
            InvalidSeries: No series can have this name.
            UnknownSeries: Neither a file nor the package defines it.
            BadSeriesFile: Its file is no JSON, has a wrong key or value, or a filter that leaves nothing.
            OutsideDataDir: Its file is a symbolic link out of the folder.
            DataDirError: Its file can't be read.
        """
        path = self._folder / f"{valid_series(name)}{_SUFFIX}"
        try:
            content = read_regular(self._folder, path, limit_bytes=_MOST_BYTES)
        except TooLarge as error:
            raise BadSeriesFile(f"series/{name}{_SUFFIX}", str(error)) from None
        if content is None:
            if path.is_symlink() or path.exists():
                raise BadSeriesFile(f"series/{name}{_SUFFIX}", "is no regular file; allowed: a JSON file")
            content = _packaged().get(name)
        if content is None:
            raise UnknownSeries(name, self.names())
        return _decoded(name, content)

    def _on_disk(self) -> list[str]:
        try:
            found = [path.name.removesuffix(_SUFFIX) for path in self._folder.iterdir() if path.suffix == _SUFFIX]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DataDirError(
                f"cannot read {self._folder}: {error.strerror}; make it readable for this user, or remove it"
            ) from None
        return [name for name in found if _is_name(name)]


def _is_name(text: str) -> bool:
    try:
        valid_series(text)
    except InvalidSeries:
        return False
    return True


@cache
def _packaged() -> Mapping[str, bytes]:
    """Return the files that ship with the package, by the names of their series."""
    entries = [entry for entry in _PACKAGED.iterdir() if entry.name.endswith(_SUFFIX)]
    return {entry.name.removesuffix(_SUFFIX): entry.read_bytes() for entry in entries}


def _decoded(name: str, content: bytes) -> Series:
    """Return the series in `content`; raises BadSeriesFile."""
    file = f"series/{name}{_SUFFIX}"
    raw = _typed(content, _File, file, "")
    if raw.name not in (None, name):
        raise BadSeriesFile(file, f"name is {shown(raw.name)}; allowed: {name}, which is the file's own, or no name")
    if raw.size is not None:
        _check_size(raw.size, file)
    known = database_names()
    for key in raw.filters:
        if key not in known:
            raise BadSeriesFile(file, f"filters.{shown(key)} names no database; allowed: {', '.join(known)}")
    filters = {key: _typed(bytes(value), _Filters, file, f"filters.{key}: ") for key, value in raw.filters.items()}
    for key, texts in filters.items():
        narrowed(key, texts, series=name)
    return Series(name, clean(raw.purpose), filters, raw.provider, raw.size, raw.detail)


def _typed(content: bytes, wanted: type[_T], file: str, where: str) -> _T:
    try:
        return msgspec.json.decode(content, type=wanted)
    except RecursionError:
        raise BadSeriesFile(file, f"{where}it is nested too deeply; allowed: {_ALLOWED}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadSeriesFile(file, f"{where}{clean(str(error))}; allowed: {_ALLOWED}") from None


_ALLOWED: Final = (
    "a JSON object with name (text), purpose (text), filters (database: list of texts), "
    "provider (painter, openai or null), size (WIDTHxHEIGHT or null), detail (1 to 5 or null)"
)


def _check_size(size: str, file: str) -> None:
    match = _SIZE.fullmatch(size)
    if not match or not all(_SHORTEST_SIDE <= int(side) <= _LONGEST_SIDE for side in match.groups()):
        raise BadSeriesFile(
            file,
            f"size is {shown(size)}; allowed: WIDTHxHEIGHT with {_SHORTEST_SIDE} to {_LONGEST_SIDE} pixels each, "
            "e.g. 1536x1024",
        )
