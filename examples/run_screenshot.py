"""Make a PNG screenshot of the terminal view with six real programs under `phaseline run`.

    python examples/run_screenshot.py [DIRECTORY]

Needs ffmpeg, rsync, zstd, pv and xz, besides what `screenshots.py` needs.
"""

import asyncio
import os
import random
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import screenshots
from phaseline_tui.app.app import ProgressApp
from phaseline_tui.model.address import ServerAddress

PHASELINE: Final = str(Path(sys.executable).with_name("phaseline"))
TRAIN: Final = "import time, tqdm\nfor _ in tqdm.tqdm(range(900), desc='epoch 1'): time.sleep(0.05)\n"
NIGHTLY: Final = "sha256sum disk.img disk.img disk.img\ncat disk.img | xz -9 > disk.img.xz\nrm disk.img.xz\n"
PROGRAMS: Final = {
    "shot 013": "ffmpeg -nostdin -y -re -f lavfi -i testsrc2=s=960x540 -t 70 -c:v mpeg4 shot_013.avi",
    "photos to the NAS": "rsync -a --info=progress2 --no-inc-recursive --bwlimit=2m photos/ nas/",
    "compress scans": "zstd -19 --progress -k -f scans.tif -o scans.tif.zst",
    "write the card": "pv -f -L 2m disk.img",
    "train": f"{sys.executable} train.py",
    "nightly": "sh nightly.sh",
}
SIZE: Final = (120, 24)
LEAST_S: Final = 14


def make_inputs(folder: Path) -> None:
    """Write the programs' input files."""
    chance = random.Random(7)  # noqa: S311 - a picture's contents
    (folder / "photos").mkdir()
    for number in range(40):
        (folder / "photos" / f"IMG_{410 + number:04}.jpg").write_bytes(chance.randbytes(2 << 20))
    (folder / "disk.img").write_bytes(chance.randbytes(96 << 20))
    words = "".join(f"{chance.getrandbits(20)} " for _ in range(1_000_000))
    (folder / "scans.tif").write_text(words * 8)
    (folder / "train.py").write_text(TRAIN)
    (folder / "nightly.sh").write_text(NIGHTLY)


async def shoot(url: str) -> str:
    """Return the screen as SVG when all programs have run for a while."""
    app = ProgressApp(ServerAddress.parse(url), theme="phaseline-dark")
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(LEAST_S)
        return app.export_screenshot(title=f"progress-tui {url}")


def main() -> None:
    """Make the picture."""
    screenshots.TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        folder = Path(directory)
        make_inputs(folder)
        url = stack.enter_context(screenshots.running_server(folder / "server"))
        env = os.environ | {"PROGRESS_URL": url}
        for name, command in PROGRAMS.items():
            whole = [PHASELINE, "run", "--name", name, "--", *command.split()]
            process = subprocess.Popen(  # noqa: S603
                whole, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
        picture = screenshots.TARGET / "run-120x24.png"
        screenshots.png(asyncio.run(shoot(url)), picture)
    print(picture)


if __name__ == "__main__":
    main()
