"""Requests for painters, and traces of their processes."""

import os
from pathlib import Path

import trio
import trio.testing

from phaseline_server.pictures.painter_process import Brief

__all__ = ["AT_FSYNC", "LARGE", "SMALL", "gone", "ignore", "leftovers"]

SMALL = Brief(seed="a1", width=64, height=64, detail=1, words={"noun": "planet", "artstyle": "enamel"})
# Minutes of work: a test never waits for its end.
LARGE = Brief(seed="a1", width=4096, height=4096, detail=5, words={"noun": "mountain", "artstyle": "impasto"})
# Between writing the file and renaming it, the worker reports that 0.99 is done, and does something.
AT_FSYNC = """
import os, signal
def fsync(_):
    os.write(1, b'\\n{{"type":"painting","fraction":0.99}}\\n')
    {}
os.fsync = fsync
"""


async def ignore(_: float) -> None:
    pass


def gone(process: trio.Process) -> bool:
    """Whether a process has ended and was reaped."""
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return process.returncode is not None
    return False


def leftovers(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.is_file())
