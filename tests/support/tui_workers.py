"""A render farm for the tests of the terminal view: machines with many jobs, and the answer with their load."""

from typing import Any

import msgspec

from phaseline_tui.model.connection import Batch, LinkState, LinkStatus
from tests.support.tui_jobs import PHOTO, job, snapshot

__all__ = ["boxes", "farm", "loads"]

_GIB = 2**30


def farm(hosts: int, jobs: int) -> Batch:
    """Return the batch of a server with active jobs on a number of machines; one in 50 is stalled."""
    found = [
        job(
            f"shot-{number}",
            PHOTO,
            2 + number % 5,
            name=f"SC{number // 12:03}_beauty_v{number % 12:02}.exr",
            host=f"render{number % hosts:02}",
            progress=float(number * 7 % 100),
            state="stalled" if number % 50 == 7 else "active",
            silent_seconds=200.0 + number if number % 50 == 7 else 0.0,
            reason="silent" if number % 50 == 7 else None,
        )
        for number in range(jobs)
    ]
    return Batch((snapshot(found),), received=1000.0, status=LinkStatus(LinkState.CONNECTED, since=900.0))


def loads(hosts: int) -> bytes:
    """Return the answer to `GET /progress/hosts`: each third machine has GPUs, each fifth has not reported its load."""
    found: list[dict[str, Any]] = []
    for number in range(hosts):
        processors = 16 * (1 + number % 3)
        gpu = {"name": "RTX 4090", "use": float(number * 13 % 101), "memory_used": (2 + number % 20) * _GIB}
        load = {
            "load": processors * (number % 7) / 5,
            "processors": processors,
            "memory_used": (3 + number * 5 % 58) * _GIB,
            "memory_total": 64 * _GIB,
            "gpus": [gpu | {"memory_total": 24 * _GIB}] * (1 + number % 2) if number % 3 == 0 else [],
            "age_seconds": 4.0,
        }
        silent = 0.5 + number % 40
        found.append(
            {"host": f"render{number:02}", "silent_seconds": silent, "load": None if number % 5 == 4 else load}
        )
    return msgspec.json.encode({"success": True, "hosts": found, "count": hosts, "cursor": None})


def boxes(hosts: int, queues: int = 1) -> bytes:
    """Return the answer to `GET /progress/boxes`: queues of machines of `farm`; each fifth machine is unknown."""
    found: list[dict[str, Any]] = []
    for number in range(hosts):
        for queue in range(queues):
            left = None if number % 5 == 4 else 600.0 * (1 + number) * (1 + queue)
            found.append(
                {
                    "host": f"render{number:02}",
                    "queue": ("", "gpu", "cpu")[queue],
                    "slots": 1 + number % 4,
                    "active": 1 + number % 4,
                    "queued": 3 * number,
                    "free_seconds": left,
                    "free_low_seconds": left and 0.7 * left,
                    "free_high_seconds": left and 1.5 * left,
                }
            )
    return msgspec.json.encode({"success": True, "boxes": found, "count": len(found)})
