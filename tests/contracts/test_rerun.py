"""Runs in which failed tests are repeated once, each alone."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # each starts pytest up to three times

ROOT = Path(__file__).resolve().parents[2]
# Fails when it is run for the first time, and passes afterwards.
FLAKY = """
from pathlib import Path

def test_flaky_{number}():
    run_before = Path(__file__).with_suffix(".{number}")
    if not run_before.exists():
        run_before.touch()
        raise AssertionError("the first time")
"""
PASSING = "def test_passing(): pass\n"
FAILING = "def test_failing(): assert not 'always'\n"


def run(folder: Path, *options: str, **files: str) -> subprocess.CompletedProcess[str]:
    """Write tests, run them with a worker, and check that the last line has pytest's format."""
    (folder / "pytest.ini").write_text("[pytest]\nfaulthandler_timeout = 60\n")
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    command = [sys.executable, "-m", "tests.support.rerun", "--rootdir", str(folder), "-n", "1", *options, str(folder)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "PYTEST_"))}
    clean |= {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": "-p xdist -p pytest_cov",
    }  # those alone load fast
    made = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, env=clean)
    assert re.search(r"^=+ .*\d+ (passed|failed|error)s?\b.* in \d+\.\d+s", made.stdout.splitlines()[-1]), made.stdout
    return made


def flaky_tests(output: str) -> list[str]:
    """Return the lines below the heading."""
    _, _, below = output.partition("\nFLAKY\n")
    return below.splitlines()[:-1]


def test_a_test_that_passes_alone_is_listed_as_flaky_and_the_run_succeeds(tmp_path: Path) -> None:
    made = run(tmp_path, test_it=PASSING + FLAKY.format(number=1))
    assert made.returncode == 0, made.stdout
    assert flaky_tests(made.stdout) == ["test_it.py::test_flaky_1"]
    assert " 2 passed in " in made.stdout.splitlines()[-1]


def test_a_run_without_failures_lists_nothing(tmp_path: Path) -> None:
    made = run(tmp_path, test_it=PASSING)
    assert made.returncode == 0, made.stdout
    assert "FLAKY" not in made.stdout


def test_a_test_that_fails_twice_fails_the_run_and_is_shown_twice(tmp_path: Path) -> None:
    made = run(tmp_path, test_it=PASSING + FAILING + FLAKY.format(number=1))
    assert made.returncode == 1
    assert flaky_tests(made.stdout) == ["test_it.py::test_flaky_1"]
    assert made.stdout.count("def test_failing()") == 2
    assert " 1 failed, 2 passed in " in made.stdout.splitlines()[-1]


def test_a_failed_fixture_is_run_again_too(tmp_path: Path) -> None:
    fixture = FLAKY.replace("def test_flaky", "import pytest\n@pytest.fixture\ndef ready").format(number=1)
    made = run(tmp_path, test_it=fixture + "def test_it(ready_1): pass\n")
    assert made.returncode == 0, made.stdout
    assert flaky_tests(made.stdout) == ["test_it.py::test_it"]


def test_a_failed_subtest_is_run_again_with_its_test(tmp_path: Path) -> None:
    subtest = """
        node = request.node
        failure = pytest.TestReport(f"{node.nodeid}[GET /]", node.location, {}, "failed", "the first time", "call")
        node.ihook.pytest_runtest_logreport(report=failure)
    """
    test = FLAKY.format(number=1).replace("test_flaky_1()", "test_it(request)").partition("        raise")[0]
    made = run(tmp_path, test_it="import pytest\n" + test + subtest)
    assert made.returncode == 0, made.stdout
    assert flaky_tests(made.stdout) == ["test_it.py::test_it"]
    assert " 1 passed in " in made.stdout.splitlines()[-1]


def test_a_collection_error_is_never_flaky(tmp_path: Path) -> None:
    made = run(tmp_path, test_it=PASSING, test_broken="raise RuntimeError\n")
    assert made.returncode == 1
    assert " error" in made.stdout.splitlines()[-1]
    assert "FLAKY" not in made.stdout


def test_a_crashed_worker_is_never_flaky(tmp_path: Path) -> None:
    crash = "import os\n" + FLAKY.replace("raise AssertionError", "os._exit(3) #").format(number=1)
    made = run(tmp_path, test_it=PASSING + crash)
    assert made.returncode == 1
    assert "crashed" in made.stdout
    assert "FLAKY" not in made.stdout


def test_a_run_that_stops_early_is_never_flaky(tmp_path: Path) -> None:
    made = run(tmp_path, "-n0", "--maxfail=1", test_it=FLAKY.format(number=1) + FAILING)
    assert made.returncode == 1
    assert "FLAKY" not in made.stdout


def test_more_than_five_failures_fail_the_run_at_once(tmp_path: Path) -> None:
    made = run(tmp_path, test_it=PASSING + "".join(FLAKY.format(number=number) for number in range(6)))
    assert made.returncode == 1
    assert "FLAKY" not in made.stdout
    assert " 6 failed, 1 passed in " in made.stdout.splitlines()[-1]
