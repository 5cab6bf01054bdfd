"""A command as adapters match it. This module is loaded before the command starts, so it loads little itself."""

import re
from collections.abc import Sequence
from pathlib import Path


def spoken(argv: Sequence[str]) -> str:
    """Return a command as adapters match it: its base name, without `python -m`, and its words, each ended by a blank.

    `/usr/bin/python3 -m pytest tests` is `pytest tests `.
    """
    return "".join(f"{word} " for word in spoken_words(argv))


def spoken_words(argv: Sequence[str]) -> list[str]:
    """Return the words of `spoken`."""
    words = list(argv)
    name = Path(words[0]).name
    if re.fullmatch(r"(?:python|pypy)[\d.]*", name):
        flags = 1
        while len(words) > flags and re.fullmatch(r"-[bBdEiIOqRsSuvPx]+", words[flags]):
            flags += 1
        if words[flags : flags + 1] == ["-m"] and len(words) > flags + 1:
            words = words[flags + 1 :]
            name = words[0]
    return [name, *words[1:]]
