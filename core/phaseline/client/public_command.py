"""A command without its secrets, at the price of few microseconds for most commands."""

from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["HIDDEN", "public_words"]

HIDDEN: Final = "***"
_LONGEST: Final = 1000  # characters of a word that is looked at here
# A word without these holds no secret, and no option that is longer than a letter.
_MARKS: Final = frozenset("=:@&;'\" ")
_SECRET_LETTERS: Final = ("-u", "-p")
_TOKENS: Final = ("gh", "gl", "hf_", "phl_", "sk-", "xox", "AKIA", "eyJ")


def public_words(argv: Sequence[str]) -> Iterable[str]:
    """Return the words of a command, with `***` in place of each secret.

    Hidden are the values of options, variables, headers and URL parameters whose names say that they are secret, what
    is before the `@` of a URL, and the tokens of well-known services.
    """
    if all(map(_is_plain, argv)):
        return argv
    # Imported here, as compiling its regular expressions takes milliseconds.
    from phaseline.client.command_secrets import without_secrets  # noqa: PLC0415

    return without_secrets(argv)


def _is_plain(word: str) -> bool:
    """Return whether a word, with others like it, holds no secret, as with most commands."""
    return (
        len(word) <= _LONGEST
        and _MARKS.isdisjoint(word)
        and not (word.startswith("-") and (len(word) > 2 or word in _SECRET_LETTERS))  # noqa: PLR2004 - an option
        and not any(token in word for token in _TOKENS)
    )
