"""Regular expressions of a filter."""

import subprocess
import sys

import pytest

from phaseline.filtering import Filter
from phaseline.filtering.patterns import PatternError, searcher
from phaseline_tui.model.jobs import JobView
from tests.support.servers import environment

HOSTILE = ["(a+)+$", "(a|a)*$", "(a*)*b", "(.*a){20}$", "(?:(?:a?){30})a{30}$"]


@pytest.mark.parametrize("expression", HOSTILE)
def test_a_regex_that_backtracks_for_ever_elsewhere_ends(expression: str) -> None:
    job = JobView("a" * 299 + "!", name="a" * 299 + "!")
    filtered = Filter(f"/{expression}/")
    assert not filtered.problem
    for _ in range(100):
        filtered.keeps(job)


@pytest.mark.parametrize(
    ("expression", "text", "found"),
    [
        ("img_00[45]", "IMG_0042", True),
        ("^img", "an img", False),
        (r"\d+$", "shot 12", True),
        ("ÄRGER", "ärger", True),
        ("(?i)a|b", "xB", True),
        ("", "anything", True),
    ],
)
def test_a_regex_ignores_case_and_searches_anywhere(expression: str, text: str, found: bool) -> None:
    assert searcher(expression)(text) is found


@pytest.mark.parametrize("expression", ["(", r"(a)\1", "(?<=a)b", "x{1000}{1000}", r"\p{L}{1000}", "[b-a]", "\ud800"])
def test_a_regex_that_is_invalid_or_too_large_is_an_error_with_its_reason(expression: str) -> None:
    with pytest.raises(PatternError, match=r"\w"):
        searcher(expression)


def test_an_invalid_regex_writes_nothing_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    assert Filter("/(a/").problem
    assert capfd.readouterr() == ("", "")


def test_the_engine_is_imported_for_a_regex_only() -> None:
    code = "import sys, phaseline_tui.app.app; assert 're2' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], env=environment(), check=True)
