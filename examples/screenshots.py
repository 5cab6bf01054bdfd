"""Make the README's pictures of the terminal view: the real program, on a real server with real work, as PNG.

    python examples/screenshots.py [DIRECTORY]

Needs chromium, and looks best with the typeface Fira Code installed (Debian: chromium, fonts-firacode).
"""

import asyncio
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
from typing import Any, Final

import demo
import httpx
import trio

from phaseline_tui.address import ServerAddress
from phaseline_tui.app import ProgressApp

TARGET: Final = Path(sys.argv[1] if len(sys.argv) > 1 else demo.HERE / "tui" / "screenshots")
# Several runs, so that there is something to learn from, then those that the picture shows.
BEFORE: Final = ["brisk/0x51", "brisk/0x52", "patient/0x53", "patient/0x54", "faraway/0x55"]
PHOTOS: Final = {"IMG_0412.CR3": "importing", "IMG_0413.CR3": "applying_preset", "IMG_0414.CR3": "quality_check"}


@contextmanager
def running_server(directory: Path) -> Iterator[str]:
    """Run the demo's server for the length of the block, in a Trio run of its own thread."""
    demo.DATA = directory
    told: list[str] = []
    ready, end = threading.Event(), threading.Event()

    async def serve() -> None:
        async with demo.server() as url:
            told.append(url)
            ready.set()
            await trio.to_thread.run_sync(end.wait)

    thread = threading.Thread(target=trio.run, args=(serve,))
    thread.start()
    ready.wait()
    try:
        yield told[0]
    finally:
        end.set()
        thread.join()


def report(client: httpx.Client, kind: str, **body: Any) -> None:
    """Report as a worker would, with `POST /progress/<kind>`."""
    client.post(f"/progress/{kind}", json=body).raise_for_status()


def photos(client: httpx.Client) -> None:
    """Report photo jobs of another box, each up to some stage."""
    stages = ["importing", "exif_analysis", "ai_evaluation", "context_detection", "preset_selection"]
    stages += ["applying_preset", "quality_check", "exporting"]
    for number, (name, last) in enumerate({"IMG_0411.CR3": "", **PHOTOS}.items(), 1):
        report(client, "start", job_id=name, photo_id=number, photo_info={"file_name": name}, host="darkroom")
        for stage in stages:
            report(client, "report", job_id=name, stage=stage, progress=60, message=f"{stage.replace('_', ' ')}…")
            if stage == last:
                break
            report(client, "stage", job_id=name, stage=stage)
        if not last:
            report(client, "complete", job_id=name, success=True)


async def shoot(url: str, size: tuple[int, int], theme: str, keys: list[str], ready: str) -> str:
    """Return the screen as SVG once it shows `ready` and `keys` have been pressed."""
    app = ProgressApp(ServerAddress.parse(url), theme=theme)
    async with app.run_test(size=size) as pilot:
        while ready not in app.export_screenshot():
            await pilot.pause(0.2)
        for key in keys:
            await pilot.press(key)
        await pilot.pause(0.7)
        return app.export_screenshot(title=f"progress-tui {url}")


def png(svg: str, path: Path) -> None:
    """Write the picture of an SVG."""
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert box is not None  # noqa: S101 - Textual always writes one
    width, height = (round(float(side)) for side in box.groups())
    with tempfile.TemporaryDirectory() as directory:
        page = Path(directory) / "screen.html"
        page.write_text(f"<style>body {{ margin: 0 }} svg {{ display: block }} * {{ font-variant-ligatures: none }}</style>{svg}")
        command = [shutil.which("chromium") or "chromium", "--headless", "--no-sandbox", "--disable-gpu"]
        command += ["--hide-scrollbars", "--disable-background-networking", "--disable-sync", "--no-first-run"]
        command += [f"--user-data-dir={directory}/chromium", f"--window-size={width},{height}"]
        subprocess.run([*command, f"--screenshot={path}", page.as_uri()], check=True, capture_output=True)  # noqa: S603


def main() -> None:
    """Make all pictures."""
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, running_server(Path(directory)) as url:
        client = httpx.Client(base_url=url, timeout=30)
        for name in BEFORE:
            client.post(f"/dalle/{name}")
        while client.get("/health").json()["activeJobs"]:
            time.sleep(0.3)
        photos(client)
        shots = {
            "jobs-120x36.png": ((120, 36), "phaseline-dark", [], "image_wait"),
            "detail-120x36.png": ((120, 36), "phaseline-dark", ["enter"], "image_wait"),
            "light-80x24.png": ((80, 24), "phaseline-light", [], "image_wait"),
        }
        for name, (size, theme, keys, ready) in shots.items():
            for series in ("patient", "brisk", "patient", "brisk"):
                client.post(f"/dalle/{series}/0x{secrets.token_hex(4)}")
                time.sleep(0.5)
            png(asyncio.run(shoot(url, size, theme, keys, ready)), TARGET / name)
            print(TARGET / name)


if __name__ == "__main__":
    main()
