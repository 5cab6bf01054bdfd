"""The installed `phaseline` as a shell runs it, or one forked from a process that has imported it."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.support.forked import forked_command
from tests.support.waiting import until

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


async def forked_phaseline(env: Mapping[str, str], *arguments: str, cwd: Path | None = None) -> Ran:
    """Run `phaseline` to its end, in a process that has imported it unless the interpreter reads `env`.

    Not for commands that restart themselves, or that look at the process that has started them.
    """
    if _of_interpreter(env) != _of_interpreter(os.environ):
        return await phaseline(env, *arguments, cwd=cwd)
    out, its_out = os.pipe()
    printed = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_read, out, printed)
        code, err = await forked_phaseline_into(its_out, env, *arguments, cwd=cwd)
    return _checked(code, bytes(printed), err)


async def forked_phaseline_into(
    stdout: int, env: Mapping[str, str], *arguments: str, cwd: Path | None = None
) -> tuple[int, bytes]:
    """Run a forked `phaseline` whose output goes to a file, which is closed here; return its exit code and errors."""
    err, its_err = os.pipe()
    printed = bytearray()
    process = forked_command(arguments, env, cwd or Path.cwd(), stdout, its_err)
    try:
        with trio.fail_after(120):
            await _read(err, printed)
            return await process.wait(), bytes(printed)
    finally:
        process.kill()


async def _read(file: int, printed: bytearray) -> None:
    async with trio.lowlevel.FdStream(file) as stream:
        async for data in stream:
            printed += data


async def phaseline(env: Mapping[str, str], *arguments: str, cwd: Path | None = None) -> Ran:
    """Run the installed `phaseline` to its end; it must never print a traceback."""
    with trio.fail_after(120):
        done = await trio.run_process(
            [PHASELINE, *arguments], env=dict(env), cwd=cwd, check=False, capture_stdout=True, capture_stderr=True
        )
    return _checked(done.returncode, done.stdout, done.stderr)


def _of_interpreter(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(("PYTHON", "LC_", "LANG"))}


def _checked(code: int, out: bytes, err: bytes) -> Ran:
    ran = Ran(code, out.decode(), err.decode())
    assert "Traceback" not in ran.err, ran.err
    return ran


async def job_status(url: str, job_id: str) -> dict[str, Any]:
    """Return a job as the server knows it."""
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=60) as client:
        status: dict[str, Any] = (await client.get(f"{url}/progress/job/{job_id}")).json()["job_status"]
        return status


async def messages(url: str, job_id: str) -> list[dict[str, Any]]:
    """Return all messages of a job, in the stream's order."""
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=60) as client:
        found: list[dict[str, Any]] = (await client.get(f"{url}/progress/events?channels=job:{job_id}")).json()[
            "messages"
        ]
        return found


@asynccontextmanager
async def running(command: list[str], env: Mapping[str, str]) -> AsyncIterator[trio.Process]:
    """Run a command for the length of the block, for a minute at most."""
    with trio.fail_after(60):
        process = await trio.lowlevel.open_process(command, env=dict(env))
        try:
            yield process
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()


async def status_when(env: Mapping[str, str], job_id: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the job's status as soon as it is as wanted."""

    async def look() -> dict[str, Any] | None:
        try:
            status = await job_status(env["PROGRESS_URL"], job_id)
        except KeyError:  # not known yet
            return None
        return status if wanted(status) else None

    return await until(look)
