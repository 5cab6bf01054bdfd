"""One word, one meaning: class names, the folders of the code and its tests, the picture workflow."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "package", ["cli/phaseline_cli", "core/phaseline", "server/phaseline_server", "tui/phaseline_tui"]
)
def test_no_two_classes_of_a_package_share_a_name(package: str) -> None:
    found: dict[str, list[str]] = defaultdict(list)
    # The hook is a separate package, which other programs import.
    for path in sorted(path for path in (ROOT / package).rglob("*.py") if "hook" not in path.parts):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                found[node.name].append(str(path.relative_to(ROOT)))
    assert len(found) > 50
    found.pop("Program", None)  # the name under which `adapters` finds the class of an adapter's module
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}


def test_each_server_test_is_in_the_folder_of_its_package() -> None:
    tests = ROOT / "tests" / "server"
    assert [path.name for path in tests.glob("test_*.py")] == []
    folders = {path.parent.name for path in tests.rglob("test_*.py")}
    assert folders <= {path.name for path in (ROOT / "server" / "phaseline_server").iterdir() if path.is_dir()}


@pytest.mark.parametrize(
    "package", ["cli/phaseline_cli", "core/phaseline", "server/phaseline_server", "tui/phaseline_tui"]
)
def test_the_page_of_the_architecture_lists_every_folder_of_a_package_and_nothing_else(package: str) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = page.partition(f"| `{package}` |")[2].partition("\n\n")[0].splitlines()[2:]
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    modules = {path.stem for path in (ROOT / package).iterdir() if path.suffix == ".py"}
    folders = {path.name for path in (ROOT / package).iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert len(folders) > 4
    assert folders <= listed <= folders | modules


def test_names_of_tests_use_plain_verbs() -> None:
    odd = re.compile(r"def (test_\w*_(?:whatever|whoever|whom|tells?|told|says?|said|hears?|heard)(?:_\w*)?)\(")
    assert [name for path in (ROOT / "tests").rglob("*.py") for name in odd.findall(path.read_text())] == []


def test_the_picture_workflow_is_named_in_one_module_of_core_command_line_view_and_access() -> None:
    roots = ["core", "cli", "tui", "server/phaseline_server/access", "server/phaseline_server/jobs"]
    named = {path.name for root in roots for path in (ROOT / root).rglob("*.py") if "dalle" in path.read_text()}
    assert named == {"workflows.py", "picture_run.py"}  # the second for `dalleDress`, a key on the wire
