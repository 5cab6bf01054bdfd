"""The pages of the documentation, and their fenced blocks."""

import re
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.support.servers import ROOT

__all__ = ["DOCS", "LINKED", "RUN", "Block", "blocks", "named"]

DOCS: Final = ROOT / "docs"
RUN: Final = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
"""Pages whose examples run."""
LINKED: Final = [*RUN, *sorted((DOCS / "decisions").glob("*.md"))] + [
    ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "metrics/README.md")
]
"""Every page."""
_BLOCK: Final = re.compile(
    r"^(?:<!-- (?P<note>not run|background): (?P<about>.+?) -->\n+)?```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block.

    Attributes:
        note: `not run`, `background`, or nothing for one that is run to its end.
        about: Why it is not run, or what it prints once it is ready, as a regular expression.
    """

    line: int
    language: str
    text: str
    note: str
    about: str


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in their order."""
    text = page.read_text()
    return [
        Block(
            text.count("\n", 0, found.start("text")),
            found["language"],
            found["text"],
            found["note"] or "",
            found["about"] or "",
        )
        for found in _BLOCK.finditer(text)
    ]


def named(pages: list[Path]) -> list[object]:
    """Return pages as parameters of a test, named by their paths."""
    return [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in pages]
