"""The recipes of CONTRIBUTING.md name files that exist, and what is in them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import ROOT

RECIPES = (
    "An endpoint",
    "An event",
    "A state of a job",
    "A column of the list",
    "An engine of the log",
    "A command",
    "An adapter of `phaseline run`",
)
LINK = re.compile(r"\[[^]]*\]\(([^)#]+)\)")
NAME = re.compile(r"`([A-Za-z_]{2,})`")


def recipes() -> dict[str, list[list[str]]]:
    """Return the cells of each recipe's table."""
    _, _, text = (ROOT / "CONTRIBUTING.md").read_text().partition("\n## Which files to change\n")
    text = text.partition("\n## ")[0]
    found: dict[str, list[list[str]]] = {}
    for section in text.split("\n### ")[1:]:
        title, _, body = section.partition("\n")
        rows = [line.strip("|").split("|") for line in body.splitlines() if line.startswith("|")]
        found[title] = [[cell.strip() for cell in row] for row in rows[2:]]
    return found


def texts(cell: str) -> Iterator[str]:
    """Yield the texts of the files that a cell links to; if it names their folder, of all files there."""
    for link in LINK.findall(cell):
        path: Path = ROOT / link
        beside = (each for each in path.parent.iterdir() if each.suffix in {".py", path.suffix})
        yield from (each.read_text() for each in (beside if "/](" in cell else [path]))


def test_every_recipe_has_a_table() -> None:
    found = recipes()
    assert set(RECIPES) <= set(found)
    assert all(found.values())


@pytest.mark.parametrize("title", recipes())
def test_the_files_of_a_recipe_have_the_names_to_change(title: str) -> None:
    for files, change in recipes()[title]:
        inside = "\n".join(texts(files))
        if inside:
            names = [name.replace("NAME", "") for name in NAME.findall(LINK.sub("", change))]
            missing = [name for name in names if not re.search(rf"\w*{name}\b", inside)]
            assert not missing, f"{files}: {missing}"


def test_every_file_that_it_links_or_names_by_its_path_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = {*LINK.findall(text), *re.findall(r"`((?:[\w.-]+/)+[\w.*-]*)`", text)} - {"log/<name>/"}
    assert len(named) > 50
    assert [path for path in sorted(named) if not any(ROOT.glob(path))] == []


def test_the_tests_that_recipes_name_exist() -> None:
    named = re.findall(r"\b(test_\w+)(\.py)?`", (ROOT / "CONTRIBUTING.md").read_text())
    assert named
    modules = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    functions = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, suffix in named if suffix and name not in modules] == []
    assert [name for name, suffix in named if not suffix and f"def {name}(" not in functions] == []
