"""Detection of the terminal's graphics, by queries that are sent before the first picture.

All queries are sent together. Every terminal answers the last one. Its answer ends the wait even on a slow line, so no
late answer is read as key presses.
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

__all__ = ["Graphics", "Kind", "detect_graphics", "parse_answers"]

Kind = Literal["kitty", "sixel", "blocks"]

QUERIES: Final = (
    "\x1b[>q"  # XTVERSION: name and version
    "\x1b_Gi=4211,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"  # kitty's graphics protocol: query action
    "\x1b[16t"  # XTWINOPS: cell size in pixels
    "\x1b[c"  # DA1: device attributes, which every terminal answers
)
_DEVICE_ATTRIBUTES: Final = re.compile(r"\x1b\[\?([\d;]*)c")
_VERSION: Final = re.compile(r"\x1bP>\|(\w+)[ (]?(\d+)?\.?(\d+)?")
_KITTY: Final = re.compile(r"\x1b_G[^\x1b]*;OK\x1b\\")
_CELL: Final = re.compile(r"\x1b\[6;(\d+);(\d+)t")
_SIXEL: Final = "4"  # device attribute
_PLACEHOLDERS_SINCE: Final = {"kitty": (0, 28), "ghostty": (0, 0)}
"""Minimum versions of terminals that support kitty's Unicode placeholders, which a screen made of cells needs. Other
terminals report support for kitty's graphics but draw the placeholders as boxes."""
_ANSWER_TIMEOUT_S: Final = 3.0
_DEFAULT_CELL: Final = (10, 20)
_MAX_BYTES: Final = 4096


class Graphics(NamedTuple):
    """The graphics of a terminal."""

    kind: Kind
    cell: tuple[int, int]
    """Width and height of a cell in pixels."""


def parse_answers(answers: str) -> Graphics:
    """Return the graphics of a terminal that sent these answers."""
    attributes, version, cell = _DEVICE_ATTRIBUTES.search(answers), _VERSION.search(answers), _CELL.search(answers)
    size = (int(cell[2]), int(cell[1])) if cell is not None and int(cell[1]) and int(cell[2]) else _DEFAULT_CELL
    if attributes is not None and _SIXEL in attributes[1].split(";")[1:]:
        return Graphics("sixel", size)
    if version is not None and _KITTY.search(answers):
        since = _PLACEHOLDERS_SINCE.get(version[1].lower())
        if since is not None and (int(version[2] or 0), int(version[3] or 0)) >= since:
            return Graphics("kitty", size)
    return Graphics("blocks", size)


def detect_graphics() -> Graphics:
    """Query the terminal at standard input and return its graphics. Nothing else may read standard input meanwhile.

    Raises:
        OSError, termios.error: Standard input or output is not a terminal.
    """
    keys, screen = sys.__stdin__, sys.__stdout__
    if keys is None or screen is None:
        raise OSError("no terminal")
    before = termios.tcgetattr(keys)
    try:
        tty.setcbreak(keys, termios.TCSANOW)
        screen.write(QUERIES)
        screen.flush()
        found = parse_answers(_answers(keys.fileno()))
        screen.write("\r\x1b[K")  # erase what a terminal without these queries has printed
        screen.flush()
    finally:
        termios.tcsetattr(keys, termios.TCSANOW, before)
    return found._replace(cell=_cell_size_from_kernel(screen.fileno()) or found.cell)


def _answers(file: int) -> str:
    """Return the answers up to the last one, or up to the time-out."""
    end = time.monotonic() + _ANSWER_TIMEOUT_S
    received = ""
    while not _DEVICE_ATTRIBUTES.search(received) and len(received) < _MAX_BYTES:
        if not select.select([file], [], [], max(0.0, end - time.monotonic()))[0]:
            break
        received += os.read(file, _MAX_BYTES).decode(errors="replace")
    return received


def _cell_size_from_kernel(file: int) -> tuple[int, int] | None:
    """Return the size of a cell from the terminal driver; None if it does not know it."""
    rows, columns, width, height = unpack("HHHH", ioctl(file, termios.TIOCGWINSZ, bytes(8)))
    return (width // columns, height // rows) if width >= columns > 0 and height >= rows > 0 else None
