"""Facts from the command line alone: a display name, the workflow and the series."""

import os
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from phaseline.client.public_command import HIDDEN, public_words
from phaseline_cli.run.spoken import spoken_words

_FILE: Final = re.compile(r"^\S*(?:[/\\]\S*|\.\w{1,5})$|^\.{1,2}$")
"""A word without blanks that looks like a file's name."""
_FILE_WITH_BLANKS: Final = re.compile(r"^(?:~|\.{0,2})/|/$|\.(?=\d*[^\W\d])\w{1,5}$")
"""The beginning or the end of a word with blanks that looks like a file's name: `My Film (2024).mkv`."""
_CODE: Final = frozenset({"-c", "-e", "--command", "--eval"})
"""Options that take code or text, which may contain spaces."""
_ODD: Final = re.compile(r"[^\w.-]+")
_OPTION: Final = re.compile(r"--?[A-Za-z][\w-]*")
_NUMBER: Final = re.compile(r"\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_OUTPUTS: Final = frozenset({"-o", "-O", "--output", "--output-document", "--target"})
"""Options that take a file name, often without a dot."""
_FILES: Final = ("if=", "of=")
LONGEST: Final = 200


def name_of(argv: Sequence[str]) -> str:
    """Return a name for people: the program and the last file or word that it works on.

    `ffmpeg -i in/shot.mov -crf 20 out/shot.mp4` is `ffmpeg shot.mp4`.
    """
    public = [word for word in public_words(argv) if HIDDEN not in word]
    about = [word for before, word in pairwise(public) if not word.startswith("-") and _is_file(before, word)]
    program, *words = spoken_words(public)
    parts = (part for word in words for part in word.split())
    last = (
        Path(about[-1]).name if about else next((part for part in parts if part.isprintable() and part[0] != "-"), "")
    )
    return f"{program} {last}".strip()[:LONGEST]


def new_id(name: str) -> str:
    """Return the id of a new job: its name as a shell takes it for one word, and a random suffix."""
    return f"{_ODD.sub('-', name[:150]).strip('-') or 'job'}-{os.urandom(4).hex()}"


def workflow_of(argv: Sequence[str]) -> str:
    """Return the workflow, for which phases and durations are learned: the program."""
    return program_of(argv)


def program_of(argv: Sequence[str]) -> str:
    """Return the name of the program, or that of the script which an interpreter runs, without its folder."""
    program = spoken_words(argv)[0]
    if re.fullmatch(r"(?:python|pypy|node|ruby|perl|Rscript|bash|sh|zsh|dash)[\d.]*", program):
        script = next(((before, word) for before, word in pairwise(argv) if not word.startswith("-")), None)
        if script is not None and _is_file(*script):
            return Path(script[1]).name[:64]
    return program[:64]


def _is_file(before: str, word: str) -> bool:
    """Return whether a word is a file's name, as far as can be seen.

    Args:
        before: The word before it.
        word: The word. One with blanks may also be a program's text, or a name that means no file.
    """
    if _FILE.search(word):
        return True
    if before in _CODE or not re.search(r"\s", word):
        return False
    return _FILE_WITH_BLANKS.search(word) is not None or os.path.exists(word)  # noqa: PTH110 # `Path.exists` raises for long names


def is_output(before: str, word: str) -> bool:
    """Return whether a word names an output, judging by the option before it or by its prefix."""
    return before in _OUTPUTS or word.startswith("of=")


def number_of(before: str, word: str) -> tuple[str, str] | None:
    """Return the option of an argument that is a number, or "", and the number; None if it is none.

    `-crf 20` is `-crf` and `20`, `count=9` is `count` and `9`. A number with a sign, as in `zstd -19`, is an option.

    Args:
        before: The word before the argument.
        word: The argument.
    """
    option, equals, value = word.partition("=")
    if not equals:
        option, value = before if _OPTION.fullmatch(before) else "", word
    return (option, value) if _NUMBER.fullmatch(value) else None


def series_of(argv: Sequence[str]) -> str:
    """Return the series: the program, its subcommand and options, without files and numbers.

    Words as option values are kept: `-preset slow` and `-preset fast` have different durations. Numbers are facts: a
    run with `--frames 400` has an estimate even if no earlier run had 400.
    """
    words = spoken_words([*public_words(argv)])
    kept = words[:1]
    for before, word in pairwise(words):
        if word == "--":
            break
        if is_output(before, word) or word.startswith(_FILES):
            continue
        option, equals, value = word.partition("=")
        if number_of(before, word) is not None:
            kept += [option] if equals else []
        elif _OPTION.fullmatch(option):
            kept.append(option if not equals or _is_file("", value) else word)
        elif not _is_file(before, word) and len(word) <= 24 and word.isprintable():  # noqa: PLR2004 # longer words are names
            kept.append(word)
    return " ".join(kept)[:LONGEST].strip()
