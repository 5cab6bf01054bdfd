"""The start of the two programs, each in a separate process."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Python = Callable[..., subprocess.CompletedProcess[str]]

SERVER = "from phaseline_server.cli.program import main; main()"
TUI = "from phaseline_tui.cli.program import main; main()"


def without(module: str, code: str) -> str:
    """Return `code` for a Python that lacks `module`, as in a base install."""
    return f"import sys; sys.modules['{module}'] = None\n{code}"


@pytest.mark.parametrize("flags", [[], ["--help"], ["--version"], ["nonsense"]])
@pytest.mark.parametrize(("code", "extra"), [(SERVER, "server"), (TUI, "tui")])
def test_without_click_one_line_names_what_to_install(python: Python, code: str, extra: str, flags: list[str]) -> None:
    run = python(without("click", code), *flags)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == f"progress-{extra} needs: pip install 'phaseline[{extra}]'\n"


@pytest.mark.parametrize("module", ["quart_trio", "hypercorn", "PIL", "structlog"])
def test_a_server_without_one_of_its_libraries_names_the_extra_to_install(python: Python, module: str) -> None:
    run = python(without(module, SERVER), "--bind", "127.0.0.1:0", "--data-dir", "/nonexistent")
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "progress-server needs: pip install 'phaseline[server]'\n"


def test_a_view_without_textual_names_the_extra_to_install(python: Python) -> None:
    with_terminal = "import sys; sys.stdin.isatty = sys.stdout.isatty = sys.stderr.isatty = lambda: True\n"
    run = python(with_terminal + without("textual", TUI))
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "progress-tui needs: pip install 'phaseline[tui]'\n"


def test_a_missing_phaseline_module_is_not_reported_as_a_missing_extra(python: Python) -> None:
    run = python(without("phaseline_server.config.settings", SERVER), "--version")
    assert run.returncode == 1
    assert "ModuleNotFoundError" in run.stderr


def test_a_wrong_setting_is_one_line_and_exit_2(python: Python) -> None:
    run = python(SERVER, PHASELINE_PAINTERS="many")
    assert (run.returncode, run.stdout) == (2, "")
    [line] = run.stderr.splitlines()
    assert line.startswith("progress-server: error: painters is 'many' (from PHASELINE_PAINTERS)")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "named"),
    [(["--data-dir", "gone/data", "--bind", "127.0.0.1:0"], "gone"), (["--bind", "192.0.2.1:0"], "192.0.2.1")],
)
def test_an_error_at_the_start_is_one_line_and_exit_2(
    python: Python, tmp_path: Path, flags: list[str], named: str
) -> None:
    run = python(f"import os; os.chdir({str(tmp_path)!r})\n{SERVER}", *flags)
    assert (run.returncode, run.stdout) == (2, "")
    line = run.stderr.splitlines()[-1]
    assert line.startswith("progress-server: error: ")
    assert named in line
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "source"),
    [(["ftp://x"], {}, "URL"), ([], {"PROGRESS_URL": "ftp://x"}, "PROGRESS_URL")],
)
def test_a_wrong_address_of_a_server_is_one_line_and_exit_2(
    python: Python, arguments: list[str], environment: dict[str, str], source: str
) -> None:
    run = python(TUI, *arguments, **environment)
    assert (run.returncode, run.stdout) == (2, "")
    [line] = run.stderr.splitlines()
    assert line.startswith("progress-tui: error: the server's URL is 'ftp://x'")
    assert line.endswith(f"(from {source})")


def test_the_tui_without_a_terminal_writes_lines(python: Python) -> None:
    run = python(TUI, "--once", "http://127.0.0.1:1")
    assert (run.returncode, run.stderr) == (1, "")
    assert run.stdout.endswith("no server at http://127.0.0.1:1: start one with progress-server\n")


def test_the_tuis_help_has_the_keys_and_fits_80_columns(python: Python) -> None:
    run = python(TUI, "--help", COLUMNS="80")
    assert all(word in run.stdout for word in ("PROGRESS_URL", "filter", "quit", "j k"))
    assert max(map(len, run.stdout.splitlines())) <= 80
