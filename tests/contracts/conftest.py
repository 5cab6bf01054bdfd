import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def python() -> Python:
    """Run code in a separate Python, which finds the four source roots and no settings."""

    def run(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("PHASELINE_", "PROGRESS_"))}
        roots = os.pathsep.join(str(ROOT / root) for root in ("core", "server", "tui"))
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            text=True,
            env=clean | {"PYTHONPATH": roots, "COLUMNS": "100"} | environment,
        )

    return run


@pytest.fixture(scope="session")
def loaded_by(python: Python) -> Callable[[str], set[str]]:
    """Return the loaded modules after `code` has run: full names of Phaseline's modules, top-level names of others."""

    def modules(code: str) -> set[str]:
        run = python(f"{code}\nimport json, sys\nprint('\\n' + json.dumps(sorted(sys.modules)))")
        assert run.returncode == 0, run.stderr
        names = json.loads(run.stdout.splitlines()[-1])
        return {name for name in names if name.startswith("phaseline")} | {name.partition(".")[0] for name in names}

    return modules
