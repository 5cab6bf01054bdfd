"""Two machines with three queues run real programs; a server and a queue are killed: nothing is lost or doubled."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT, environment

JOBS = 8


@pytest.mark.slow
@pytest.mark.skipif(
    any(shutil.which(program) is None for program in ("ffmpeg", "zstd", "convert")), reason="a program is missing"
)
def test_no_job_is_lost_or_runs_twice_when_a_server_and_a_queue_are_killed(tmp_path: Path) -> None:
    bench = [sys.executable, "-m", "tests.bench.bench_queues"]
    command = [*bench, "--before", "0", "--jobs", str(JOBS), "--scale", "0.25"]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment(TMPDIR=str(tmp_path))
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.splitlines()[-1].startswith(f"{JOBS} jobs in ")
