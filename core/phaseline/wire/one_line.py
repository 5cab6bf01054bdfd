"""The check, after decoding, that names are on one line; see `events.one_line`.

JSON can contain a tab or newline only as a backslash escape, so most documents need no check.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Final, get_args, get_type_hints

import msgspec
from msgspec import Meta

from phaseline.errors import InvalidField
from phaseline.model.events import ONE_LINE

__all__ = ["check_lines"]


def check_lines(value: object) -> None:
    """Check that the names in a decoded struct, or in a list of structs, are on one line.

    Raises:
        InvalidField: A name has a tab or a newline.
    """
    if isinstance(value, list):
        for number, one in enumerate(value):
            _check(one, f"[{number}].")
    else:
        _check(value, "")


def _check(value: object, where: str) -> None:
    for attribute, name, allowed in _names(type(value)):
        found = getattr(value, attribute)
        if isinstance(found, str):
            if _broken(found):
                raise InvalidField(where + name, found, allowed)
        elif isinstance(found, tuple):
            for number, text in enumerate(found):
                if _broken(text):
                    raise InvalidField(f"{where}{name}[{number}]", text, allowed)


def _broken(text: str) -> bool:
    return "\n" in text or "\t" in text


def _names_in(kind: type) -> tuple[tuple[str, str, str], ...]:
    """Return attribute, wire name and allowed values of each field of `kind` that must be on one line."""
    if not issubclass(kind, msgspec.Struct):
        return ()
    hints = get_type_hints(kind, include_extras=True)
    fields = zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True)
    return tuple((field, name, allowed) for field, name in fields if (allowed := _allowed(hints[field])))


_names: Final[Callable[[Any], tuple[tuple[str, str, str], ...]]] = cache(_names_in)


def _allowed(hint: Any) -> str | None:
    """Return the description of a one-line type or of the first such argument of it, or None."""
    for note in getattr(hint, "__metadata__", ()):
        if isinstance(note, Meta) and (note.extra or {}).get(ONE_LINE):
            return note.description
    return next(filter(None, map(_allowed, get_args(hint))), None)
