"""The forecast of when two machines with three queues are free, against the truth, with a killed server and runner.

Each machine has its own server, folder of state and, where the system allows it, host name. The first nights are for
learning. Halfway through the last one, SIGKILL ends a server, which restarts, and the runner of a queue. Each command
writes its job's id to a file, which shows a job that is lost or runs twice.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from tests.support.commands import PHASELINE
from tests.support.ports import free_port
from tests.support.servers import SERVER, environment

QUEUES: Final = (("encode", 0), ("pack", 0), ("render", 1))
"""Each queue, which is called as its program, and the number of its machine."""
_QUARTERS: Final = (0.0, 0.25, 0.5, 0.75)
_LONGEST_S: Final = 1800.0
_PROGRAMS: Final = {
    "encode": "exec ffmpeg -y -f lavfi -i testsrc2=size=320x180:duration=$1 -c:v libx264 -preset slow -f null -",
    "pack": "head -c ${1}00000 /dev/urandom > $PROGRESS_JOB.raw && exec zstd -f -19 $PROGRESS_JOB.raw",
    "render": "exec convert -monitor -size ${1}x400 plasma: -blur 0x6 -emboss 2 $PROGRESS_JOB.png",
}
_SIZES: Final = {"encode": (10, 60), "pack": (10, 60), "render": (400, 1600)}


class Box:
    """A machine: its server, and the queues of its user."""

    def __init__(self, folder: Path, name: str) -> None:
        """Prepare it below `folder`."""
        self.folder = folder / name
        self.data = self.folder / "data"
        self.data.mkdir(parents=True)
        named = subprocess.run(["unshare", "--uts", "true"], check=False, capture_output=True).returncode == 0
        self._prefix = ["unshare", "--uts", "sh", "-c", f'hostname {name}; exec "$@"', "sh"] if named else []
        self.bind = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.bind}"
        self._env = environment(
            PROGRESS_URL=self.url, XDG_STATE_HOME=str(self.folder / "state"), HOME=str(self.folder), OMP_NUM_THREADS="1"
        )
        for program, line in _PROGRAMS.items():
            path = self.folder / program
            path.write_text(f"#!/bin/sh\necho $PROGRESS_JOB >> {folder}/runs\n{line}\n")
            path.chmod(0o755)
        self._server: subprocess.Popen[bytes] | None = None

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Run the server for the length of the block."""
        self.start()
        try:
            yield
        finally:
            self.kill()

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        command = [*SERVER, "--bind", self.bind, "--data-dir", str(self.data)]
        self._server = subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL)
        until(self._answers, "the server does not answer")

    def _answers(self) -> bool:
        try:
            return bool(self.read("/health"))
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """End the server with SIGKILL."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()

    def read(self, path: str) -> dict[str, Any]:
        """Return an answer of the server."""
        document: dict[str, Any] = httpx.get(f"{self.url}{path}", timeout=60, trust_env=False, verify=False).json()
        return document

    def run(self, *arguments: str) -> str:
        """Run a command of `phaseline`."""
        command = [*self._prefix, str(PHASELINE), *arguments]
        done = subprocess.run(
            command, env=self._env, cwd=self.folder, stdout=subprocess.PIPE, check=True, timeout=_LONGEST_S
        )
        return done.stdout.decode()

    def jobs(self, queue: str) -> list[dict[str, Any]]:
        """Return the jobs of a queue, from its files."""
        folder = self.folder / "state/phaseline/queue" / queue / "jobs"
        return [json.loads(path.read_bytes()) for path in folder.glob("*.json")]

    def kill_runner(self, queue: str) -> None:
        """End the process that starts the jobs of a queue, with SIGKILL."""
        mine = f"XDG_STATE_HOME={self.folder / 'state'}"
        for folder in (each for each in Path("/proc").iterdir() if each.name.isdigit()):
            try:
                words, env = (
                    (folder / name).read_text(errors="replace").split("\0") for name in ("cmdline", "environ")
                )
            except OSError:
                continue
            if mine in env and words[-5:-2] == ["queue", "run", queue]:
                os.kill(int(folder.name), signal.SIGKILL)


@dataclass
class Night:
    """A batch: its jobs by queue, and the forecasts of each, with their times."""

    began: float
    names: dict[str, list[str]] = field(default_factory=dict)
    looks: dict[str, list[tuple[float, dict[str, Any]]]] = field(default_factory=dict)

    @property
    def all(self) -> list[str]:
        """The ids of all jobs."""
        return [name for names in self.names.values() for name in names]


def until(condition: Any, what: str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + _LONGEST_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def run_night(boxes: list[Box], name: str, jobs: int, *, scale: float = 1.0, kill: bool) -> Night:
    """Add jobs of `scale` times the usual size to the queues, and watch the forecasts until all have ended."""
    dice, night = random.Random(name), Night(time.time())
    for queue, at in QUEUES:
        boxes[at].run("queue", "pause", "--queue", queue)  # so that the first does not end before the last is added
    for number in range(jobs):
        queue, at = QUEUES[number % len(QUEUES)]
        job_id = f"{name}-{number}"
        size = round(scale * dice.randint(*_SIZES[queue]))
        boxes[at].run("queue", "add", "--queue", queue, "--id", job_id, "--", f"./{queue}", str(size))
        night.names.setdefault(queue, []).append(job_id)
    for queue, at in QUEUES:
        boxes[at].run("queue", "resume", "--queue", queue)
    while left := _left(boxes, night):
        if kill and left <= jobs / 2:
            kill = False
            boxes[0].kill_runner("encode")
            boxes[0].kill()
            time.sleep(1.0)  # the time in which the server is down
            boxes[0].start()
        for box in boxes:
            now = time.time()
            for each in box.read("/progress/boxes")["boxes"]:
                night.looks.setdefault(each["queue"], []).append((now, each))
        time.sleep(0.3)
    return night


def _left(boxes: list[Box], night: Night) -> int:
    ids = set(night.all)
    states = [job["state"] for queue, at in QUEUES for job in boxes[at].jobs(queue) if job["job_id"] in ids]
    assert len(states) == len(ids), "a job was lost"
    return sum(state in {"queued", "running"} for state in states)


def check(boxes: list[Box], nights: Iterable[Night], runs: Path) -> None:
    """Check that each job ran once and completed, and that its server knows it."""
    ids = {name for night in nights for name in night.all}
    assert Counter(runs.read_text().split()) == dict.fromkeys(ids, 1), "a job was lost, or ran twice"
    ended = {job["job_id"]: job["state"] for queue, at in QUEUES for job in boxes[at].jobs(queue)}
    assert ended == dict.fromkeys(ids, "completed"), Counter(ended.values())
    for box in boxes:
        box.run("run", "--", "true")  # delivers the stored reports if the last job ended while the server was down
    until(lambda: _known(boxes).items() >= ended.items(), "the servers do not have all ends")


def _known(boxes: list[Box]) -> dict[str, str]:
    found = [job for box in boxes for job in box.read("/progress/jobs?state=all&limit=1000")["jobs"]]
    return {job["job_id"]: job["state"] for job in found}


def rows(boxes: list[Box], night: Night) -> Iterator[tuple[str, float, float, list[float | None]]]:
    """Yield for each queue and quarter: the queue, the quarter, the seconds left, and the forecast and its band."""
    for queue, at in QUEUES:
        ids, looks = set(night.names.get(queue, ())), night.looks.get(queue, [])
        end = max((job["ended"] for job in boxes[at].jobs(queue) if job["job_id"] in ids), default=0.0)
        for quarter in _QUARTERS if looks else ():
            moment = looks[0][0] + quarter * (end - looks[0][0])
            seen, look = min(looks, key=lambda each: abs(each[0] - moment))
            shown = [look[f"free_{each}seconds"] for each in ("", "low_", "high_")]
            yield f"{look['host']} {queue}", quarter, end - seen, shown


def show(boxes: list[Box], night: Night) -> None:
    """Print the forecasts beside the truth."""
    found = list(rows(boxes, night))
    print(f"{'box':<16} {'at':>5} {'truth':>7} {'likely':>7} {'band':>15}  in band")
    for name, quarter, truth, (likely, low, high) in found:
        if likely is None or low is None or high is None:
            print(f"{name:<16} {quarter:>5.0%} {truth:>6.0f}s {'—':>7} {'—':>15}")
            continue
        print(
            f"{name:<16} {quarter:>5.0%} {truth:>6.0f}s {likely:>6.0f}s {f'{low:.0f} to {high:.0f} s':>15}  "
            f"{'yes' if low <= truth <= high else 'no'}"
        )
    known = [(truth, shown) for _, _, truth, shown in found if shown[1] is not None and shown[2] is not None]
    inside = sum((low or 0.0) <= truth <= (high or 0.0) for truth, (_, low, high) in known)
    print(f"in band: {inside} of {len(known)} known forecasts, {len(found)} in all")


def main() -> None:
    """Run some nights, and print the forecasts of the last one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=40, help="jobs of the night [40]")
    parser.add_argument("--before", type=int, default=4, help="nights before, which teach, with 9 jobs each [4]")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the jobs of the night [1.0]")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        boxes = [Box(folder, "box1"), Box(folder, "box2")]
        for box in boxes:
            stack.enter_context(box.serving())
        nights = [run_night(boxes, f"before{number}", 9, kill=False) for number in range(chosen.before)]
        night = run_night(boxes, "night", chosen.jobs, scale=chosen.scale, kill=True)
        check(boxes, (*nights, night), folder / "runs")
        show(boxes, night)
        print(f"{len(night.all)} jobs in {time.time() - night.began:.0f} s: nothing lost, nothing run twice")


if __name__ == "__main__":
    main()
