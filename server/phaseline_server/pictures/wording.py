"""English grammar for prompts: articles, title case, and commas before added clauses."""

import re
from typing import Final

__all__ = ["capital", "run_on", "set_off", "title_case", "with_article"]

# Spelled with a vowel, spoken with a consonant: a unicorn, a European, a one-eyed cat, a ewe.
_CONSONANT: Final = re.compile(r"(?:uni(?!n|m)|unanim|eu|ewe|one\b|once\b|use|usu|ut[eio]|ubiq|ukulele)", re.IGNORECASE)
# Spelled with a consonant, spoken with a vowel: an hour, an honest face, an heirloom.
_VOWEL: Final = re.compile(r"(?:[aeiou]|hour|honest|honou?r|heir)", re.IGNORECASE)
_SMALL: Final = frozenset(
    {"a", "an", "and", "at", "by", "for", "from", "in", "o'", "of", "on", "or", "the", "to", "with"}
)
# Beginnings of clauses that take a comma in `run_on`, and of clauses that take none in `set_off`.
_SET_OFF: Final = ("which ", "though ", "one ", "just ")
_RUN_ON: Final = ("all the way ", "at ", "for ", "in ", "like ", "out of ", "toward ", "with ", "without ")


def with_article(phrase: str) -> str:
    """Return `phrase` after `a` or `an`, according to the pronunciation of its first word."""
    vowel = _VOWEL.match(phrase) and not _CONSONANT.match(phrase)
    return f"{'an' if vowel else 'a'} {phrase}"


def title_case(phrase: str) -> str:
    """Return `phrase` in title case: all words capitalized, except small ones in the middle."""
    words = phrase.split(" ")
    return " ".join(_title_word(word, first=index == 0) for index, word in enumerate(words))


def _title_word(word: str, *, first: bool) -> str:
    parts = word.split("-")
    return "-".join(
        part if part in _SMALL and not (first and index == 0) else capital(part) for index, part in enumerate(parts)
    )


def capital(text: str) -> str:
    """Return `text` with its first letter capitalized; unlike `str.capitalize`, the rest is unchanged."""
    return text[:1].upper() + text[1:]


def run_on(phrase: str, afterthought: str) -> str:
    """Return `phrase` with a clause, usually without a comma: mending a map with glue; chasing a hat, which …."""
    return f"{phrase}{',' if afterthought.startswith(_SET_OFF) else ''} {afterthought}"


def set_off(phrase: str, afterthought: str) -> str:
    """Return `phrase` with a clause, usually after a comma: looks up, as if …; glances sideways at …."""
    return f"{phrase}{'' if afterthought.startswith(_RUN_ON) else ','} {afterthought}"
