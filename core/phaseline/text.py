"""Sanitizing of untrusted text, once for storage and once for display in a terminal.

`clean` removes the characters that act on a terminal or a page; the server stores the rest of a client's text.
`one_line` prepares a server's text for a terminal: one line, in characters that all terminals draw equally wide.
Otherwise an escape sequence could control the terminal, a bidirectional control could disguise a name, and a character
of unclear width could shift a line.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

__all__ = [
    "as_drawn_last",
    "clean",
    "clean_json",
    "duration_text",
    "masked",
    "needs_cleaning",
    "one_line",
    "one_line_value",
]

# ---------------------------------------------------------------------------------------------- storage

# C0 except tab and newline, DEL, C1, the zero-width and bidirectional controls, line and paragraph separators, the
# byte-order mark, and lone surrogates. With these a sender controls the terminal or page that prints them.
_HOSTILE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
# The same characters as UTF-8 in a JSON document, and every \u escape, which may encode one of them.
_MAYBE_HOSTILE: Final = re.compile(
    rb"\\[ubfr]|\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8b\x8e\x8f\xa8-\xae]|\xe2\x81[\xa0-\xa9]|\xef\xbb\xbf"
)


def clean(text: str) -> str:
    """Return `text` without control, zero-width and bidirectional characters; tabs and newlines stay."""
    return _HOSTILE.sub("", text) if _HOSTILE.search(text) else text


def masked(text: str) -> str:
    """Return `text` with U+FFFD for each character that `clean` removes, so that its length stays.

    Carriage returns stay too: in a program's output, they mean that a line is drawn again.
    """
    return _HOSTILE.sub(lambda found: found[0] if found[0] == "\r" else "\ufffd", text)


def needs_cleaning(document: bytes) -> bool:
    """Return whether a JSON document may contain characters that `clean` removes; false positives are possible."""
    if document.isascii() and b"\\" not in document and b"\x7f" not in document:
        return False
    return _MAYBE_HOSTILE.search(document) is not None


def clean_json(value: object) -> object:
    """Return a decoded JSON value with all its strings cleaned, keys included."""
    match value:
        case str():
            return clean(value)
        case dict():
            return {clean_json(key): clean_json(item) for key, item in value.items()}
        case list():
            return [clean_json(item) for item in value]
        case _:
            return value


# ---------------------------------------------------------------------------------------------- display in a terminal

_SPACES: Final = frozenset("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029")
_MOST_MARKS: Final = 2
"""Combining marks kept per character: enough for every living script, too few to overlap other lines."""

_REGIONAL_A: Final = 0x1F1E6
_REGIONAL_Z: Final = 0x1F1FF
_DROPPED: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U0001f3fb-\U0001f3ff\U000e0000-\U000e0fff]"
)
"""Blank fillers, variation selectors, skin tones and tags, whose widths differ between terminals."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_MOST_ITEMS: Final = 200
_MOST_DEPTH: Final = 8


def as_drawn_last(line: str) -> str:
    """Return a line of output as a terminal shows it in the end: from its last carriage return on."""
    return line.rstrip("\r").rpartition("\r")[2]


def duration_text(seconds: float) -> str:
    """Return a duration in its two largest units: `8s`, `1m 12s`, `1h 02m`, `3d 04h`; a negative one is `0s`."""
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m {whole % _MINUTE:02}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h {whole % _HOUR // _MINUTE:02}m"
    return f"{whole // _DAY}d {whole % _DAY // _HOUR:02}h"


def one_line(text: str, limit: int = 300) -> str:
    """Return `text` on one line, without characters that control a terminal.

    Line ends and unusual spaces become spaces. C0 and C1 controls, bidirectional and zero-width controls, lone
    surrogates and tags are removed. Unassigned and private-use characters become U+FFFD.

    Args:
        text: Any text.
        limit: Maximum number of characters to return; an ellipsis marks a cut.
    """
    if len(text) <= limit and text.isascii() and text.isprintable():  # the common case
        return text.strip()
    return _one_line(text, limit)


@lru_cache(maxsize=8192)
def _one_line(text: str, limit: int) -> str:
    # This first cut bounds the work for huge texts; the second is exact.
    overlong = len(text) > 2 * limit
    kept = text[: 2 * limit]
    if not (kept.isascii() and kept.isprintable()):
        kept = "".join(_safe_characters(_DROPPED.sub("", kept)))
    kept = kept.strip()
    return f"{kept[: limit - 1]}…" if overlong or len(kept) > limit else kept


def _safe_characters(text: str) -> list[str]:
    safe: list[str] = []
    marks = _MOST_MARKS  # A mark at the start would combine with the character before the text.
    for character in text:
        category = unicodedata.category(character)
        if category in {"Mn", "Me", "Mc"}:
            if marks < _MOST_MARKS:
                safe.append(character)
                marks += 1
            continue
        marks = 0
        if category == "Zs" or character in _SPACES:
            safe.append(" ")
            marks = _MOST_MARKS
        elif category in {"Co", "Cn"}:
            safe.append("\ufffd")
        elif _REGIONAL_A <= ord(character) <= _REGIONAL_Z:
            # Half a flag: some terminals draw two halves as one glyph, others as two. All draw the letter alike.
            safe.append(chr(ord("A") + ord(character) - _REGIONAL_A))
        elif not category.startswith("C") and category not in {"Zl", "Zp"}:
            safe.append(character)
    return safe


def one_line_value(value: object, depth: int = 0) -> object:
    """Return a copy of a decoded JSON `value` with all texts on one line, limited in size and depth."""
    if isinstance(value, str):
        return one_line(value, 2000)
    if isinstance(value, dict):
        if depth >= _MOST_DEPTH:
            return "…"
        items = list(value.items())[:_MOST_ITEMS]
        copy: dict[str, object] = {one_line(str(key), 80): one_line_value(each, depth + 1) for key, each in items}
        return copy | ({"…": f"{len(value) - _MOST_ITEMS} more"} if len(value) > _MOST_ITEMS else {})
    if isinstance(value, list):
        if depth >= _MOST_DEPTH:
            return "…"
        more = [f"… {len(value) - _MOST_ITEMS} more"] if len(value) > _MOST_ITEMS else []
        return [one_line_value(each, depth + 1) for each in value[:_MOST_ITEMS]] + more
    return value
