"""The load of this machine: load average, memory and graphics processors, parsed from the system's text output.

Pure: the background thread reads the files and runs `nvidia-smi`.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

__all__ = ["GPU_QUERY", "gpus", "host_load"]

GPU_QUERY: Final = (
    "nvidia-smi",
    "--query-gpu=name,utilization.gpu,memory.used,memory.total",
    "--format=csv,noheader,nounits",
)
_MOST_GPUS: Final = 16
_LONGEST_NAME: Final = 60
_KIB, _MIB = 2**10, 2**20
_WHOLE: Final = 100.0


def host_load(read: Callable[[str], str], processors: int | None) -> dict[str, Any]:
    """Return the known figures of load average and memory, in the fields of `host_status`.

    Args:
        read: Returns the text of a file, or raises OSError.
        processors: The number of processors that may be used; None if it is unknown.
    """
    known: dict[str, Any] = {"processors": processors} if processors else {}
    with suppress(OSError, ValueError, LookupError):
        known["load"] = float(read("/proc/loadavg").split()[0])
    with suppress(OSError, ValueError, LookupError):
        memory = _memory(read("/proc/meminfo"))
        whole, free = memory["MemTotal"], memory["MemAvailable"]
        known |= {"memory_used": max(0, whole - free), "memory_total": whole}
    return known


def _memory(text: str) -> dict[str, int]:
    """Return the figures of /proc/meminfo in bytes."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        name, _, figure = line.partition(":")
        if name in {"MemTotal", "MemAvailable"}:
            found[name] = int(figure.split()[0]) * _KIB
    return found


def gpus(text: str) -> list[dict[str, Any]]:
    """Return the graphics processors in the output of `GPU_QUERY`; leave out values that are not numbers."""
    found: list[dict[str, Any]] = []
    for line in text.splitlines()[:_MOST_GPUS]:
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != 4:  # noqa: PLR2004 - the columns of the query
            continue
        gpu: dict[str, Any] = {"name": cells[0][:_LONGEST_NAME]}
        for name, cell, unit in (
            ("use", cells[1], 1),
            ("memory_used", cells[2], _MIB),
            ("memory_total", cells[3], _MIB),
        ):
            if cell.isascii() and cell.isdecimal():
                gpu[name] = int(cell) * unit
        if gpu.get("use", 0) > _WHOLE:
            del gpu["use"]
        found.append(gpu)
    return found
