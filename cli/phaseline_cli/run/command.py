"""What a command line says by itself: a name for people, the workflow, and what makes two runs alike."""

import os
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from phaseline.client.public_command import HIDDEN, public_words
from phaseline_cli.run.spoken import spoken, spoken_words

_FILE: Final = re.compile(r"^\S*(?:[/\\]\S*|\.\w{1,5})$|^\.{1,2}$")
"""A word that looks like a file's name; a program's text, as behind `sh -c`, has blanks."""
_ODD: Final = re.compile(r"[^\w.-]+")
_OPTION: Final = re.compile(r"--?[A-Za-z][\w-]*")
_NUMBER: Final = re.compile(r"\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_OUTPUTS: Final = frozenset({"-o", "-O", "--output", "--output-document", "--target"})
"""Options behind which a file is named, often without a dot."""
_FILES: Final = ("if=", "of=")
LONGEST: Final = 200


def name_of(argv: Sequence[str]) -> str:
    """Return a name for people: the program and the last file or word that it works on.

    `ffmpeg -i in/shot.mov -crf 20 out/shot.mp4` is `ffmpeg shot.mp4`.
    """
    public = [word for word in public_words(argv) if HIDDEN not in word]
    words = spoken(public).split()
    about = [word for word in public[1:] if not word.startswith("-") and _FILE.search(word)]
    last = Path(about[-1]).name if about else next((w for w in words[1:] if w.isprintable() and w[0] != "-"), "")
    return f"{words[0]} {last}".strip()[:LONGEST]


def new_id(name: str) -> str:
    """Return the id of a new job: its name as a shell takes it for one word, and a random suffix."""
    return f"{_ODD.sub('-', name[:150]).strip('-') or 'job'}-{os.urandom(4).hex()}"


def workflow_of(argv: Sequence[str]) -> str:
    """Return the workflow, for which phases and durations are learned: the program."""
    return program_of(argv)


def program_of(argv: Sequence[str]) -> str:
    """Return the name of the program, or that of the script which an interpreter runs, without its folder."""
    words = spoken(argv).split()
    if re.fullmatch(r"(?:python|pypy|node|ruby|perl|Rscript|bash|sh|zsh|dash)[\d.]*", words[0]):
        script = next((word for word in argv[1:] if not word.startswith("-")), None)
        if script is not None and _FILE.search(script):
            return Path(script).name[:64]
    return words[0][:64]


def is_output(before: str, word: str) -> bool:
    """Return whether a word names what is written, by the option before it or its own beginning."""
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
    """Return what makes runs alike: the program, its subcommand and options, without files and numbers.

    Options' values stay if they are words: `-preset slow` and `-preset fast` take unlike times. Numbers are facts
    instead: a run with `--frames 400` has an estimate although none had 400 before.
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
            kept.append(option if not equals or _FILE.search(value) else word)
        elif not _FILE.search(word) and len(word) <= 24 and word.isprintable():  # noqa: PLR2004 # longer words are names
            kept.append(word)
    return " ".join(kept)[:LONGEST].strip()
