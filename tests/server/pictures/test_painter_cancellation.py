"""Painters that are cancelled, or wait for their turn."""

import math
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from phaseline_server.pictures.painter_process import Painter, PainterStatistics
from tests.support.painting import AT_FSYNC, LARGE, SMALL, gone, ignore, leftovers

Report = Callable[[float], Awaitable[None]]


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


@pytest.mark.slow
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
