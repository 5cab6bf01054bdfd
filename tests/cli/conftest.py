"""The installed `phaseline`, in an environment without user settings."""

import os
import sys
from pathlib import Path

import pytest

from tests.support.ports import free_port

PHASELINE = Path(sys.executable).with_name("phaseline")


@pytest.fixture
def phaseline() -> str:
    return str(PHASELINE)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Return an environment without a reachable server, with a separate state folder for the test."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PHASELINE_", "PROGRESS_"))}
    homes = {"HOME": str(tmp_path / "home"), "XDG_STATE_HOME": str(tmp_path / "state")}
    return (
        kept | homes | {"PROGRESS_URL": f"http://127.0.0.1:{free_port()}", "XDG_CONFIG_HOME": str(tmp_path / "config")}
    )
