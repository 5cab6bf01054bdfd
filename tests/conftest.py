"""Settings and rules for every test: Hypothesis profiles, missing system programs, the coverage of each source root."""

import gc
import io
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coverage
import pytest
from hypothesis import HealthCheck, settings

IN_CI = os.environ.get("CI", "").lower() not in {"", "0", "false"}
# pytest loads readline, which sets both for xdist's workers; programs would take them for the size of their terminal.
for _variable in ("COLUMNS", "LINES"):
    os.environ.pop(_variable, None)

# Debian's packages of PostgreSQL do not add its programs to the search path.
os.environ["PATH"] += "".join(f":{path}" for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))

gc.disable()  # until all tests are collected: nearly all objects that collection makes stay
_numbers = itertools.count()
_missing = pytest.StashKey[dict[str, int]]()

# Pauses of a shared machine are not failures, so there is no deadline. CI repeats the same examples at each run.
settings.register_profile("local", deadline=None)
settings.register_profile(
    "ci", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if IN_CI else "local")
# `make test` has a fifth of the examples; tests with their own number scale it (tests.support.examples).
settings.register_profile("quick", settings.get_profile("ci" if IN_CI else "local"), max_examples=20)


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test its own state folder, because a reporter would deliver the reports that another test left."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / f"state-{next(_numbers)}"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A PostgreSQL server, `tests.support.postgres.Postgres`; mark its tests as needing `postgres`."""
    from tests.support.postgres import postgres_server  # noqa: PLC0415 (imports the engine's library)

    with postgres_server(fsync="off") as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[Any]:
    """A PostgreSQL server that the test may stop."""
    from tests.support.postgres import postgres_server  # noqa: PLC0415 (imports the engine's library)

    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def _postgres_pair() -> Iterator[Any]:
    from tests.support.postgres_pair import postgres_pair_of  # noqa: PLC0415 (imports the engine's library)

    with postgres_pair_of(fsync="off") as pair:
        yield pair


@pytest.fixture
def postgres_pair(_postgres_pair: Any) -> Iterator[Any]:
    """A primary with a synchronous standby, `tests.support.postgres_pair.PostgresPair`; a test may stop either."""
    yield _postgres_pair
    _postgres_pair.repair()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return the workers of `-n auto`: more than processors, because tests wait."""
    processors = os.cpu_count() or 1
    return 2 * processors if config.option.markexpr == "not slow" else max(1, processors * 3 // 2)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_missing] = {}


def pytest_collection_finish() -> None:
    """Exclude the tests and all modules from later garbage collections."""
    gc.freeze()
    gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose `needs` mark names a missing program; in CI, where all are installed, fail it."""
    missing = [program for mark in item.iter_markers("needs") for program in mark.args if shutil.which(program) is None]
    if not missing:
        return
    seen = item.config.stash[_missing]
    for program in missing:
        seen[program] = seen.get(program, 0) + 1
    reason = f"needs {', '.join(missing)}, not found on PATH"
    if IN_CI:
        pytest.fail(f"{reason}; CI must install it", pytrace=False)
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List the system programs that tests asked for and did not find, and the coverage if it was measured."""
    if config.pluginmanager.hasplugin("_cov"):
        report_coverage(terminalreporter)
    missing = config.stash[_missing]
    if missing:
        terminalreporter.section("system programs not found")
        for program, tests in sorted(missing.items()):
            terminalreporter.line(f"{program}: {tests} tests not run")


def report_coverage(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the share of each source root's lines that ran."""
    measured = coverage.Coverage()
    measured.load()
    terminalreporter.section("coverage")
    for root in ("core", "cli", "server", "tui"):
        share = measured.report(include=[f"{root}/*"], file=io.StringIO())
        if share:  # otherwise none of its tests was selected
            terminalreporter.line(f"{root:<8}{share:5.1f} %")
