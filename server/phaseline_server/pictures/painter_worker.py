"""The painter's process: it reads a request from stdin, reports on stdout and writes the picture to a file.

Run it as `python -m phaseline_server.pictures.painter_worker`. The request is one line of JSON. The server keeps stdin
open while it waits for the picture; when stdin closes, the process exits. This needs no thread. Linux's
PR_SET_PDEATHSIG does not work here: it kills the process when the *thread* that started it ends, and Trio's worker
threads end after ten idle seconds.

Each note is a line of JSON that begins on a new line. Stdout and stderr may share a pipe: other lines are output of
Python or a library.
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
"""The share of the total time for painting; the rest is writing the file."""


class Request(msgspec.Struct, frozen=True):
    """Paint `brief` into the file at `path`."""

    brief: Brief
    path: str


class Painting(msgspec.Struct, frozen=True, tag="painting"):
    """The progress: `fraction` rises from 0 to 1."""

    fraction: float


class Painted(msgspec.Struct, frozen=True, tag="painted"):
    """The picture's file is complete; `bytes` is its size."""

    bytes: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The painting failed; `errno` is the number of an OSError."""

    reason: str
    errno: int | None = None


Note = Painting | Painted | Failed


class _Abandoned(Exception):
    """The server no longer waits for the picture."""


def part_of(path: str, process: int) -> str:
    """Return the temporary path to which the process with this id writes before it renames the file to `path`."""
    return f"{path}.{process}.part"


def main() -> int:
    """Serve one request and return the exit status."""
    # Set before numpy loads: the picture must not depend on the number of threads, and each painter uses one core.
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    # The server's event loop has priority.
    os.nice(_NICE)
    try:
        request = msgspec.json.decode(_line(), type=Request)
        _end_with_stdin()
        _serve(request)
    except _Abandoned:
        return 1
    except BaseException as error:
        number = error.errno if isinstance(error, OSError) else None
        try:
            _report(Failed(_reason(error), number))
        except _Abandoned:
            return 1
        raise
    return 0


def _reason(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(_STDIN, 1 << 16)
        if not piece:
            raise _Abandoned
        line += piece
    return line


def _end_with_stdin() -> None:
    """Let the system kill this process (SIGIO) when the other end of stdin closes for any reason."""
    fcntl.fcntl(_STDIN, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(_STDIN, fcntl.F_SETFL, fcntl.fcntl(_STDIN, fcntl.F_GETFL) | os.O_ASYNC)


def _report(note: Note) -> None:
    try:
        os.write(_STDOUT, b"\n" + msgspec.json.encode(note) + b"\n")
    except BrokenPipeError as error:
        # Covers a server that died before SIGIO was set up, and systems without SIGIO for pipes.
        raise _Abandoned from error


def _serve(request: Request) -> None:
    # A slow import, so it comes after the validation of the request.
    from phaseline_server.pictures.painter import paint  # noqa: PLC0415

    image = paint(request.brief, lambda fraction: _report(Painting(round(fraction * _PAINTED_SHARE, 4))))
    size = _write(image, request.path)
    _report(Painting(1.0))
    _report(Painted(size))


def _write(image: "Image.Image", path: str) -> int:
    """Write the PNG to `path` atomically and durably, and return its size in bytes."""
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
