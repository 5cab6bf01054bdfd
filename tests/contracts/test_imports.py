"""The modules that each program loads, read from `sys.modules` of a new process."""

import pkgutil
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

HEAVY = {
    "asyncio",
    "click",
    "httpx",
    "hypercorn",
    "multiprocessing",
    "numpy",
    "PIL",
    "prometheus_client",
    "quart",
    "quart_trio",
    "selectors",
    "socket",
    "sqlite3",
    "ssl",
    "structlog",
    "subprocess",
    "textual",
    "trio",
    "trio_websocket",
    "wsproto",
}
# A client's connection and a worker's reporter, which do I/O; and the estimates that compute with numpy, which the base
# install lacks.
IMPURE = (
    "phaseline.client.dialing",
    "phaseline.client.failures",
    "phaseline.client.handshake",
    "phaseline.client.http",
    "phaseline.reporting",
    "phaseline.eta.model",
    "phaseline.eta.replay",
)

Loaded = Callable[[str], set[str]]


def modules(root: str, package: str) -> list[str]:
    found = pkgutil.walk_packages([str(ROOT / root / package)], f"{package}.", onerror=lambda _: None)
    return [package, *(module.name for module in found if not module.name.endswith("__main__"))]


def importing(names: list[str]) -> str:
    return "\n".join(f"import {name}" for name in names)


def test_the_core_loads_nothing_that_does_input_or_output(loaded_by: Loaded) -> None:
    pure = [name for name in modules("core", "phaseline") if not name.startswith(IMPURE)]
    assert {"phaseline.wire", "phaseline.eta", "phaseline.eta.backtest", "phaseline.eta.reasons"} <= set(pure)
    loaded = loaded_by(importing(pure))
    assert loaded >= set(pure)
    assert not loaded & HEAVY
    assert not loaded & {"phaseline_server", "phaseline_tui"}


@pytest.mark.slow
def test_the_server_loads_neither_the_tui_nor_textual(loaded_by: Loaded) -> None:
    loaded = loaded_by(importing(modules("server", "phaseline_server")))
    assert loaded >= {"phaseline_server.runtime.server", "quart"}
    assert not loaded & {"phaseline_tui", "textual"}


@pytest.mark.slow
def test_the_tui_loads_nothing_of_the_servers(loaded_by: Loaded) -> None:
    loaded = loaded_by(importing(modules("tui", "phaseline_tui")))
    assert loaded >= {"phaseline_tui.app.app", "textual"}
    assert not loaded & {"phaseline_server", "httpx", "hypercorn", "numpy", "quart", "quart_trio", "structlog"}


def test_the_tuis_state_loads_neither_textual_nor_trio(loaded_by: Loaded) -> None:
    loaded = loaded_by("import phaseline_tui.model.state")
    assert not loaded & {"asyncio", "rich", "textual", "trio", "trio_websocket"}


@pytest.mark.parametrize("program", ["server", "tui"])
@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_load_nothing_heavy(loaded_by: Loaded, program: str, flag: str) -> None:
    loaded = loaded_by(
        f"import sys; sys.argv[1:] = ['{flag}']\n"
        f"from phaseline_{program}.cli.program import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code"
    )
    assert not loaded & (HEAVY - {"click"})
    assert "click" in loaded


def test_the_programs_entries_load_nothing_but_the_standard_library(loaded_by: Loaded) -> None:
    loaded = loaded_by("import phaseline_server.cli.program, phaseline_tui.cli.program")
    assert not loaded & (HEAVY | {"msgspec"})
