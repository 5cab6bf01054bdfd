"""Text that strangers send: made safe to show before anything else sees it."""

import re
from typing import Final

__all__ = ["clean", "clean_json", "needs_cleaning"]

# C0 but tab and newline, DEL, C1, the zero-width and bidirectional controls, line and paragraph separators, the
# byte-order mark, and lone surrogates. A terminal or a page that prints one of these does what the sender wants.
_HOSTILE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
# The same in UTF-8 as it stands in a JSON document, or any \u escape, behind which one may hide.
_MAYBE_HOSTILE: Final = re.compile(
    rb"\\[ubfr]|\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8b\x8e\x8f\xa8-\xae]|\xe2\x81[\xa0-\xa9]|\xef\xbb\xbf"
)


def clean(text: str) -> str:
    """Return `text` without control, zero-width and bidirectional characters; tabs and newlines stay."""
    return _HOSTILE.sub("", text) if _HOSTILE.search(text) else text


def needs_cleaning(document: bytes) -> bool:
    """Say whether a JSON document may hold what `clean` takes out: a scan or two, so that most reports cost no more."""
    if document.isascii() and b"\\" not in document and b"\x7f" not in document:
        return False
    return _MAYBE_HOSTILE.search(document) is not None


def clean_json(value: object) -> object:
    """Return a decoded JSON value with every string in it, keys too, cleaned."""
    match value:
        case str():
            return clean(value)
        case dict():
            return {clean_json(key): clean_json(item) for key, item in value.items()}
        case list():
            return [clean_json(item) for item in value]
        case _:
            return value
