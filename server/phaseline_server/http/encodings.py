"""The encoding of request bodies: UTF-8, with or without a byte order mark, and not compressed."""

import codecs
from typing import Final

from phaseline.errors import shown
from phaseline_server.errors import UnsupportedEncoding

__all__ = ["check_encoding", "without_mark"]

_UTF8: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_PLAIN: Final = frozenset({"", "identity"})
# The first bytes of a document by its encoding. UTF-32 comes first, because its mark begins like that of UTF-16.
# Without a mark, JSON begins with an ASCII character, so the zero bytes show the encoding (RFC 4627 section 3).
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)


def check_encoding(content_encoding: str, charset: str | None) -> None:
    """Check the encodings that the headers of a request name.

    Args:
        content_encoding: The header `Content-Encoding`; "" if it is missing.
        charset: The charset of the header `Content-Type`, or None.

    Raises:
        UnsupportedEncoding: One of them is not supported.
    """
    if content_encoding.strip().lower() not in _PLAIN:
        raise UnsupportedEncoding(shown(content_encoding))
    if charset is not None and charset.strip().lower() not in _UTF8:
        raise UnsupportedEncoding(shown(charset))


def without_mark(body: bytes) -> bytes:
    """Return a body without the byte order mark of UTF-8.

    Raises:
        UnsupportedEncoding: The first bytes show another encoding.
    """
    if body.startswith(b"{") or body.startswith(b"["):  # noqa: PIE810 (faster than a tuple; the usual case)
        if b"\0" in body[1:4]:
            raise UnsupportedEncoding("UTF-32" if b"\0\0" in body[1:4] else "UTF-16")
        return body
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            raise UnsupportedEncoding(encoding)
    if body.startswith(b"\0"):
        raise UnsupportedEncoding("UTF-32" if body.startswith(b"\0\0") else "UTF-16")
    return body.removeprefix(codecs.BOM_UTF8)
