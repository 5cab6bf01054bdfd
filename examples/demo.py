"""Start a separate server, have it make real pictures, and show their progress.

In a terminal, the TUI opens; otherwise, each change of phase is printed as a line. The results are in `demo/`, or in
the directory that is given as an argument. The server listens on a free port, so a running server is not affected.

- PHOTOS=folder: process the photos in this folder. [generated photos, one of them broken]
- PICTURE_SIZE=128x128: use this size, and smaller generated photos, so that the demo takes a tenth of the time.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import trio
from demo_watch import Failed, Watch, print_line

HERE: Final = Path(__file__).resolve().parent.parent
DATA: Final = Path(sys.argv[1] if len(sys.argv) > 1 else HERE / "demo").resolve()
BIN: Final = Path(sys.executable).parent
# No server listens at this address, so requests fail, as if a provider were down.
NOWHERE: Final = "http://127.0.0.1:9/v1"
DONE_TTL_S: Final = 8
SIZE: Final = os.environ.get("PICTURE_SIZE")
SERIES: Final[dict[str, dict[str, Any]]] = {
    "brisk": {"purpose": "quick sketches", "detail": 1},
    "patient": {"purpose": "wide and detailed, so it takes longer", "detail": 2}
    | ({} if SIZE else {"size": "1536x1024"}),
    "faraway": {"purpose": "uses a provider that is down", "provider": "openai"},
}


@asynccontextmanager
async def server(data: Path) -> AsyncIterator[str]:
    """Run a server on the directory `data` for the duration of the block, and yield its address."""
    (data / "series").mkdir(parents=True, exist_ok=True)
    for name, series in SERIES.items():
        (data / "series" / f"{name}.json").write_text(json.dumps({"name": name, **series}, indent=2) + "\n")
    command = [str(BIN / "progress-server"), "--bind", "127.0.0.1:0", "--data-dir", str(data), "--log-format", "json"]
    # Retention of a finished run: short enough that a later request gets the stored picture; long enough for a poller
    # on a machine that stalls for some seconds.
    command += ["--done-ttl", f"{DONE_TTL_S}", "--image-url", NOWHERE, "--image-retries", "1"]
    command += ["--picture-size", SIZE] if SIZE else []
    # The user's settings for another server must not apply to this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PHASELINE_")}
    process = await trio.lowlevel.open_process(command, stderr=subprocess.PIPE, env=environment)
    log = trio.Path(data / "server.log")
    try:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(read_log, process, log)
            yield url
            process.terminate()
    finally:
        with trio.CancelScope(shield=True):
            process.terminate()
            with trio.move_on_after(10):
                await process.wait()
            process.kill()
            await process.wait()


async def read_log(
    process: trio.Process, log: trio.Path, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED
) -> None:
    """Write the server's log to a file, and return the server's address when the log contains it."""
    assert process.stderr is not None  # noqa: S101 - it is a pipe
    pending, found = b"", False
    async with await log.open("wb") as file:
        async for chunk in process.stderr:
            await file.write(chunk)
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                if not found and b'"listening"' in line:
                    found = True
                    task_status.started(json.loads(line)["url"])
    if not found:
        text = f"the server did not start: {(await log.read_text()).strip()}"
        raise Failed(text)


async def make_photos(folder: Path, *flags: str) -> None:
    """Make the photos of the demo."""
    command = [sys.executable, str(HERE / "examples" / "make_photos.py"), str(folder), *flags]
    await trio.run_process(command, stdout=subprocess.DEVNULL)


async def process_photos(folder: Path, out: Path, url: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a worker on the photos in `folder`."""
    command = [sys.executable, str(HERE / "examples" / "photo_batch.py"), str(folder), "--out", str(out)]
    environment = os.environ | {"PROGRESS_URL": url, "XDG_STATE_HOME": str(DATA / "state")}
    return await trio.run_process(command, env=environment, check=False, capture_stdout=True, capture_stderr=True)


async def first_round(client: httpx.AsyncClient, url: str) -> None:
    """Give the server a history, so that the other jobs have estimates: two small photos, and a picture."""
    first = DATA / "first round"
    await make_photos(first, "--few")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(process_photos, first, first / "exported", url)
        nursery.start_soon(Watch(client, quiet=True).follow, "brisk", f"0x{secrets.token_hex(4)}")


