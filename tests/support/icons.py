"""The web page's icons as PNG, drawn from its SVG: `python -m tests.support.icons` regenerates them."""

import io
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import Final

import trio
from PIL import Image

from phaseline_server.http.page_files import PAGE
from tests.support.browser import Browser, browser

__all__ = ["ICONS", "draw"]

ICONS: Final = {
    "icon-192.png": (192, False),
    "icon-512.png": (512, False),
    "icon-maskable-512.png": (512, True),
    "apple-touch-icon.png": (180, True),
}
"""By name: the size in pixels, and whether the ground fills the square, because systems cut its corners themselves."""


async def draw(tab: Browser, name: str) -> Image.Image:
    """Return an icon, drawn by a browser."""
    size, full = ICONS[name]
    svg = await trio.Path(PAGE / "icon.svg").read_text()
    if full:
        svg = svg.replace(' rx="3"', "")
    await tab.size(size, size)
    await tab.call("Emulation.setDefaultBackgroundColorOverride", color={"r": 0, "g": 0, "b": 0, "a": 0})
    await tab.go(f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}")
    await tab.until("document.readyState === 'complete' && document.documentElement.tagName === 'svg'")
    return Image.open(io.BytesIO(await tab.picture()))


async def _write() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        async with browser(Path(scratch)) as tab:
            for name in ICONS:
                (await draw(tab, name)).quantize(64).save(PAGE / name, optimize=True)


if __name__ == "__main__":
    trio.run(_write)
