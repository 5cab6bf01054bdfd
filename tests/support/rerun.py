"""Run pytest, then run each failed test once more, alone: `python -m tests.support.rerun [pytest options]`.

A test that passes then is listed under FLAKY and counts as passed, as in CPython's `regrtest --rerun`. If more than
five tests fail, the run fails at once. A crashed worker, a collection error or an interrupted run is never flaky.
The exit code is 0 only if every test has passed; the last line has the form of pytest's closing line.
"""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

MOST_FLAKY = 5
ALONE = ("-n", "0", "-q", "--no-cov", "-p", "no:cacheprovider")


class Outcomes:
    """A pytest plugin that records how each test ended.

    Attributes:
        by_test: "failed", "skipped" or "passed" by node id. A failure in any of a test's phases prevails.
        incomplete: Whether a file could not be collected, a worker crashed, or the run stopped before its last test.
        root: The directory that node ids are relative to.
    """

    def __init__(self) -> None:
        self.by_test: dict[str, str] = {}
        self.incomplete = False
        self.root = Path()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.by_test[nodeid] = "passed"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # The id of a subtest of Schemathesis is its test's, with the operation in brackets.
        test = report.nodeid if report.nodeid in self.by_test else report.nodeid.rpartition("[")[0]
        if not report.passed and self.by_test.get(test) != "failed":
            self.by_test[test] = report.outcome

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.incomplete = self.incomplete or report.failed

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, error: object) -> None:
        self.incomplete = self.incomplete or error is not None

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.incomplete = self.incomplete or bool(session.shouldfail or session.shouldstop)
        self.root = session.config.rootpath

    @property
    def failed(self) -> list[str]:
        return [test for test, outcome in self.by_test.items() if outcome == "failed"]


def passes_alone(test: str, root: Path) -> bool:
    """Run one test in a separate process, and print what pytest reports if it fails."""
    command = [sys.executable, "-m", "pytest", *ALONE, test]
    run = subprocess.run(command, cwd=root, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode:
        print(run.stdout)
    return run.returncode == 0


def main(options: list[str]) -> int:
    """Return the exit code of the run with these options."""
    began = time.monotonic()
    outcomes = Outcomes()
    code = int(pytest.main(options, plugins=[outcomes]))
    failed = outcomes.failed
    if code != pytest.ExitCode.TESTS_FAILED or outcomes.incomplete or not 0 < len(failed) <= MOST_FLAKY:
        return code

    print(f"\nRunning {len(failed)} failed tests once more, each alone.", flush=True)
    flaky = [test for test in failed if passes_alone(test, outcomes.root)]
    if flaky:
        print("FLAKY", *flaky, sep="\n", flush=True)

    outcomes.by_test |= dict.fromkeys(flaky, "passed")
    counts = Counter(outcomes.by_test.values())
    text = ", ".join(f"{counts[name]} {name}" for name in ("failed", "passed", "skipped") if counts[name])
    print(f" {text} in {time.monotonic() - began:.2f}s ".center(80, "="))
    return int(bool(outcomes.failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
