"""Facts about a command on which its duration depends, as far as they are known when it starts."""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Final

from phaseline.client.public_command import public_words
from phaseline_cli.run.command import is_output, number_of

__all__ = ["input_facts"]

_MOST_WORDS: Final = 1000
_MOST_NUMBERS: Final = 8
_LONGEST_NAME: Final = 40


def input_facts(argv: Sequence[str], folder: str = ".") -> dict[str, float]:
    """Return the numbers in a command, and the number and the bytes of the files that it names and that exist.

    Args:
        argv: The command.
        folder: Its working directory.
    """
    words = argv[: _MOST_WORDS + 1]
    return {**_numbers(words), **_sizes(words, folder)}


def _numbers(words: Sequence[str]) -> dict[str, float]:
    """Return the first numbers, by their options, without those that are secret."""
    found: dict[str, float] = {}
    for option, text in islice(_named_numbers(public_words(words)), _MOST_NUMBERS):
        name = option[:_LONGEST_NAME] or "argument"
        if name in found:  # such as the second of `seq 5 60`
            name = f"{name} {sum(each.partition(' ')[0] == name for each in found) + 1}"
        found[name] = float(text) if "." in text else int(text)
    return found


def _named_numbers(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    return (found for before, word in pairwise(words) if (found := number_of(before, word)) is not None)


def _sizes(words: Sequence[str], folder: str) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for before, word in pairwise(words):
        option, equals, value = word.partition("=")
        name = value if equals and option else word
        if not name or name.startswith("-") or is_output(before, word):
            continue
        try:
            found = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118 - pathlib does not accept NUL either
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(found.st_mode):
            sizes[name] = found.st_size
    return {"bytes": sum(sizes.values()), "files": len(sizes)} if sizes else {}
