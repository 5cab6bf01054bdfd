"""Hide the secrets in a command; this takes a few microseconds for most commands."""

from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["HIDDEN", "public_words"]

HIDDEN: Final = "***"
_LONGEST: Final = 1000  # longest word, in characters, that is examined here
# A word without these characters contains neither a secret value nor an option with an attached one.
_MARKS: Final = frozenset("=:@&;'\" ")
_SECRET_LETTERS: Final = ("-u", "-p")
_TOKENS: Final = ("gh", "gl", "hf_", "phl_", "sk-", "xox", "AKIA", "eyJ")


def public_words(argv: Sequence[str]) -> Iterable[str]:
    """Return the words of a command, with `***` in place of each secret.

    This hides the values of options, variables, headers and URL parameters with telltale names, the user information in
    URLs (before `@`), and the tokens of well-known services.
    """
    if all(map(_is_plain, argv)):
        return argv
    # Imported here, because its regular expressions take milliseconds to compile.
    from phaseline.client.command_secrets import without_secrets  # noqa: PLC0415

    return without_secrets(argv)


def _is_plain(word: str) -> bool:
    """Return whether a word contains no secret, provided that all other words of the command are plain, too."""
    return (
        len(word) <= _LONGEST
        and _MARKS.isdisjoint(word)
        and not (word.startswith("-") and (len(word) > 2 or word in _SECRET_LETTERS))  # noqa: PLR2004 - an option
        and not any(token in word for token in _TOKENS)
    )
