"""What a test sees of the running program, and how it waits for it."""

import asyncio
from collections.abc import Callable

from textual.pilot import Pilot

from phaseline_tui.app import ProgressApp

__all__ = ["text_of", "until"]


def text_of(app: ProgressApp) -> str:
    """Return what is on the screen."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def until(pilot: Pilot[int], condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(60):
        while not condition():
            await pilot.pause(0.01)
