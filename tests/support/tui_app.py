"""The running app with some jobs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from textual.pilot import Pilot

from phaseline_tui.app.app import ProgressApp
from phaseline_tui.drawing.themes import DARK
from phaseline_tui.model.address import ServerAddress
from tests.support.tui_jobs import FixedClock, connected, photo_job

__all__ = ["Json", "Use", "numbered", "use"]

Json = dict[str, Any]
Use = Callable[[ProgressApp, Pilot[int]], Awaitable[None]]


def use(test: Use, jobs: list[Json] | None = None, size: tuple[int, int] = (120, 40), **options: Any) -> None:
    """Run `test` on the app, which shows `jobs` and has no connection."""

    async def main() -> None:
        app = ProgressApp(
            ServerAddress.parse("http://127.0.0.1:5100"),
            clock=FixedClock(),
            connect=False,
            **({"theme": DARK} | options),
        )
        async with app.run_test(size=size) as pilot:
            if jobs is not None:
                app.receive(connected(jobs))
            await pilot.pause()
            await test(app, pilot)

    asyncio.run(main())


def numbered(count: int) -> list[Json]:
    return [photo_job(f"job_{n:03}", f"IMG_{n:03}.CR3", 8, progress=float(n)) for n in range(count, 0, -1)]
