"""The table of programs, generated from the data of the adapters."""

import json
import subprocess
from pathlib import Path

import pytest

from phaseline_cli.run.adapter import load
from phaseline_cli.run.catalog import markdown, shown
from phaseline_cli.run.reader import Reader
from tests.cli.test_adapters import CASES
from tests.support.commands import PHASELINE

ROOT = Path(__file__).parents[2]


def test_the_documentation_has_the_table_of_the_adapters() -> None:
    """If it fails, run `python -m phaseline_cli.run.catalog`."""
    rows = list(markdown(shown(adapter) for _, adapter in sorted(load().items())))
    text = (ROOT / "docs" / "run.md").read_text("utf-8")
    assert [row for row in rows if row not in text.splitlines()] == []
    assert text.count("\n| ansible |") == 1


@pytest.mark.parametrize("name", CASES)
def test_the_table_lists_what_the_adapters_read(name: str) -> None:
    command, text, _, expected, _ = CASES[name]
    reader = Reader(load(), command.split())
    for _ in reader.feed(0.0, "pty", text.encode()):
        pass
    if reader.adapter is None:
        return
    row = shown(reader.adapter)
    if expected.run is not None:
        assert "job" in row.progress, row
    if expected.fraction is not None:
        assert row.progress, row
    if expected.done is not None:
        assert row.counts, row


def test_adapters_lists_the_progress_of_each_program(env: dict[str, str]) -> None:
    lines = subprocess.run([PHASELINE, "adapters"], env=env, capture_output=True, text=True, check=True).stdout
    head, *rows = lines.splitlines()
    assert head.split() == ["PROGRAM", "PROGRESS", "COUNTS", "ESTIMATE", "ERROR", "CHANNEL", "PHASES"]
    ffmpeg = next(row for row in rows if row.startswith("ffmpeg "))
    assert "-progress" in ffmpeg
    assert ffmpeg.endswith("encode, or pass 1 and pass 2")
    document = subprocess.run([PHASELINE, "adapters", "--json"], env=env, capture_output=True, check=True).stdout
    assert {entry["name"]: entry["shows"]["counts"] for entry in json.loads(document)}["cppcheck"] == "files"
