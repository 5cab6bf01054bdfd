"""The tests and benchmarks; they have separate folders for data, state and settings, never the user's."""

import atexit
import os
import shutil
import tempfile

_home = tempfile.mkdtemp(prefix="phaseline-tests-")
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ |= {f"XDG_{name}_HOME": f"{_home}/{name.lower()}" for name in ("CONFIG", "DATA", "STATE")}
