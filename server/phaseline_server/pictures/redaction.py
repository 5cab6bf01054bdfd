"""Redaction of keys in texts of providers, which may repeat the key that they received."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from phaseline.text import clean

__all__ = ["Redaction"]

# A shorter key is a placeholder for a server without keys ("none", "EMPTY"), and such words can occur in any text.
_SHORTEST: Final = 8
_HIDDEN: Final = "***"


class Redaction:
    """Hides keys, and any part of them of 8 characters or more: a text may have been shortened within a key."""

    def __init__(self, *keys: str) -> None:
        """Hide `keys`, as they are, as some JSON encoders escape them, and as they stand in a URL."""
        spellings = {
            spelling
            for key in keys
            if len(key) >= _SHORTEST
            for spelling in (key, key.replace("/", "\\/"), quote(key, safe=""))
        }
        self._parts = frozenset(
            spelling[start : start + _SHORTEST]
            for spelling in spellings
            for start in range(len(spelling) - _SHORTEST + 1)
        )

    def hide(self, text: str) -> str:
        """Return `text` without keys, and without control characters, which could stand within a key."""
        text = clean(text)
        shown, end = [], 0
        for start, stop in _joined(self._found(text)):
            shown += [text[end:start], _HIDDEN]
            end = stop
        return "".join([*shown, text[end:]])

    def _found(self, text: str) -> list[tuple[int, int]]:
        """Return the places of all parts of keys, in order; they overlap."""
        found = []
        for part in self._parts:
            start = text.find(part)
            while start >= 0:
                found.append((start, start + _SHORTEST))
                start = text.find(part, start + 1)
        return sorted(found)


def _joined(places: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield places that overlap or touch as one."""
    while places:
        start, stop = places[0]
        count = 0
        while count < len(places) and places[count][0] <= stop:
            stop = max(stop, places[count][1])
            count += 1
        yield start, stop
        places = places[count:]
