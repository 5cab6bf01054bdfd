"""The painter's processes: they paint and decode pictures, report progress, and never outlive the server."""

import math
import os
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing
from PIL import Image

from phaseline.errors import DiskFull
from phaseline_server.pictures.bounds import Bounds
from phaseline_server.pictures.errors import PictureError, ProviderError
from phaseline_server.pictures.painter import paint
from phaseline_server.pictures.painter_process import Brief, Painter, PainterStatistics

SMALL = Brief(seed="a1", width=64, height=64, detail=1, words={"noun": "planet", "artstyle": "enamel"})
# Minutes of work: a test never waits for its end.
LARGE = Brief(seed="a1", width=4096, height=4096, detail=5, words={"noun": "mountain", "artstyle": "impasto"})

# Between writing the file and renaming it, the worker says that 0.99 is done, and does something.
AT_FSYNC = """
import os, signal
def fsync(_):
    os.write(1, b'\\n{{"type":"painting","fraction":0.99}}\\n')
    {}
os.fsync = fsync
"""

Report = Callable[[float], Awaitable[None]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[trio.Process]:
    """The processes that were started, in order."""
    processes: list[trio.Process] = []
    really: Callable[..., Awaitable[trio.Process]] = trio.lowlevel.open_process

    async def open_process(*args: object, **options: object) -> trio.Process:
        process = await really(*args, **options)
        processes.append(process)
        return process

    monkeypatch.setattr(trio.lowlevel, "open_process", open_process)
    return processes


@pytest.fixture
def customized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let workers run some code as they start."""

    def customize(code: str) -> None:
        directory = tmp_path / "custom"
        directory.mkdir()
        (directory / "sitecustomize.py").write_text(code)
        monkeypatch.syspath_prepend(directory)

    return customize


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


async def test_the_file_does_not_depend_on_the_hash_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for hash_seed in ("1", "4711"):
        monkeypatch.setenv("PYTHONHASHSEED", hash_seed)
        path = tmp_path / f"{hash_seed}.png"
        await Painter(1).paint(SMALL, path, ignore)
        files.append(path.read_bytes())
    assert files[0] == files[1]


async def test_cancellation_kills_the_worker_and_leaves_no_file(tmp_path: Path, started: list[trio.Process]) -> None:
    painting = trio.Event()

    async def report(_: float) -> None:
        painting.set()

    painter = Painter(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(painter.paint, LARGE, tmp_path / "a.png", report)
        with trio.fail_after(60):
            await painting.wait()
        assert painter.statistics().busy == 1
        assert not gone(started[0])
        nursery.cancel_scope.cancel()
    assert gone(started[0])
    assert started[0].returncode == -signal.SIGKILL
    assert leftovers(tmp_path) == []
    assert painter.statistics().busy == 0


@pytest.mark.parametrize("checkpoints", [0, 1, 2, 3, 5, 8, 13, 40])
async def test_cancellation_during_the_start_leaves_no_process(
    tmp_path: Path, started: list[trio.Process], checkpoints: int
) -> None:
    painter = Painter(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(painter.paint, LARGE, tmp_path / "a.png", ignore)
        for _ in range(checkpoints):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert all(gone(process) for process in started)
    assert painter.statistics().busy == 0
    assert leftovers(tmp_path) == []


async def test_an_incomplete_file_of_a_canceled_worker_is_removed(
    tmp_path: Path, started: list[trio.Process], customized: Callable[[str], None]
) -> None:
    customized(AT_FSYNC.format("os.kill(os.getpid(), signal.SIGSTOP)"))
    written = trio.Event()

    async def report(fraction: float) -> None:
        if fraction == 0.99:
            written.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(Painter(1).paint, SMALL, tmp_path / "a.png", report)
        with trio.fail_after(60):
            await written.wait()
        assert leftovers(tmp_path) == [f"a.png.{started[0].pid}.part"]
        nursery.cancel_scope.cancel()
    assert gone(started[0])
    assert leftovers(tmp_path) == []


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


async def test_the_number_of_workers_is_limited_and_waiting_pictures_report_nothing(
    tmp_path: Path, started: list[trio.Process]
) -> None:
    painter = Painter(2)
    released, painting = trio.Event(), [trio.Event() for _ in range(3)]

    def reporter(index: int) -> Report:
        async def report(_: float) -> None:
            painting[index].set()
            await released.wait()

        return report

    async with trio.open_nursery() as nursery:
        for index in range(3):
            nursery.start_soon(painter.paint, SMALL, tmp_path / f"{index}.png", reporter(index))
            await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(60):
            await painting[0].wait()
            await painting[1].wait()
        assert painter.statistics() == PainterStatistics(busy=2, waiting=1, painters=2)
        assert not painting[2].is_set()
        assert len(started) == 2
        released.set()
    assert leftovers(tmp_path) == ["0.png", "1.png", "2.png"]
    assert painter.statistics() == PainterStatistics(busy=0, waiting=0, painters=2)


async def test_a_canceled_waiting_picture_starts_no_worker(tmp_path: Path, started: list[trio.Process]) -> None:
    painter = Painter(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(painter.paint, LARGE, tmp_path / "a.png", ignore)
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(math.inf) as waiting:
            async with trio.open_nursery() as inner:
                inner.start_soon(painter.paint, SMALL, tmp_path / "b.png", ignore)
                await trio.testing.wait_all_tasks_blocked()
                assert painter.statistics().waiting == 1
                waiting.cancel()
        assert painter.statistics().waiting == 0
        nursery.cancel_scope.cancel()
    assert len(started) <= 1


async def test_a_worker_has_low_priority_and_receives_no_ctrl_c(tmp_path: Path, started: list[trio.Process]) -> None:
    seen: list[tuple[int, int]] = []

    async def report(_: float) -> None:
        pid = started[0].pid
        seen.append((os.getpriority(os.PRIO_PROCESS, pid), os.getpgid(pid)))

    await Painter(1).paint(SMALL, tmp_path / "a.png", report)
    assert seen[0] == (os.getpriority(os.PRIO_PROCESS, 0) + 10, started[0].pid)


def picture(path: Path, mode: str, side: int = 64) -> Path:
    Image.new(mode, (side, side), 200).save(path, "JPEG" if mode == "CMYK" else "PNG")
    return path


async def test_a_provider_s_picture_is_checked_and_captioned_in_a_process(
    tmp_path: Path, started: list[trio.Process]
) -> None:
    painter, bounds = Painter(1), Bounds.near(64, 64)
    with trio.fail_after(60):
        await painter.check(picture(tmp_path / "raw", "CMYK"), tmp_path / "a.png", bounds)
        await painter.caption(tmp_path / "a.png", tmp_path / "b.png", "a fox", bounds)
    assert len(started) == 2
    with Image.open(tmp_path / "a.png") as generated, Image.open(tmp_path / "b.png") as annotated:
        assert (generated.format, generated.mode, generated.size) == ("PNG", "RGB", (64, 64))
        assert annotated.crop((0, 0, 64, 64)).tobytes() == generated.tobytes()
        assert annotated.height > 64
    assert leftovers(tmp_path) == ["a.png", "b.png", "raw"]


async def test_a_rejected_picture_leaves_no_file(tmp_path: Path) -> None:
    raw = picture(tmp_path / "raw", "L", 2100)
    with trio.fail_after(60), pytest.raises(PictureError, match=r"2100 x 2100 = 4,410,000 pixels; allowed: at most 4,"):
        await Painter(1).check(raw, tmp_path / "a.png", Bounds.near(64, 64))
    assert leftovers(tmp_path) == ["raw"]


async def test_one_picture_is_decoded_at_a_time_and_painters_do_not_delay_it(
    tmp_path: Path, started: list[trio.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    painter, raw, bounds = Painter(1), picture(tmp_path / "raw", "L"), Bounds.near(64, 64)
    painting, released = trio.Event(), trio.Event()
    beside: list[int] = []
    really: Callable[..., Awaitable[trio.Process]] = trio.lowlevel.open_process

    async def open_process(*args: object, **options: object) -> trio.Process:
        beside.append(sum(not gone(process) for process in started))
        return await really(*args, **options)

    async def report(_: float) -> None:
        painting.set()
        await released.wait()

    monkeypatch.setattr(trio.lowlevel, "open_process", open_process)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(painter.paint, SMALL, tmp_path / "painted.png", report)
        with trio.fail_after(60):
            await painting.wait()
            async with trio.open_nursery() as checks:
                for name in ("a.png", "b.png", "c.png"):
                    checks.start_soon(painter.check, raw, tmp_path / name, bounds)
        released.set()
    assert beside == [0, 1, 1, 1], "beside the painter, there is never another process"
    assert leftovers(tmp_path) == ["a.png", "b.png", "c.png", "painted.png", "raw"]


async def test_a_decoder_cannot_take_all_memory(tmp_path: Path, customized: Callable[[str], None]) -> None:
    customized("import zlib\ndef bomb(*_):\n    return len(bytearray(3 << 30))\nzlib.crc32 = bomb\n")
    raw = picture(tmp_path / "raw", "L")
    with trio.fail_after(60), pytest.raises(PictureError, match="needs too much memory; allowed: at most 4,194,304"):
        await Painter(1).check(raw, tmp_path / "a.png", Bounds.near(64, 64))


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
