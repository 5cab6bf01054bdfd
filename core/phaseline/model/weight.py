"""Estimate the memory that JSON from reporters takes after decoding."""

from typing import Final

__all__ = ["MAX_KEPT_BYTES", "weight"]

MAX_KEPT_BYTES: Final = 262_144
"""Encoded size of a job's errors in memory, and of its `photo_info`. Many small messages could otherwise fill it."""

# CPython's sizes in bytes: of a short string, number or list and its place, and of a small dict.
_VALUE: Final = 64
_DICT: Final = 184


def weight(document: bytes) -> int:
    """Return an approximate upper bound of the bytes that the values of a JSON document take in memory.

    A document such as `[[],[]]` takes twenty times its size. Commas within texts are counted as values, too.
    """
    values = document.count(b",") + document.count(b":") + document.count(b"[")
    return len(document) + _VALUE * values + (_VALUE + _DICT) * document.count(b"{")
