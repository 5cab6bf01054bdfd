"""What pictures the terminal can show: it is asked, once, before the first one.

All questions go out together, and the last of them is one that every terminal answers: so there is an end to wait for,
however far away the terminal is, and no late answer is taken for keys.
"""

import os
import re
import select
import sys
import termios
import time
import tty
from fcntl import ioctl
from struct import unpack
from typing import Final, Literal, NamedTuple

__all__ = ["Graphics", "Kind", "ask", "understood"]

Kind = Literal["kitty", "sixel", "blocks"]

QUESTIONS: Final = (
    "\x1b[>q"  # its name and version
    "\x1b_Gi=4211,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"  # kitty's graphics
    "\x1b[16t"  # the size of a cell
    "\x1b[c"  # what kind of terminal it is: the one that every terminal answers
)
_LAST: Final = re.compile(r"\x1b\[\?([\d;]*)c")
_VERSION: Final = re.compile(r"\x1bP>\|(\w+)[ (]?(\d+)?\.?(\d+)?")
_KITTY: Final = re.compile(r"\x1b_G[^\x1b]*;OK\x1b\\")
_CELL: Final = re.compile(r"\x1b\[6;(\d+);(\d+)t")
_SIXEL: Final = "4"
_PLACEHOLDERS_SINCE: Final = {"kitty": (0, 28), "ghostty": (0, 0)}
"""Which terminals draw kitty's pictures where text says so, which is what a screen made of cells needs. Others answer
that they know these graphics, and then draw boxes."""
_PATIENCE_S: Final = 3.0
_USUAL: Final = (10, 20)
_MOST_BYTES: Final = 4096


class Graphics(NamedTuple):
    """What a terminal can show."""

    kind: Kind
    cell: tuple[int, int]
    """Width and height of a cell, in pixels."""


def understood(answers: str) -> Graphics:
    """Return what a terminal can that gave these answers."""
    last, version, cell = _LAST.search(answers), _VERSION.search(answers), _CELL.search(answers)
    size = (int(cell[2]), int(cell[1])) if cell is not None and int(cell[1]) and int(cell[2]) else _USUAL
    if last is not None and _SIXEL in last[1].split(";")[1:]:
        return Graphics("sixel", size)
    if version is not None and _KITTY.search(answers):
        since = _PLACEHOLDERS_SINCE.get(version[1].lower())
        if since is not None and (int(version[2] or 0), int(version[3] or 0)) >= since:
            return Graphics("kitty", size)
    return Graphics("blocks", size)


def ask() -> Graphics:
    """Ask the terminal at standard input, which nobody else may read meanwhile.

    Raises:
        OSError, termios.error: there is none.
    """
    keys, screen = sys.__stdin__, sys.__stdout__
    if keys is None or screen is None:
        raise OSError("no terminal")
    before = termios.tcgetattr(keys)
    try:
        tty.setcbreak(keys, termios.TCSANOW)
        screen.write(QUESTIONS)
        screen.flush()
        found = understood(_answers(keys.fileno()))
        screen.write("\r\x1b[K")  # One that does not know a question may have written it.
        screen.flush()
    finally:
        termios.tcsetattr(keys, termios.TCSANOW, before)
    return found._replace(cell=_told_by_kernel(screen.fileno()) or found.cell)


def _answers(file: int) -> str:
    """Return what comes until the last answer, or until patience ends."""
    end = time.monotonic() + _PATIENCE_S
    heard = ""
    while not _LAST.search(heard) and len(heard) < _MOST_BYTES:
        if not select.select([file], [], [], max(0.0, end - time.monotonic()))[0]:
            break
        heard += os.read(file, _MOST_BYTES).decode(errors="replace")
    return heard


def _told_by_kernel(file: int) -> tuple[int, int] | None:
    """Return the size of a cell as the terminal's driver has it; None if it hasn't."""
    rows, columns, width, height = unpack("HHHH", ioctl(file, termios.TIOCGWINSZ, bytes(8)))
    return (width // columns, height // rows) if width >= columns > 0 and height >= rows > 0 else None
