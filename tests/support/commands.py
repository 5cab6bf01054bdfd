"""The installed `phaseline` as a shell runs it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import trio

PHASELINE = str(Path(sys.executable).with_name("phaseline"))


@dataclass(frozen=True)
class Ran:
    """How a command ended.

    Attributes:
        code: Its exit code, negative for a signal.
    """

    code: int
    out: str
    err: str


async def phaseline(env: Mapping[str, str], *arguments: str, cwd: Path | None = None) -> Ran:
    """Run `phaseline` to its end; it must never print a traceback."""
    with trio.fail_after(120):
        done = await trio.run_process(
            [PHASELINE, *arguments], env=dict(env), cwd=cwd, check=False, capture_stdout=True, capture_stderr=True
        )
    ran = Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in ran.err, ran.err
    return ran


async def job_status(url: str, job_id: str) -> dict[str, Any]:
    """Return a job as the server knows it."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        status: dict[str, Any] = (await client.get(f"{url}/progress/job/{job_id}")).json()["job_status"]
        return status


async def messages(url: str, job_id: str) -> list[dict[str, Any]]:
    """Return all messages of a job, in the stream's order."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        found: list[dict[str, Any]] = (await client.get(f"{url}/progress/events?channels=job:{job_id}")).json()[
            "messages"
        ]
        return found
