"""Facts about the process of a worker: its command, user and folder. Secrets in its command are hidden.

Imported at the first job, because a program that imports the reporter may never report.
"""

import os
import sys
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from phaseline.client.facts import FACTS
from phaseline.client.public_command import public_words

__all__ = ["Process", "command_line", "this_process", "worker_facts"]

_LONGEST: Final = 1000  # characters of a command
_LONGEST_NAME: Final = 100


class Process(NamedTuple):
    """The system's data on a process; empty texts and 0 mean unknown."""

    argv: Sequence[str] = ()
    user: str = ""
    pid: int = 0
    folder: str = ""
    """Its working directory."""
    python: str = ""
    """The version of Python that it runs."""
    program: str = ""


def this_process() -> Process:
    """Return the present process."""
    return Process(
        argv=sys.orig_argv,
        user=_user(),
        pid=os.getpid(),
        folder=_folder(),
        python=".".join(map(str, sys.version_info[:3])),
    )


def _user() -> str:
    # The variables first: a directory service may take seconds to find a name.
    for name in ("LOGNAME", "USER", "USERNAME"):
        if os.environ.get(name):
            return os.environ[name]
    try:
        import pwd  # noqa: PLC0415 - Windows has none

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return ""


def _folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - pathlib's import takes as long as the rest of the reporter
    except OSError:  # the directory was removed
        return ""


def worker_facts(process: Process, wanted: Collection[str] = FACTS) -> dict[str, str | int]:
    """Return the wanted facts about a process that are known, for the field `worker` of its jobs."""
    folder = process.folder.rstrip("/\\")
    known: dict[str, str | int] = {
        "command": command_line(tuple(process.argv)),
        "user": _line(process.user),
        "pid": process.pid,
        "folder": _line(folder.replace("\\", "/").rpartition("/")[2] or folder or process.folder),
        "python": _line(process.python),
        "program": _line(process.program),
    }
    return {name: fact for name, fact in known.items() if fact and name in wanted}


# ------------------------------------------------------------------ the command


@lru_cache(maxsize=4)  # most programs have one
def command_line(argv: tuple[str, ...]) -> str:
    """Return a command as one line of at most 1,000 characters, with its secrets hidden."""
    words: list[str] = []
    size = 0
    for word in public_words(argv):
        words.append(_quoted(_line(word, _LONGEST)))
        size += len(words[-1]) + 1
        if size > _LONGEST:
            break
    line = " ".join(words)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _line(text: str, most: int = _LONGEST_NAME) -> str:
    """Return a text on one line, of at most `most` characters, without terminal control characters."""
    if text.isascii() and text.isprintable():
        return text if len(text) <= most else f"{text[: most - 1]}…"
    from phaseline.text import one_line  # noqa: PLC0415 - as above

    return one_line(text, most)


def _quoted(word: str) -> str:
    """Return a word quoted for a shell, so that its boundaries are visible."""
    return word if word and not any(mark in word for mark in " \"'") else "'" + word.replace("'", "'\\''") + "'"
