"""Facts about a command on which its duration depends, as far as they are known when it starts."""

import os
import stat
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from phaseline_cli.run.command import is_output

__all__ = ["input_facts"]

_MOST_WORDS: Final = 1000


def input_facts(argv: Sequence[str], folder: str = ".") -> dict[str, int]:
    """Return the number and the bytes of the files that a command names and that exist; nothing if there are none.

    Args:
        argv: The command.
        folder: Its working directory.
    """
    sizes: dict[str, int] = {}
    for before, word in pairwise(argv[: _MOST_WORDS + 1]):
        option, equals, value = word.partition("=")
        name = value if equals and option else word
        if not name or name.startswith("-") or is_output(before, word):
            continue
        try:
            found = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118 - pathlib copes with no NUL either
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(found.st_mode):
            sizes[name] = found.st_size
    return {"bytes": sum(sizes.values()), "files": len(sizes)} if sizes else {}
