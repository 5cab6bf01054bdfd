"""Programs that report, in separate processes, whose input and output are the test's."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from tests.support.servers import environment

__all__ = ["DEFINITIONS", "line", "program"]

DEFINITIONS = """
import os, signal, sys, time
from phaseline.model.events import *
from phaseline.reporting import Reporter
"""


@asynccontextmanager
async def program(code: str, *arguments: str) -> AsyncIterator[trio.Process]:
    """Run code in a separate process for the length of the block, with stdin and stdout connected to the test."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", DEFINITIONS + code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    )
    try:
        with trio.fail_after(100):
            yield process
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def line(process: trio.Process) -> str:
    """Return the next line, or several that arrive together; an interpreter may write the line end separately."""
    assert process.stdout is not None
    text = b""
    while not text.endswith(b"\n") and (more := await process.stdout.receive_some()):
        text += more
    return text.decode().strip()
