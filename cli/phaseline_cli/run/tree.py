"""The current program of a script, from /proc.

Shells and wrappers are skipped: the current program is the first descendant that does work itself. A program that ends
within a second is not a phase. Of a pipeline, whose programs start together, the first one counts. A background program
is superseded by one that starts later.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from phaseline_cli.run.command import program_of

LONG: Final = 1.0
"""Minimum age of a program, in seconds."""
_TOGETHER: Final = 0.2
"""Seconds within which the programs of a pipeline start."""
_MOST: Final = 200
"""Processes that are looked at."""
MOST_REPEATS: Final = 20
"""Maximum number of separate phases for runs of one program; later runs belong to the last phase."""
_SHELLS: Final = frozenset({"ash", "bash", "busybox", "dash", "fish", "ksh", "mksh", "sh", "zsh"})
_STARTERS: Final = _SHELLS | {
    *("chrt", "doas", "env", "flock", "ionice", "nice", "nohup", "parallel", "setsid", "stdbuf", "sudo", "taskset"),
    *("time", "timeout", "xargs"),
}
_STAT: Final = re.compile(r"\d+ \((?P<name>.*)\) (?P<state>\S) (?P<rest>.*)", re.DOTALL)
_STARTED: Final = 18
"""The field `starttime` of /proc/PID/stat, counted from the one behind the state."""


class Process(NamedTuple):
    """A process of a command's."""

    pid: int
    argv: Sequence[str]
    age: float
    """Seconds since it began."""

    @property
    def program(self) -> str:
        """Its base name."""
        return Path(self.argv[0].lstrip("-") or "?").name


class Tree:
    """The processes below a command."""

    def __init__(self, root: int, proc: Path = Path("/proc")) -> None:
        """Prepare to look.

        Args:
            root: the command's process.
            proc: where the kernel shows processes.
        """
        self._root = root
        self._proc = proc
        self._ticks = os.sysconf("SC_CLK_TCK")

    def root(self) -> Process | None:
        """Return the command itself; None if it has ended."""
        return self._process(self._root, self._uptime())

    def is_script(self) -> bool:
        """Return whether the command is a shell, or only starts others."""
        root = self.root()
        return root is not None and _starts_others(root)

    def has_own_run(self) -> bool:
        """Return whether a `phaseline run` below the command reports its own phase of the job."""
        return any(_reports_itself(process) for process in self._working())

    def now(self) -> Process | None:
        """Return the program that runs now; None if there is none that has run for a second."""
        found = [process for process in self._working() if process.age >= LONG]
        if not found:
            return None
        youngest = min(process.age for process in found)
        together = [process for process in found if process.age <= youngest + _TOGETHER]
        return min(together, key=lambda process: (-process.age, process.pid))

    def _working(self) -> Iterator[Process]:
        """Yield the first processes on each branch that do not only start others."""
        uptime = self._uptime()
        waiting, looked = [self._root], 0
        while waiting and looked < _MOST:
            process = self._process(waiting.pop(0), uptime)
            looked += 1
            if process is None:
                continue
            if _starts_others(process):
                waiting += self._children(process.pid)
            else:
                yield process

    def _children(self, pid: int) -> list[int]:
        found: list[int] = []
        try:
            for task in (self._proc / str(pid) / "task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except (OSError, ValueError):
            pass
        return sorted(found)

    def _process(self, pid: int, uptime: float) -> Process | None:
        folder = self._proc / str(pid)
        try:
            stat = _STAT.match((folder / "stat").read_text(errors="replace"))
            words = (folder / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
        except OSError:
            return None
        if stat is None or stat["state"] in "ZX":
            return None
        started = int(stat["rest"].split()[_STARTED]) / self._ticks
        return Process(pid, words if words != [""] else [stat["name"]], uptime - started)

    def _uptime(self) -> float:
        try:
            return float((self._proc / "uptime").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return 0.0


class Programs:
    """The programs of one run, one after the other, each with the name of its phase."""

    def __init__(self) -> None:
        self._pid = 0
        self._counts: dict[str, int] = {}
        self.phase: str | None = None
        """The phase of the program that runs."""

    def take(self, process: Process) -> bool:
        """Take in the program that runs now; return whether it is another one."""
        if process.pid == self._pid:
            return False
        self._pid = process.pid
        name = program_of(process.argv)
        count = self._counts[name] = self._counts.get(name, 0) + 1
        self.phase = name if count == 1 else f"{name} {min(count, MOST_REPEATS)}"
        return True


def _starts_others(process: Process) -> bool:
    return process.program in _STARTERS or (_is_ours(process) and not _reports_itself(process))


def _reports_itself(process: Process) -> bool:
    words = process.argv[: process.argv.index("--")] if "--" in process.argv else process.argv
    return _is_ours(process) and "--new-job" not in words


def _is_ours(process: Process) -> bool:
    """Return whether it is a `phaseline run`, which Python runs."""
    names = [Path(word).name for word in process.argv[:2]]
    return "phaseline" in names and process.argv[names.index("phaseline") + 1 :][:1] == ["run"]
