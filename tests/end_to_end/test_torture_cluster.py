"""Servers that share a log, whose leaders and databases fail under load: nothing acknowledged is lost."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.bench.cluster_record import check
from tests.support.servers import ROOT, environment

TORTURE = [sys.executable, "-m", "tests.bench.torture_cluster"]


@pytest.mark.slow
@pytest.mark.needs("postgres", "curl", "lua5.1")
def test_nothing_is_lost_or_doubled_when_leaders_and_databases_fail() -> None:
    torture = subprocess.run(
        [*TORTURE, "--kills", "3", "--stops", "1", "--databases", "1", "--pause", "0.3"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment(),  # pytest's own directory is closed to the user of PostgreSQL
    )
    assert torture.returncode == 0, torture.stdout + torture.stderr
    assert "rounds: 3 kill, 1 stop, 1 cut, 1 promote" in torture.stdout
    assert "problems: none" in torture.stdout
    print(torture.stdout)


LOG = "e 1 x curl 1\ne 2 y lua 1\ne 3 z curl 2\n"


@pytest.mark.parametrize(
    ("received", "acks", "problems"),
    [
        (LOG, "curl 1 1 0 0\nlua 1 0 1 0\ncurl 2 3 2 0\n", {}),
        (LOG.replace("e 2 y lua 1\n", ""), "", {"gaps": 1}),
        (LOG + "e 3 z curl 2\n", "", {"repeats": 1}),
        (LOG.replace("e 3", "f 3"), "", {"epochs": 1}),
        (LOG.replace("z", "other"), "", {"disagreements": 1}),
        (LOG + "e 4 a curl 2\n", "", {"doubles": 1}),
        (LOG + "e 4 a curl 4\n", "", {"disordered": 1}),
        (LOG, "curl 3 0 0 0\n", {"lost": 1}),
        (LOG, "curl 1 3 0 0\n", {"misplaced": 1}),
        (LOG, "curl 1 3 0 1\n", {}),  # sent again, when a later report was recorded
        (LOG, "curl 2 1 0 1\n", {"misplaced": 1}),
        (LOG, "curl 2 3 3 0\n", {"early": 1}),
    ],
)
def test_the_comparison_finds_each_problem(tmp_path: Path, received: str, acks: str, problems: Counter[str]) -> None:
    (tmp_path / "one").write_text(received)
    (tmp_path / "other").write_text(LOG if "disagreements" in problems else received)
    (tmp_path / "acks").write_text(acks)
    found = check([tmp_path / "one", tmp_path / "other"], tmp_path / "acks")
    assert found == {name: count * (2 if name in {"gaps", "repeats"} else 1) for name, count in problems.items()}
