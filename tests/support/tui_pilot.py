"""Access to the screen of the running app, and waiting for a condition."""

import asyncio
from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from phaseline_tui.app.app import ProgressApp
from phaseline_tui.drawing.themes import DARK, LIGHT

__all__ = ["SIZES", "looks", "text_of", "until"]

SIZES = ((80, 24), (120, 40), (200, 60))
looks = pytest.mark.parametrize(
    ("theme", "size"),
    [
        pytest.param(theme, size, id=f"{theme.rpartition('-')[2]}-{size[0]}x{size[1]}")
        for theme in (DARK, LIGHT)
        for size in SIZES
    ],
)
"""Each view has a picture in each theme and size."""


def text_of(app: ProgressApp) -> str:
    """Return the text of the screen."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def until(pilot: Pilot[int], condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds; check less and less often, because many conditions draw the screen."""
    pause_s = 0.01
    async with asyncio.timeout(60):
        while not condition():
            await pilot.pause(pause_s)
            pause_s = min(2 * pause_s, 0.1)
