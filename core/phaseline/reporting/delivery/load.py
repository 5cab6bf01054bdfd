"""Measure the load of this machine in the background thread, and create the message that reports it."""

import math
import os
import subprocess
from contextlib import suppress
from typing import Any, Final

import msgspec
import trio

from phaseline.client.notes import warn
from phaseline.protocol import HOST_STATUS
from phaseline.reporting.host_load import GPU_QUERY, gpus, host_load
from phaseline.text import clean

__all__ = ["LoadMeter"]

_FIRST_S: Final = 1.0
_PACE_S: Final = 10.0
_LONGEST_QUERY_S: Final = 2.0
_LONGEST_END_S: Final = 0.5  # a driver may make a process unkillable
_LARGEST_ANSWER: Final = 65_536

_encoder: Final = msgspec.json.Encoder()


class LoadMeter:
    """Measures the load of the machine named `host`."""

    def __init__(self, host: str) -> None:
        """Measure nothing yet."""
        self._host = host
        self._measured_at = -math.inf
        self._asks_gpus = _is_installed(GPU_QUERY[0])

    def next_at(self) -> float:
        """Return the time of the next measurement by Trio's clock: not immediately, so that short jobs cost nothing."""
        return max(trio.current_time() + _FIRST_S, self._measured_at + _PACE_S)

    async def message(self) -> str | None:
        """Return the present load as a message; it waits at most two seconds for `nvidia-smi`, if that is installed."""
        self._measured_at = trio.current_time()
        try:
            fields = {"type": HOST_STATUS, "host": self._host, **host_load(_read, _processors())}
            if self._asks_gpus:
                fields["gpus"] = await self._gpus()
        except Exception as error:  # noqa: BLE001 - reports are delivered even if the load can't be measured
            warn("the load of this machine is not reported: %r; please report this bug", error)
            self._measured_at = math.inf
            return None
        # An error from the server about it then refers to no report; their numbers begin at 1.
        return _encoder.encode(fields | {"producer_seq": 0}).decode()

    async def _gpus(self) -> list[dict[str, Any]]:
        """Return the graphics processors; if the program does not answer in time, never run it again."""
        answer = b""
        with suppress(OSError, trio.BrokenResourceError), trio.move_on_after(_LONGEST_QUERY_S):
            answer = await _output(GPU_QUERY)
        found = gpus(clean(answer.decode("utf-8", "replace")))
        self._asks_gpus = bool(found)
        return found


async def _output(command: tuple[str, ...]) -> bytes:
    """Return a command's output. Kill it if this is cancelled, and leave it running if that does not end it."""
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None  # noqa: S101 (a pipe)
    answer = bytearray()
    try:
        while len(answer) < _LARGEST_ANSWER and (chunk := await process.stdout.receive_some()):
            answer += chunk
        await process.wait()
    finally:
        with trio.move_on_after(_LONGEST_END_S, shield=True):
            await trio.aclose_forcefully(process.stdout)
            if process.returncode is None:
                process.kill()
                await process.wait()
    return bytes(answer)


def _read(path: str) -> str:
    with open(path, encoding="ascii", errors="replace") as file:  # noqa: PTH123 - as everywhere in the reporter
        return file.read()


def _processors() -> int | None:
    with suppress(AttributeError, OSError):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _is_installed(program: str) -> bool:
    return any(os.access(os.path.join(folder, program), os.X_OK) for folder in os.get_exec_path())  # noqa: PTH118
