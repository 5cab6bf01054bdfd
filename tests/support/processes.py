"""Processes of this machine, read from the kernel."""

from pathlib import Path


def children(pid: int) -> dict[int, str]:
    """Return the processes that `pid` has started and that are still there: id -> command line."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                found[int(path.parent.name)] = (path.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def alive(pids: dict[int, str]) -> dict[int, str]:
    """Return those of `pids` that still belong to the same processes."""
    still = {}
    for pid, command in pids.items():
        try:
            now = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if now == command:
            still[pid] = command
    return still
