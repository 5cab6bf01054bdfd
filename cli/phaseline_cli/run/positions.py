"""Progress of a silent program: the positions in its input files, from /proc, relative to their sizes."""

import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from phaseline_cli.run.tree import Process

_COPIES: Final = frozenset({"cp", "mv"})
"""Programs whose last file is the one that they write."""
_REMOVERS: Final = frozenset({"bunzip2", "bzip2", "gunzip", "gzip", "lzma", "lzop", "pigz", "unxz", "xz"})
"""Programs that remove each file when it is done, so that several have no total."""
_READERS: Final = (
    _COPIES
    | _REMOVERS
    | {
        *("b2sum", "base64", "cat", "cksum", "dd", "lz4", "md5sum", "mysql", "nc", "psql", "sha1sum", "sha224sum"),
        *("sha256sum", "sha384sum", "sha512sum", "split", "sum", "unzstd", "wc", "zstd"),
    }
)
"""Programs that read each of their files once, from its beginning to its end."""
_PART: Final = re.compile(r"(?:count|skip|iseek|iflag)=")
"""Arguments of `dd` that make it read a part of its file."""
_MOST_FILES: Final = 1000


class Position(NamedTuple):
    """Bytes of a program's input."""

    done: int
    total: int


def position_of(process: Process, proc: Path = Path("/proc")) -> Position | None:
    """Return how far a program has read; None if that is not known."""
    if process.program not in _READERS or any(map(_PART.match, process.argv)):
        return None
    folder = proc / str(process.pid)
    opened = _opened(folder)
    try:
        named = _named(process, folder)
    except OSError:
        return None
    if named is None:
        return None
    if not named:
        reading = opened.get(0)
        return None if reading is None else Position(min(reading[1], reading[2]), reading[2])
    for number, (path, _) in enumerate(named):
        for target, place, size in opened.values():
            if target == path:
                before = sum(size for _, size in named[:number])
                return Position(before + min(place, size), sum(size for _, size in named))
    return None


def _named(process: Process, folder: Path) -> Sequence[tuple[str, int]] | None:
    """Return the files that the command names, with their sizes; None if it names a directory or too many."""
    here = (folder / "cwd").readlink()
    words = [word for word in process.argv[1:] if word and not word.startswith("-") and not word.isdecimal()]
    found: list[tuple[str, int]] = []
    if process.program in _COPIES:
        words = words[:-1]
    if process.program in _REMOVERS and len(words) > 1:
        return None
    for word in words[: _MOST_FILES + 1]:
        path = here / word
        try:
            kept = path.stat()
        except OSError:
            continue  # an option's value, or a finished file that was removed
        if not stat.S_ISREG(kept.st_mode):
            return None
        found.append((os.path.realpath(path), kept.st_size))
    return found if len(found) <= _MOST_FILES else None


def _opened(folder: Path) -> Mapping[int, tuple[str, int, int]]:
    """Return the regular files that are open for reading, by descriptor: path, position and size."""
    found: dict[int, tuple[str, int, int]] = {}
    try:
        for entry in (folder / "fd").iterdir():
            size = entry.stat()
            if not stat.S_ISREG(size.st_mode) or size.st_size == 0:
                continue
            lines = (folder / "fdinfo" / entry.name).read_text().split("\n")
            fields = dict(line.split(":", 1) for line in lines if ":" in line)
            if int(fields["flags"], 8) & os.O_ACCMODE != os.O_WRONLY:
                found[int(entry.name)] = (str(entry.readlink()), int(fields["pos"]), size.st_size)
    except (OSError, ValueError, KeyError):
        pass
    return found
