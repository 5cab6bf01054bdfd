"""The pages of the documentation: data parses, tables are complete, links lead somewhere."""

import json
import re
import tomllib
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest

from phaseline_server.config.settings import SETTINGS
from phaseline_server.pictures.series import SeriesLibrary
from phaseline_tui.user.keys import ACTIONS
from phaseline_tui.user.settings import Settings as ViewSettings
from tests.support.pages import DOCS, LINKED, blocks, named
from tests.support.servers import ROOT


@pytest.mark.parametrize("page", named(LINKED))
def test_every_example_of_data_parses(page: Path) -> None:
    for each in blocks(page):
        if each.language == "json":
            for document in each.text.split("\n\n") if "\n\n" in each.text else [each.text]:
                parse_json(document)
        elif each.language == "toml":
            tomllib.loads(each.text)


def parse_json(text: str) -> None:
    """Parse one document, or one per line."""
    try:
        json.loads(text)
    except ValueError:
        for line in text.splitlines():
            json.loads(line)


# ------------------------------------------------------------------------------------------ pages stay true


def rows(page: Path, heading: str) -> list[list[str]]:
    """Return the cells of the tables under a heading, without code marks."""
    section = re.split(rf"^#+ {heading}$", page.read_text(), flags=re.MULTILINE)[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_of_settings_matches_the_help() -> None:
    for row, setting in zip(rows(DOCS / "operations.md", "Settings"), SETTINGS.values(), strict=True):
        default = setting.display(setting.default)
        assert row == [setting.flag, "" if default == "not set" else default, setting.help]


def test_the_page_of_variables_names_those_that_the_code_reads() -> None:
    folders = ("core", "cli", "server", "tui", "clients", "examples")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*") if file.suffix in {".py", ".lua", ".sh"}]
    ours = re.compile(r"\b(?:PROGRESS|PHASELINE)_[A-Z_]+\b")
    read = {name for file in files for name in ours.findall(file.read_text())}
    described = set(ours.findall((DOCS / "environment.md").read_text()))
    by_flag = {setting.variable for setting in SETTINGS.values()} | {"PHASELINE_LIKE_THIS"}
    assert read - by_flag == described - by_flag


def test_every_quoted_symptom_is_in_the_code() -> None:
    sources = [file.read_text() for folder in ("core", "server") for file in (ROOT / folder).rglob("*.py")]
    section = (DOCS / "operations.md").read_text().split("\n## Troubleshooting\n")[1].split("\n## ")[0]
    symptoms = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| ")]
    for quoted in re.findall(r"`([^`]+)`", "".join(symptoms)):
        for part in quoted.split("…"):
            assert any(part.strip(" ,") in source for source in sources), quoted


def test_the_example_of_the_views_settings_names_every_key_and_is_valid() -> None:
    [text] = [each.text for each in blocks(DOCS / "tui.md") if each.language == "toml"]
    table = tomllib.loads(text)
    msgspec.convert(table, ViewSettings)
    assert set(table) == set(ViewSettings.__struct_fields__)


def test_the_page_of_the_view_lists_the_name_of_every_action() -> None:
    sentence = (DOCS / "tui.md").read_text().split("The names for `keys` are:")[1].split(".")[0]
    assert set(re.findall(r"`([^`]+)`", sentence)) == {action.name for action in ACTIONS}


def test_the_example_of_a_series_is_valid(tmp_path: Path) -> None:
    [text] = [each.text for each in blocks(DOCS / "pictures.md") if each.language == "json"]
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "example.json").write_text(text)
    assert SeriesLibrary(tmp_path).get("example").filters


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 140


@pytest.mark.parametrize("page", named(LINKED))
def test_pages_use_no_internal_terms(page: Path) -> None:
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    assert not re.findall(r"\bseeds?\b", prose, re.IGNORECASE)


# ------------------------------------------------------------------------------------------ links lead somewhere


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    found: dict[str, int] = {}
    made = set()
    for heading in re.findall(r"^#+ (.+)$", prose, re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        count = found.get(slug, 0)
        found[slug] = count + 1
        made.add(f"{slug}-{count}" if count else slug)
    return made


@pytest.mark.parametrize("page", named(LINKED))
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            wrong.append(target)
    assert not wrong


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, todo = set[Path](), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        todo += [
            (page.parent / target.partition("#")[0]).resolve()
            for target in re.findall(r"\]\(([^)\s:]+)\)", page.read_text())
        ]
    assert set(LINKED) <= seen
