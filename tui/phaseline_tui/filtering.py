"""The filter: which jobs a text keeps."""

from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Filter"]


class _Word(NamedTuple):
    text: str
    inverse: bool


class Filter:
    """Words that must all be found; one with `!` before it must not.

    Case doesn't matter. A lone `!`, as while one is typing, asks for nothing yet.
    """

    def __init__(self, text: str = "") -> None:
        """Read `text`, words with spaces between them."""
        self.text = text.strip()
        words = (_Word(word.removeprefix("!"), word.startswith("!")) for word in self.text.casefold().split())
        self._words = tuple(word for word in words if word.text)

    def __bool__(self) -> bool:
        """Return whether the filter can leave anything out."""
        return bool(self._words)

    def keeps(self, haystack: Callable[[], str]) -> bool:
        """Return whether the filter keeps a job; `haystack` gives the job's case-folded text, if it is needed."""
        if not self._words:
            return True
        text = haystack()
        return all((word.text in text) is not word.inverse for word in self._words)
