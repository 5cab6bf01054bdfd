"""Series: named configurations of pictures, with filters, a provider and a size.

Two series are built in. A file `series/<name>.json` in the data directory adds a series or replaces a built-in one.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from phaseline.errors import InvalidSeries, TooLarge, shown
from phaseline.model.workflows import valid_series
from phaseline.text import clean
from phaseline_server.errors import DataDirError
from phaseline_server.pictures.databases import database_names, narrowed
from phaseline_server.pictures.errors import BadSeriesFile, UnknownSeries
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
        name: Its name, 1 to 64 letters, digits, `_` or `-`.
        purpose: A description for people.
        filters: Database -> substrings (see `databases.narrowed`). All rows of a database without filters match.
        provider: The provider of the pictures; None for the server's default.
        size: `WIDTHxHEIGHT` in pixels; None for the server's default.
        detail: The painter's level of detail, 1 (fast) to 5 (slow and fine); None for its default.
    """

    name: str
    purpose: str = ""
    filters: dict[str, list[str]] = {}
    provider: Literal["painter", "openai"] | None = None
    size: str | None = None
    detail: int | None = None

    @property
    def dimensions(self) -> tuple[int, int] | None:
        """Width and height in pixels, or None for the server's default."""
        if self.size is None:
            return None
        width, height = self.size.split("x")
        return int(width), int(height)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of a series. Filters are decoded one by one, so that an error can name the database."""

    name: str | None = None
    purpose: Annotated[str, Meta(max_length=2000)] = ""
    filters: dict[str, msgspec.Raw] = {}
    provider: Literal["painter", "openai"] | None = None
    size: str | None = None
    detail: Annotated[int, Meta(ge=1, le=5)] | None = None


class SeriesLibrary:
    """All series of one data directory. Files are read at each use, so a change applies to the next run."""

    def __init__(self, data_dir: Path) -> None:
        """Use the folder `series` of `data_dir`, which need not exist."""
        self._folder = data_dir / "series"

    def names(self) -> list[str]:
        """Return the names of all series, in alphabetical order.

        This includes series with an invalid file, for which `get` raises an error.

        Raises:
            DataDirError: The folder is not readable.
        """
        return sorted({*_packaged(), *self._on_disk()})

    def get(self, name: str) -> Series:
        """Return the series `name`.

        Raises:
            InvalidSeries: The name is not valid.
            UnknownSeries: The series is not defined.
            BadSeriesFile: Its file is not JSON, has an invalid key or value, or a filter that matches no row.
            OutsideDataDir: Its file is a symbolic link that points outside the folder.
            DataDirError: Its file is not readable.
        """
        path = self._folder / f"{valid_series(name)}{_SUFFIX}"
        try:
            content = read_regular(self._folder, path, limit_bytes=_MOST_BYTES)
        except TooLarge as error:
            raise BadSeriesFile(f"series/{name}{_SUFFIX}", str(error)) from None
        if content is None:
            if path.is_symlink() or path.exists():
                raise BadSeriesFile(f"series/{name}{_SUFFIX}", "not a regular file; allowed: a JSON file")
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
    """Return the content of the built-in files, by series name."""
    entries = [entry for entry in _PACKAGED.iterdir() if entry.name.endswith(_SUFFIX)]
    return {entry.name.removesuffix(_SUFFIX): entry.read_bytes() for entry in entries}


def _decoded(name: str, content: bytes) -> Series:
    """Return the series in `content`; raises BadSeriesFile."""
    file = f"series/{name}{_SUFFIX}"
    raw = _typed(content, _File, file, "")
    if raw.name not in (None, name):
        raise BadSeriesFile(file, f"name is {shown(raw.name)}; allowed: {name}, as in the file name, or no name")
    if raw.size is not None:
        _check_size(raw.size, file)
    known = database_names()
    for key in raw.filters:
        if key not in known:
            raise BadSeriesFile(file, f"filters.{shown(key)} is not a database; allowed: {', '.join(known)}")
    filters = {key: _typed(bytes(value), _Filters, file, f"filters.{key}: ") for key, value in raw.filters.items()}
    for key, texts in filters.items():
        narrowed(key, texts, series=name)
    return Series(name, clean(raw.purpose), filters, raw.provider, raw.size, raw.detail)


def _typed(content: bytes, wanted: type[_T], file: str, where: str) -> _T:
    try:
        return msgspec.json.decode(content, type=wanted)
    except RecursionError:
        raise BadSeriesFile(file, f"{where}nested too deeply; allowed: {_ALLOWED}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadSeriesFile(file, f"{where}{clean(str(error))}; allowed: {_ALLOWED}") from None


_ALLOWED: Final = (
    "a JSON object with name (string), purpose (string), filters (database: list of strings), "
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
