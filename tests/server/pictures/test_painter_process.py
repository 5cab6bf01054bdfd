"""The painter's processes: they paint, report progress, and never outlive the server."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing
from PIL import Image

from phaseline.errors import DiskFull
from phaseline_server.pictures.errors import ProviderError
from phaseline_server.pictures.painter import paint
from phaseline_server.pictures.painter_process import Painter, PainterStatistics
from tests.support.painting import AT_FSYNC, LARGE, SMALL, gone, ignore, leftovers


async def test_the_file_is_complete_and_progress_rises_to_1(tmp_path: Path) -> None:
    reported: list[float] = []

    async def report(fraction: float) -> None:
        reported.append(fraction)

    painter = Painter(2)
    with trio.fail_after(60):
        await painter.paint(SMALL, tmp_path / "a.png", report)
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"
        assert image.info == {}, "a PNG that tells when or how it was written is not the same bytes next time"
        assert image.tobytes() == paint(SMALL, lambda _: None).tobytes()
    assert leftovers(tmp_path) == ["a.png"]
    assert reported[0] == 0
    assert reported[-1] == 1
    assert reported == sorted(reported)
    assert len(set(reported)) > 20
    assert painter.statistics() == PainterStatistics(busy=0, waiting=0, painters=2)


@pytest.mark.slow
async def test_the_file_does_not_depend_on_the_hash_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for hash_seed in ("1", "4711"):
        monkeypatch.setenv("PYTHONHASHSEED", hash_seed)
        path = tmp_path / f"{hash_seed}.png"
        await Painter(1).paint(SMALL, path, ignore)
        files.append(path.read_bytes())
    assert files[0] == files[1]


async def test_a_worker_that_is_killed_is_reported_with_its_signal(tmp_path: Path, started: list[trio.Process]) -> None:
    async def report(_: float) -> None:
        os.kill(started[0].pid, signal.SIGKILL)

    with trio.fail_after(60), pytest.raises(ProviderError, match="ended with signal SIGKILL"):
        await Painter(1).paint(LARGE, tmp_path / "a.png", report)
    assert gone(started[0])
    assert leftovers(tmp_path) == []


async def test_the_error_for_a_dead_worker_contains_its_last_output(
    tmp_path: Path, customized: Callable[[str], None]
) -> None:
    customized("import os\nos.write(2, b'no libfoo here\\n')\nos._exit(9)\n")
    with trio.fail_after(60), pytest.raises(ProviderError, match=r"exit status 9 .* no libfoo here"):
        await Painter(1).paint(SMALL, tmp_path / "a.png", ignore)


async def test_a_worker_without_memory_is_reported(tmp_path: Path, customized: Callable[[str], None]) -> None:
    customized("import resource\nresource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))\n")
    with trio.fail_after(60), pytest.raises(ProviderError, match="MemoryError"):
        await Painter(1).paint(LARGE, tmp_path / "a.png", ignore)
    assert leftovers(tmp_path) == []


async def test_a_worker_that_cannot_write_is_reported(tmp_path: Path) -> None:
    with trio.fail_after(60), pytest.raises(ProviderError, match="No such file or directory"):
        await Painter(1).paint(SMALL, tmp_path / "missing" / "a.png", ignore)


async def test_a_full_disk_raises_disk_full(tmp_path: Path, customized: Callable[[str], None]) -> None:
    customized("import os\ndef full(_):\n    raise OSError(28, 'No space left on device')\nos.fsync = full\n")
    with trio.fail_after(60), pytest.raises(DiskFull, match="No space left on device"):
        await Painter(1).paint(SMALL, tmp_path / "a.png", ignore)
    assert leftovers(tmp_path) == []


async def test_a_worker_without_reports_times_out(tmp_path: Path, started: list[trio.Process]) -> None:
    async def report(_: float) -> None:
        os.kill(started[0].pid, signal.SIGSTOP)

    with trio.fail_after(60), pytest.raises(ProviderError, match="reported nothing for 2 s"):
        await Painter(1, silence=2).paint(LARGE, tmp_path / "a.png", report)
    assert gone(started[0])


async def test_a_worker_may_write_any_amount_of_output(tmp_path: Path, customized: Callable[[str], None]) -> None:
    customized("import os\nfor _ in range(64):\n    os.write(2, b'{\"half a note' * 2000)\n")
    reported: list[float] = []

    async def report(fraction: float) -> None:
        reported.append(fraction)

    with trio.fail_after(60):
        await Painter(1).paint(SMALL, tmp_path / "a.png", report)
    assert leftovers(tmp_path) == ["a.png"]
    assert reported[0] == 0, "no note is lost in the talk"


async def test_errors_of_the_report_function_propagate(tmp_path: Path, started: list[trio.Process]) -> None:
    async def report(_: float) -> None:
        raise LookupError("nobody listens")

    with trio.fail_after(60), pytest.raises(LookupError, match="nobody listens"):
        await Painter(1).paint(LARGE, tmp_path / "a.png", report)
    assert gone(started[0])


async def test_a_worker_has_low_priority_and_receives_no_ctrl_c(tmp_path: Path, started: list[trio.Process]) -> None:
    seen: list[tuple[int, int]] = []

    async def report(_: float) -> None:
        pid = started[0].pid
        seen.append((os.getpriority(os.PRIO_PROCESS, pid), os.getpgid(pid)))

    await Painter(1).paint(SMALL, tmp_path / "a.png", report)
    assert seen[0] == (os.getpriority(os.PRIO_PROCESS, 0) + 10, started[0].pid)


SERVER = """
import sys, msgspec, trio
from pathlib import Path
from phaseline_server.pictures.painter_process import Brief, Painter
really = trio.lowlevel.open_process
async def open_process(*args, **options):
    process = await really(*args, **options)
    print(process.pid, flush=True)
    return process
trio.lowlevel.open_process = open_process
async def report(fraction):
    print(fraction, flush=True)
trio.run(Painter(1).paint, msgspec.json.decode(sys.argv[1], type=Brief), Path(sys.argv[2]), report)
"""


@pytest.mark.parametrize(
    "custom",
    ["import os\nos.O_ASYNC = 0\n", AT_FSYNC.format("while True: pass")],
    ids=["on a system without SIGIO", "while it has nothing to say"],
)
def test_a_worker_does_not_outlive_a_killed_server(
    tmp_path: Path, customized: Callable[[str], None], custom: str
) -> None:
    customized(custom)
    order = SMALL if "fsync" in custom else LARGE
    server = subprocess.Popen(
        [sys.executable, "-P", "-c", SERVER, msgspec.json.encode(order).decode(), str(tmp_path / "a.png")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
    )
    with server, ExitStack() as after:
        after.callback(server.kill)
        assert server.stdout is not None
        worker = int(server.stdout.readline())
        watched = os.pidfd_open(worker)
        after.callback(os.close, watched)
        while server.stdout.readline() != (b"0.99\n" if order is SMALL else b"0.0\n"):
            assert server.poll() is None
        assert not select.select([watched], [], [], 0)[0], "the worker is there"
        server.kill()
        assert select.select([watched], [], [], 60)[0], "the worker has ended"


def test_the_server_does_not_load_the_modules_of_the_worker() -> None:
    program = (
        "import phaseline_server.pictures.painter_process, sys; print(sorted({'numpy', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"[]\n"
