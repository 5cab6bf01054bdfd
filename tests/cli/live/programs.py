"""Real programs with small inputs: their commands, and the expected reports."""

import random
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

__all__ = ["PROGRAMS", "Program"]

PYTEST = """
import pytest, time

@pytest.mark.parametrize("number", range(30))
def test_it(number):
    time.sleep(0.02)
"""
FFMPEG = ("-threads", "1", "-bitexact", "-c:v", "mpeg4")
PIP = ("--no-index", "--no-compile", "--no-deps", "--disable-pip-version-check")
APT = (
    *("-o", "Dir::Etc::SourceParts=-", "-o", "Dir::Etc::SourceList={in}/sources.list", "-o", "Dir::State={in}/state"),
    *("-o", "Dir::Cache={in}/cache", "-o", "Dir::State::Status=/dev/null", "-o", "APT::Sandbox::User="),
)
PACKAGE = """Package: shots
Version: 1.0
Architecture: all
Maintainer: x <x@example.org>
Description: shots
Filename: ./noise
Size: {size}
SHA256: {digest}
"""
TQDM = "import time, tqdm\nfor _ in tqdm.tqdm(range(40), desc='tiles'): time.sleep(0.02)\n"
NINJA = "rule make\n  command = sleep 0.05 && echo $out > $out\n" + "".join(f"build o{n}: make\n" for n in range(12))
CLICK = """
import click, time
with click.progressbar(range(40), label="frames") as bar:
    for _ in bar:
        time.sleep(0.02)
"""


@dataclass(frozen=True)
class Program:
    """A program.

    Attributes:
        argv: Its command in an empty folder; `../in` has the inputs, and {http} is a server that serves them.
        phases: The reported phases, in order; None if they depend on the machine.
        meter: Lines that differ from run to run, because they show times and speeds.
        fraction: Whether its progress is known.
        pipe_fraction: Whether it is known without a terminal.
        series: The expected series of its runs.
        to_file: Whether its standard output goes to a file.
    """

    argv: tuple[str, ...]
    phases: tuple[str, ...] | None
    series: str
    meter: str = ""
    fraction: bool = True
    pipe_fraction: bool = True
    to_file: bool = False


