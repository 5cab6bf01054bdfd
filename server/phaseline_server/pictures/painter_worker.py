"""The painter's process: it reads a request from stdin, reports on stdout and writes a picture to a file.

It paints pictures, and decodes those of providers: to check them, and to draw their captions. So the memory of a
decoded picture is never the server's.

Run it as `python -m phaseline_server.pictures.painter_worker`. The request is one line of JSON. The server keeps stdin
open while it waits for the picture; when stdin closes, the process exits. This needs no thread. Linux's
PR_SET_PDEATHSIG does not work here: it kills the process when the *thread* that started it ends, and Trio's worker
threads end after ten idle seconds.

Each note is a line of JSON that begins on a new line. Stdout and stderr may share a pipe: other lines are output of
Python or a library.
"""

import fcntl
import os
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from phaseline_server.pictures.bounds import Bounds
from phaseline_server.pictures.errors import PictureError
from phaseline_server.pictures.painting.brief import Brief

__all__ = [
    "Caption",
    "CheckFile",
    "Done",
    "Failed",
    "Note",
    "Paint",
    "Painting",
    "Rejected",
    "Request",
    "main",
    "part_of",
]

_STDIN: Final = 0
_STDOUT: Final = 1
_NICE: Final = 10
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_PAINTED_SHARE: Final = 0.95
"""The share of the total time for painting; the rest is writing the file."""
_BASE_BYTES: Final = 1 << 30
"""Address space of Python with numpy and Pillow, and of the encoded pictures."""
_BYTES_PER_PIXEL: Final = 32
"""Address space of a decoded picture: 4 bytes a pixel, in the copies of a decoder, a conversion and a composition."""


class Paint(msgspec.Struct, frozen=True, tag="paint"):
    """Paint `brief` into the file at `path`."""

    brief: Brief
    path: str


class CheckFile(msgspec.Struct, frozen=True, tag="check"):
    """Check the picture at `source`, and write it to `path` as a PNG."""

    source: str
    path: str
    bounds: Bounds


class Caption(msgspec.Struct, frozen=True, tag="caption"):
    """Draw `text` below the PNG at `source`, and write the result to `path`."""

    source: str
    path: str
    text: str
    bounds: Bounds


Request = Paint | CheckFile | Caption


class Painting(msgspec.Struct, frozen=True, tag="painting"):
    """The progress: `fraction` rises from 0 to 1."""

    fraction: float


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The picture's file is complete; `bytes` is its size."""

    bytes: int


class Rejected(msgspec.Struct, frozen=True, tag="rejected"):
    """The picture at `source` is not acceptable."""

    reason: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The work failed; `errno` is the number of an OSError."""

    reason: str
    errno: int | None = None


Note = Painting | Done | Rejected | Failed


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
    try:
        _report(Done(_work(request)))
    except PictureError as error:
        _report(Rejected(str(error)))


def _work(request: Request) -> int:
    match request:
        case Paint(brief, path):
            return _paint(brief, path)
        case CheckFile(source, path, bounds):
            return _check(source, path, bounds)
        case Caption(source, path, text, bounds):
            return _caption(source, path, text, bounds)


# The imports below are slow, so they come after the validation of the request.


def _paint(brief: Brief, path: str) -> int:
    from phaseline_server.pictures.painter import paint  # noqa: PLC0415

    image = paint(brief, lambda fraction: _report(Painting(round(fraction * _PAINTED_SHARE, 4))))
    size = _write(path, lambda file: image.save(file, "PNG", compress_level=4))
    _report(Painting(1.0))
    return size


def _check(source: str, path: str, bounds: Bounds) -> int:
    from phaseline_server.pictures.picture import check  # noqa: PLC0415

    _limit_memory(bounds)
    png = check(Path(source).read_bytes(), bounds).png
    return _write(path, lambda file: file.write(png))


def _caption(source: str, path: str, text: str, bounds: Bounds) -> int:
    from phaseline_server.pictures.annotate import annotate  # noqa: PLC0415

    _limit_memory(bounds)
    png = annotate(Path(source).read_bytes(), text)
    return _write(path, lambda file: file.write(png))


def _limit_memory(bounds: Bounds) -> None:
    """Limit the address space, so that a decoder that ignores a picture's header can't take all memory."""
    most = _BASE_BYTES + bounds.pixels * _BYTES_PER_PIXEL
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    # Systems without this limit, and a stricter one that is set already, stay as they are.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _write(path: str, save: Callable[[BinaryIO], object]) -> int:
    """Write the file at `path` atomically and durably with `save`, and return its size in bytes."""
    part = part_of(path, os.getpid())
    try:
        with open(part, "wb") as file:  # noqa: PTH123
            save(file)
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
