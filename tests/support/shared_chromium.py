"""The Chromium that all tests of a process share, because it starts slower than most of them run."""

import atexit
import shutil
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

__all__ = ["shared_chromium"]

_START_S = 60


@cache
def shared_chromium(*flags: str) -> str:
    """Start Chromium at the first call, and return the address of its protocol; it ends with this process."""
    directory = Path(tempfile.mkdtemp(prefix="phaseline-chromium-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    # It is killed, too, if this process is.
    command = ["setpriv", "--pdeathsig", "KILL", "chromium", *flags, f"--user-data-dir={directory}"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    atexit.register(process.wait)
    atexit.register(process.kill)
    address = directory / "DevToolsActivePort"
    deadline = time.monotonic() + _START_S
    while not address.exists() or len(lines := address.read_text().splitlines()) < 2:
        assert process.poll() is None, f"Chromium ended with {process.returncode}"
        assert time.monotonic() < deadline, "Chromium did not start"
        time.sleep(0.02)
    port, path = lines
    return f"ws://127.0.0.1:{port}{path}"