PROGRAMS = {
    "ffmpeg": Program(
        ("ffmpeg", "-nostdin", "-f", "lavfi", "-i", "testsrc2=s=320x240", "-t", "8", *FFMPEG, "out.avi"),
        ("convert",),
        "ffmpeg -nostdin -f lavfi -i testsrc2=s=320x240 -t -threads -bitexact -c:v mpeg4",
        r"^(frame=|\[out#|video:|\[mpeg4|  Stream #|\[q\])",
    ),
    "rsync": Program(
        ("rsync", "-a", "--info=progress2", "--bwlimit=4m", "../in/", "copy/"),
        ("copy",),
        "rsync -a --info=progress2 --bwlimit=4m",
        r"^ *[\d,]+ +\d+% ",
    ),
    "tar": Program(
        ("tar", "--checkpoint=20", "--checkpoint-action=echo=#%u %T", "-cf", "out.tar", "../in"),
        ("archive",),
        "tar --checkpoint --checkpoint-action=echo=#%u %T -cf",
        r"^tar: #\d+ W: ",
        fraction=False,
    ),
    "dd": Program(
        ("dd", "if=../in/noise", "of=out", "bs=4k", "count=512", "status=progress"),
        ("copy",),
        "dd bs=4k count status=progress",
        r"^\d+ bytes ",
    ),
    "pv": Program(("pv", "-f", "-L", "3m", "../in/noise"), ("copy",), "pv -f -L 3m", r"[KMG]iB/s\]", to_file=True),
    "zstd": Program(
        ("zstd", "-19", "--progress", "-k", "../in/words", "-o", "out.zst"),
        ("compress",),
        "zstd -19 --progress -k -o",
        r"(?:^Read: |: +[\d.]+% +\()",
    ),
    "xz": Program(  # its first meter is printed after a second; a slow reader makes it run that long
        ("sh", "-c", "xz -0 -v -c ../in/grain | pv -q -B 8k -L 200k > out.xz"),
        None,
        "sh -c",
        r"(?:%|MiB/s|KiB)",
        pipe_fraction=False,
    ),
    "curl": Program(
        ("curl", "--limit-rate", "3m", "-o", "out", "{http}/noise"),
        ("download",),
        "curl --limit-rate 3m -o",
        r"^ *\d+ +[\d.]+[kM]? |^  % Total|^ +Dload|^\s*$",
    ),
    "wget": Program(
        ("wget", "--limit-rate=3m", "-O", "out", "{http}/noise"),
        ("download",),
        "wget --limit-rate=3m -O",
        r"^--\d{4}|\d+K[ .]+|\d+%|^\d{4}-\d\d-\d\d ",
    ),
    "git": Program(
        ("git", "clone", "--progress", "file://{in}/repository", "copy"),
        None,
        "git clone --progress copy",
        r"objects|deltas|remote: |files",
    ),
    "pip": Program(
        (sys.executable, "-m", "pip", "install", *PIP, "--target", "out", "{in}/shots-1.0-py3-none-any.whl"),
        None,
        f"pip install {' '.join(PIP)} --target",
        fraction=False,
    ),
    "pytest": Program(
        (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", "test_shots.py"),
        ("collect", "test"),
        "pytest -p no:cacheprovider -p no:randomly",
        r"^=+ \d+ passed|^platform|^rootdir|^plugins|^configfile|^asyncio|^cachedir",
    ),
    "ninja": Program(("ninja", "-f", "../in/build.ninja", "-j", "1"), ("build",), "ninja -f -j", r"^\[\d+/12\] "),
    "imagemagick": Program(
        ("convert", "-monitor", "-seed", "7", "-size", "500x500", "plasma:", "-blur", "0x12", "out.ppm"),
        None,
        "convert -monitor -seed -size 500x500 plasma: -blur 0x12",
        r"% complete|^mogrify: ",
    ),
    "7z": Program(
        ("7zz", "a", "-bsp1", "-mx=5", "-mmt=1", "out.7z", "../in/words"),
        ("scan", "compress"),
        "7zz a -bsp1 -mx -mmt",
        r"\d+% |^ *\d*%|^\s+$|^7-Zip|^ 64-bit|[Bb]ytes|MB",
    ),
    "apt-get": Program(
        ("apt-get", *APT, "download", "shots"),
        ("read lists", "download"),
        "apt-get -o -o -o -o -o -o download shots",
        r"^Fetched |^\d+% \[",
    ),
    "yt-dlp": Program(
        ("yt-dlp", "--ignore-config", "--limit-rate", "2M", "-o", "out.mp4", "{http}/film.mp4"),
        ("extract", "download"),
        "yt-dlp --ignore-config --limit-rate 2M -o",
        r"^\[download\] +[\d.]+%",
    ),
    "tqdm": Program((sys.executable, "../in/tiles.py"), ("tiles",), "python", r"^tiles: "),
    "click": Program((sys.executable, "../in/frames.py"), None, "python", r"^frames", pipe_fraction=False),
}


def make_inputs(folder: Path) -> None:
    """Write the inputs of the programs."""
    folder.mkdir()
    chance = random.Random(7)
    (folder / "noise").write_bytes(chance.randbytes(2 << 20))
    (folder / "grain").write_bytes(chance.randbytes(400_000))
    (folder / "words").write_text("".join(f"{chance.choice('aeiou')}{chance.getrandbits(16)} " for _ in range(130_000)))
    (folder / "build.ninja").write_text(NINJA)
    (folder / "tiles.py").write_text(TQDM)
    (folder / "frames.py").write_text(CLICK)
    (folder / "film.mp4").write_bytes(chance.randbytes(1 << 20))
    if shutil.which("apt-get"):
        _make_apt_lists(folder)
    with zipfile.ZipFile(folder / "shots-1.0-py3-none-any.whl", "w") as wheel:
        info = "shots-1.0.dist-info"
        wheel.writestr("shots.py", "print('shots')\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: shots\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"shots.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    repository = folder / "repository"
    repository.mkdir()
    for number in range(60):
        (repository / f"file{number}").write_bytes(chance.randbytes(2000))
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main")
    for command in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "files")):
        subprocess.run(["git", *who, *command], cwd=repository, check=True)


def _make_apt_lists(folder: Path) -> None:
    """Write the package lists that `apt-get update` would make for a repository in this folder."""
    noise = (folder / "noise").read_bytes()
    (folder / "Packages").write_text(PACKAGE.format(size=len(noise), digest=sha256(noise).hexdigest()))
    (folder / "sources.list").write_text(f"deb [trusted=yes] copy:{folder} ./\n")
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    argv = ["apt-get", *(word.format(**{"in": folder}) for word in APT), "update"]
    subprocess.run(argv, check=True, capture_output=True)
