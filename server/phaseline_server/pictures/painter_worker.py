"""The painter's own process: a request on stdin, notes on stdout, the picture in a file.

Run as `python -m phaseline_server.pictures.painter_worker`. The request is one line of JSON; stdin stays open while
somebody waits for the picture, and when it ends, so does the process. That needs neither a thread nor Linux's
PR_SET_PDEATHSIG, which would end the process as soon as the *thread* ends that started it (Trio starts processes in
worker threads, which live ten seconds when idle).

Each note is a line of JSON that begins on a new line. Stdout and stderr may be one pipe: a line that is no note is
something that Python or a library had to say.
"""

import fcntl
import os
import sys
from typing import TYPE_CHECKING, Final

import msgspec

from phaseline_server.pictures.painting.brief import Brief

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Failed", "Note", "Painted", "Painting", "Request", "main", "part_of"]

_STDIN: Final = 0
_STDOUT: Final = 1
_NICE: Final = 10
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_PAINTED_SHARE: Final = 0.95
"""How much of the whole time is painting; the rest is writing the file."""


class Request(msgspec.Struct, frozen=True):
    """Paint `brief` into the file at `path`."""

    brief: Brief
    path: str


class Painting(msgspec.Struct, frozen=True, tag="painting"):
    """So much is done: `fraction` rises from 0 to 1."""

    fraction: float


class Painted(msgspec.Struct, frozen=True, tag="painted"):
    """The picture is in its file, whole, with so many `bytes`."""

    bytes: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """There will be no picture; `errno` is the system's number for the reason, if it has one."""

    reason: str
    errno: int | None = None


Note = Painting | Painted | Failed


class _Alone(Exception):
    """Nobody waits for the picture any more."""


def part_of(path: str, process: int) -> str:
    """Return where the process of this id writes before the picture takes its place at `path`."""
    return f"{path}.{process}.part"


def main() -> int:
    """Serve one request; returns the exit status."""
    # Before numpy is loaded: the picture must not depend on the number of threads, and a painter gets one core.
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    # The server's loop goes first.
    os.nice(_NICE)
    try:
        request = msgspec.json.decode(_line(), type=Request)
        _end_with_stdin()
        _serve(request)
    except _Alone:
        return 1
    except BaseException as error:
        number = error.errno if isinstance(error, OSError) else None
        try:
            _tell(Failed(_told(error), number))
        except _Alone:
            return 1
        raise
    return 0


def _told(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(_STDIN, 1 << 16)
        if not piece:
            raise _Alone
        line += piece
    return line


def _end_with_stdin() -> None:
    """Ask the system to end this process (SIGIO) as soon as the other end of stdin is closed, however that happens."""
    fcntl.fcntl(_STDIN, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(_STDIN, fcntl.F_SETFL, fcntl.fcntl(_STDIN, fcntl.F_GETFL) | os.O_ASYNC)


def _tell(note: Note) -> None:
    try:
        os.write(_STDOUT, b"\n" + msgspec.json.encode(note) + b"\n")
    except BrokenPipeError as error:
        # So a process ends too that was left alone before it asked for SIGIO, or whose system's pipes send none.
        raise _Alone from error


def _serve(request: Request) -> None:
    # Loading these takes most of a worker's start; a request that is wrong is refused before.
    from phaseline_server.pictures.painter import paint  # noqa: PLC0415

    image = paint(request.brief, lambda fraction: _tell(Painting(round(fraction * _PAINTED_SHARE, 4))))
    size = _write(image, request.path)
    _tell(Painting(1.0))
    _tell(Painted(size))


def _write(image: "Image.Image", path: str) -> int:
    """Write the PNG so that `path` holds it whole or not at all, and survives a power cut; returns its size."""
    part = part_of(path, os.getpid())
    try:
        with open(part, "wb") as file:  # noqa: PTH123
            image.save(file, "PNG", compress_level=4)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        os.replace(part, path)  # noqa: PTH105
    except BaseException:
        if os.path.lexists(part):
            os.unlink(part)  # noqa: PTH108
        raise
    return size


if __name__ == "__main__":
    sys.exit(main())