async def photo_batch(watch: Watch, url: str) -> None:
    """Run a worker that processes a folder of photos, and print its progress."""
    given = os.environ.get("PHOTOS")
    folder = Path(given) if given else DATA / "photos"
    if not given:
        if SIZE:  # those of the first round have the size, too
            shutil.copytree(DATA / "first round", folder, ignore=lambda *_: ["exported"], dirs_exist_ok=True)
        await make_photos(folder, *(["--small"] if SIZE else []))
    scope = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.photos, scope)
        batch = await process_photos(folder, DATA / "exported", url)
        scope.cancel()
    # Exit code 1 means that a photo failed; here it is the broken one.
    if batch.returncode not in ({0, 1} if given else {1}):
        raise Failed(f"the photo batch failed with exit code {batch.returncode}: {batch.stderr.decode().strip()}")


async def work(watch: Watch, url: str) -> None:
    """Run all jobs of the demo."""
    # New addresses each time, because existing pictures are not made again.
    first, *others = (f"0x{secrets.token_hex(4)}" for _ in range(5))

    async def twice() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow, "brisk", first, " (a)")
            nursery.start_soon(follow, "brisk", first, " (b)")
        await trio.sleep(DONE_TTL_S + 0.5)  # until the server returns the stored picture instead of the run
        await watch.follow("brisk", first, expect="cache")

    async def follow(series: str, address: str, who: str = "") -> None:
        await watch.follow(series, address, who=who)

    async def fail() -> None:
        await watch.follow("faraway", others[3], expect="error")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(photo_batch, watch, url)
        nursery.start_soon(twice)
        nursery.start_soon(fail)
        nursery.start_soon(follow, "brisk", others[0])
        nursery.start_soon(follow, "patient", others[1])
        nursery.start_soon(follow, "patient", others[2])


async def work_behind(watch: Watch, url: str, problems: list[str]) -> None:
    """Run the jobs while the TUI has the screen; add errors to `problems`."""
    try:
        await work(watch, url)
    except* (Failed, httpx.HTTPError) as group:
        problems += [str(error) or repr(error) for error in leaves(group)]


async def end_on_signal(scope: trio.CancelScope) -> None:
    """Cancel `scope` at SIGINT or SIGTERM, so that the server also ends."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()


async def main() -> int:
    """Run the demo; return the exit code."""
    terminal = sys.stdout.isatty() and sys.stdin.isatty()
    if shutil.which("progress-server", path=str(BIN)) is None:
        print_line(f"progress-server is not in {BIN}; run `make demo`, or pip install '.[all]' first")
        return 2
    finished, problems = False, list[str]()
    async with trio.open_nursery() as outer:
        outer.start_soon(end_on_signal, outer.cancel_scope)
        async with server(DATA) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
            watch = Watch(client, quiet=terminal)
            print_line("First, two photos and a picture give the server a history for its estimates …")
            await first_round(client, url)
            if not terminal:
                print_line(f"The demo's server listens on {url}.")
                print_line(
                    "It makes four pictures in two series: one is requested twice at once and again later; one fails,"
                )
                print_line("because its provider is down. Five photos, one of them broken, pass through eight stages:")
            async with trio.open_nursery() as nursery:
                if terminal:
                    nursery.start_soon(work_behind, watch, url, problems)
                    await trio.run_process([BIN / "progress-tui", url], stdin=None, check=False)
                    nursery.cancel_scope.cancel()
                else:
                    await work(watch, url)
            finished = True
        outer.cancel_scope.cancel()
    if problems:
        print_line(f"demo: {'; '.join(problems)}")
        return 1
    if finished:
        print_line("Everything worked as expected.")
        print_line(f"The photos are in {DATA / 'exported'}, the pictures in {DATA / 'output'}.")
        installed = "" if shutil.which("progress-server") else f"{BIN}{os.sep}"
        print_line("Now try your own job: start a server, run a command in a second terminal, and watch it in a third.")
        print_line(f"  {installed}progress-server")
        print_line(f"  {installed}phaseline run -- tar -cf /tmp/examples.tar {HERE / 'examples'}")
        print_line(f"  {installed}progress-tui")
    return 0 if finished else 130


def run() -> int:
    """Run the demo; print an error, if any, and return the exit code."""
    try:
        return trio.run(main)
    except* Failed as group:
        reasons = [str(error) for error in leaves(group)]
    except* httpx.HTTPError as group:
        reasons = [repr(error) for error in leaves(group)]
    print_line(f"demo: {'; '.join(reasons)}")
    return 1


def leaves(error: BaseException) -> list[BaseException]:
    """Return the errors within a group of groups."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]


if __name__ == "__main__":
    sys.exit(run())
