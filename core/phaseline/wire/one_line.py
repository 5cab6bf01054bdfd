"""Names in one line: what `events.one_line` demands of a field is checked here, after decoding.

A JSON text can hold a tab or a newline only behind a backslash, so most documents need no look at all.
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
    """Return if the names in a decoded struct, or in each of a list of them, are in one line.

    Raises:
        InvalidField: One is not.
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
    """Return attribute, name on the wire, and what is allowed of each field of `kind` that must be in one line."""
    if not issubclass(kind, msgspec.Struct):
        return ()
    hints = get_type_hints(kind, include_extras=True)
    fields = zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True)
    return tuple((field, name, allowed) for field, name in fields if (allowed := _allowed(hints[field])))


_names: Final[Callable[[Any], tuple[tuple[str, str, str], ...]]] = cache(_names_in)


def _allowed(hint: Any) -> str | None:
    """Return what a type, or a part of it, says that a name must be; None of what is no name."""
    for note in getattr(hint, "__metadata__", ()):
        if isinstance(note, Meta) and (note.extra or {}).get(ONE_LINE):
            return note.description
    return next(filter(None, map(_allowed, get_args(hint))), None)
