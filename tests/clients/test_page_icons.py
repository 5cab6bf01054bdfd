"""The icons of the web page."""

from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from phaseline_server.http.page_files import PAGE
from tests.support.browser import browser
from tests.support.icons import ICONS, draw

ALIKE = 2.0  # mean difference of a channel, of 256 steps: edges differ between versions of the browser


@pytest.mark.needs("chromium")
@pytest.mark.slow
async def test_the_png_icons_are_those_of_the_svg(tmp_path: Path) -> None:
    async with browser(tmp_path) as tab:
        for name, (size, _) in ICONS.items():
            stored, drawn = (each.convert("RGBA") for each in (Image.open(PAGE / name), await draw(tab, name)))
            assert stored.size == (size, size)
            assert max(ImageStat.Stat(ImageChops.difference(stored, drawn)).mean) < ALIKE, name
