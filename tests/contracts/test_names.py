"""One word, one meaning: class names within a package, and the folders of the tests."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("package", ["core/phaseline", "server/phaseline_server", "tui/phaseline_tui"])
def test_no_two_classes_of_a_package_share_a_name(package: str) -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                found[node.name].append(str(path.relative_to(ROOT)))
    assert len(found) > 50
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}


def test_each_test_of_the_server_is_in_a_folder_named_after_its_room() -> None:
    tests = ROOT / "tests" / "server"
    assert [path.name for path in tests.glob("test_*.py")] == []
    folders = {path.parent.name for path in tests.rglob("test_*.py")}
    assert folders <= {path.name for path in (ROOT / "server" / "phaseline_server").iterdir() if path.is_dir()}
