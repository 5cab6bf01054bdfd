"""Make the README's PNG screenshots of the terminal view: the real program, on a real server with real work.

    python examples/screenshots.py [DIRECTORY]

Needs chromium, and looks best with the typeface Fira Code installed (Debian: chromium, fonts-firacode).
"""

import asyncio
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import demo
import httpx
import make_photos
import trio
from PIL import Image

from phaseline_tui.app.app import ProgressApp
from phaseline_tui.model.address import ServerAddress

TARGET: Final = Path(sys.argv[1] if len(sys.argv) > 1 else demo.HERE / "tui" / "screenshots")
# Several runs to learn from, then those that the picture shows.
BEFORE: Final = ["brisk/0x51", "brisk/0x52", "patient/0x53", "patient/0x54", "faraway/0x55"]
# Two at a time, so that none is queued for a painter; these runs fill the statistics.
MORE: Final = [(f"brisk/0x6{number}", f"patient/0x7{number}") for number in range(3)]
AT_WORK: Final = 4
# The longest phase, as a narrow list shows it.
ACTIVE: Final = "image_"
COLORS: Final = 256


@contextmanager
def running_server(directory: Path) -> Iterator[str]:
    """Run the demo's server for the duration of the block, with Trio in a separate thread."""
    urls: list[str] = []
    ready, end = threading.Event(), threading.Event()

    async def serve() -> None:
        async with demo.server(directory) as url:
            urls.append(url)
            ready.set()
            await trio.to_thread.run_sync(end.wait)

    thread = threading.Thread(target=trio.run, args=(serve,))
    thread.start()
    ready.wait()
    try:
        yield urls[0]
    finally:
        end.set()
        thread.join()


def directory_of_photos(directory: Path) -> Path:
    """Make a few photos, each under several names, so that a batch takes a while."""
    made = make_photos.make(directory / "made")
    photos = directory / "photos"
    photos.mkdir()
    for number in range(24):
        shutil.copy(made[number % len(made)], photos / f"IMG_{410 + number:04}.jpg")
    return photos


@contextmanager
def batch(url: str, photos: Path) -> Iterator[None]:
    """Process the photos while the block runs."""
    command = [sys.executable, str(demo.HERE / "examples" / "photo_batch.py"), str(photos), "--jobs", "2"]
    with subprocess.Popen(command, env=os.environ | {"PROGRESS_URL": url}, stdout=subprocess.DEVNULL) as process:  # noqa: S603
        yield
        process.terminate()


async def shoot(url: str, size: tuple[int, int], theme: str, keys: list[str], ready: str) -> str:
    """Return the screen as SVG when jobs are active, `keys` were pressed, and it shows `ready`."""
    app = ProgressApp(ServerAddress.parse(url), theme=theme)
    async with app.run_test(size=size) as pilot:
        while ACTIVE not in app.export_screenshot():
            await pilot.pause(0.2)
        for key in keys:
            await pilot.press(key)
        while ready not in app.export_screenshot():
            await pilot.pause(0.2)
        await pilot.pause(0.7 if not keys else 4)
        return app.export_screenshot(title=f"progress-tui {url}")


def png(svg: str, path: Path) -> None:
    """Write the picture of an SVG."""
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert box is not None  # noqa: S101 - Textual always writes one
    width, height = (round(float(side)) for side in box.groups())
    with tempfile.TemporaryDirectory() as directory:
        page = Path(directory) / "screen.html"
        page.write_text(
            f"<style>body {{ margin: 0 }} svg {{ display: block }} * {{ font-variant-ligatures: none }}</style>{svg}"
        )
        command = [shutil.which("chromium") or "chromium", "--headless", "--no-sandbox", "--disable-gpu"]
        command += ["--hide-scrollbars", "--disable-background-networking", "--disable-sync", "--no-first-run"]
        command += [f"--user-data-dir={directory}/chromium", f"--window-size={width},{height}"]
        subprocess.run([*command, f"--screenshot={path}", page.as_uri()], check=True, capture_output=True)  # noqa: S603
    with Image.open(path) as picture:
        # A terminal uses few colors, which are the most common ones in the picture; the others are anti-aliasing.
        flat = picture.convert("RGB")
        found = sorted(flat.getcolors(flat.width * flat.height) or (), reverse=True)[:COLORS]
        palette = Image.new("P", (1, 1))
        palette.putpalette([value for _, color in found if isinstance(color, tuple) for value in color])
        flat.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)


def active(client: httpx.Client) -> int:
    """Return the number of active pictures; photos of a stopped batch do not count."""
    return sum(job_id.startswith("dalle:") for job_id in client.get("/progress/active").json()["active_jobs"])


def main() -> None:
    """Make all pictures."""
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, running_server(Path(directory)) as url:
        client = httpx.Client(base_url=url, timeout=30)
        for names in (BEFORE, *MORE):
            for name in names:
                client.post(f"/dalle/{name}")
            while active(client):
                time.sleep(0.3)
        photos = directory_of_photos(Path(directory))
        shots = {
            "jobs-120x36.png": ((120, 36), "phaseline-dark", [], ACTIVE),
            "detail-120x36.png": ((120, 36), "phaseline-dark", ["enter"], "image_wait"),
            "job-120x36.png": ((120, 36), "phaseline-dark", ["2"], "PHASES"),
            "statistics-120x36.png": ((120, 36), "phaseline-dark", ["3"], "image_wait"),
            "events-120x36.png": ((120, 36), "phaseline-dark", ["4"], "image_wait"),
            "workers-120x36.png": ((120, 36), "phaseline-dark", ["5"], "connected"),
            "history-120x36.png": ((120, 36), "phaseline-dark", ["6"], "photo"),
            "light-80x24.png": ((80, 24), "phaseline-light", [], ACTIVE),
        }
        for name, (size, theme, keys, ready) in shots.items():
            for series in ("patient", "brisk", "patient", "brisk"):
                if active(client) < AT_WORK:
                    client.post(f"/dalle/{series}/0x{secrets.token_hex(4)}")
                    time.sleep(0.5)
            with batch(url, photos):
                png(asyncio.run(shoot(url, size, theme, keys, ready)), TARGET / name)
            print(TARGET / name)


if __name__ == "__main__":
    main()
