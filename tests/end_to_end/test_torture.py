"""A server that is killed again and again under load has all that it acknowledged, once each, in order."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT, environment

TORTURE = [sys.executable, "-m", "tests.bench.torture"]
ROUNDS = 40
TIMES = 5 if os.environ.get("CI") else 1  # each on its own data directory
LOAD_S = 0.1  # a commit takes a few milliseconds


@pytest.mark.slow
@pytest.mark.parametrize("_", range(TIMES))
def test_nothing_acknowledged_is_lost_or_doubled_however_often_it_is_killed(tmp_path: Path, _: int) -> None:
    # In a separate process, which forks the servers and so must have no threads.
    torture = subprocess.run(
        [*TORTURE, "--rounds", str(ROUNDS), "--load", str(LOAD_S)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment(TMPDIR=str(tmp_path)),
    )
    assert torture.returncode == 0, torture.stdout + torture.stderr
    names, figures = (line.split() for line in torture.stdout.splitlines()[-2:])
    tally = dict(zip(names, figures, strict=True))
    assert (tally["rounds"], tally["lost"], tally["duplicates"], tally["misplaced"]) == (str(ROUNDS), "0", "0", "0")
    assert int(tally["acks"]) > 10 * ROUNDS
    print(torture.stdout)
