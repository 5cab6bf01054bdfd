"""Measure how late a Trio loop runs while the painter's processes keep every core busy.

    python -m tests.bench.bench_painter [pictures] [detail]

A task sleeps 5 ms at a time and records by how much it woke too late: first with nothing else to do, then while four
pictures at a time are painted.
"""

import sys
import tempfile
import time
from pathlib import Path

import trio

from phaseline_server.pictures.painter_process import Brief, Painter

PAUSE = 0.005


async def note_delays(delays: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await trio.sleep(PAUSE)
        delays.append(time.perf_counter() - began - PAUSE)


def show(name: str, delays: list[float]) -> None:
    ordered = sorted(delays)
    figures = "  ".join(f"p{share:g} {1000 * ordered[int(len(ordered) * share / 100)]:.2f}" for share in (50, 99, 99.9))
    print(f"{name:40} {len(ordered)} wakings, late by ms: {figures}  max {1000 * ordered[-1]:.2f}", flush=True)


async def main(pictures: int, detail: int) -> None:
    painter = Painter(4)
    idle: list[float] = []
    with trio.move_on_after(5):
        await note_delays(idle)
    show("idle", idle)

    async def report(_: float) -> None:
        pass

    with tempfile.TemporaryDirectory() as directory:
        for style in ("impasto", "watercolour", "enamel"):
            delays: list[float] = []
            began = time.perf_counter()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(note_delays, delays)
                async with trio.open_nursery() as painting:
                    for index in range(pictures):
                        brief = Brief(seed=f"{index:x}", detail=detail, words={"artstyle": style})
                        painting.start_soon(painter.paint, brief, Path(directory) / f"{style}{index}.png", report)
                nursery.cancel_scope.cancel()
            show(f"{pictures} x {style}, {time.perf_counter() - began:.1f} s", delays)


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]] + [8, 2][len(sys.argv) - 1 :]
    trio.run(main, arguments[0], arguments[1])
