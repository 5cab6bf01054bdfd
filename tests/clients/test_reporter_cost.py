"""What reporting costs a worker: no system call where nothing visible changes, and little to load."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from no_syscalls import PROVED, UNAVAILABLE
from reporting import run_program, subscriber, ws_url
from servers import environment, server_process

ROOT = Path(__file__).resolve().parents[2]

PREPARED = """
import sys, time
sys.path.insert(0, sys.argv[2])
from no_syscalls import prove
from phaseline.reporting import Reporter
from phaseline.reporting.server import WebSocketServer
from progress_reporter import ProcessingStage, ProgressReporter

reporter = Reporter(sys.argv[1], flush_timeout=60)
photo = ProgressReporter(WebSocketServer(reporter))
photo.start_job("photo")
photo.update_progress("photo", ProcessingStage.IMPORTING, 25.0, "reading")
job = reporter.job("job", phases=["loop"], job_id="job").__enter__()
job.progress(25.0, "reading", phase="loop")
loop = job.track(range(1_000_000), phase="loop")
next(loop)
assert reporter.flush(60)
job.progress(25.0, "reading", phase="loop")

def same():
    for _ in range(50_000):
        photo.update_progress(job_id="photo", stage=ProcessingStage.IMPORTING, progress=25.0, message="reading")
        photo.update_progress(job_id="photo", stage="importing", progress=25.001, message="reading")
        job.progress(25.0, "reading")

def iterate():
    for _ in range(500_000):
        next(loop)

def visible():
    photo.update_progress("photo", ProcessingStage.IMPORTING, 26.0, "reading")
    time.sleep(0)
    job.info(n=1)

"""


async def outcome(code: str, url: str) -> int:
    done = await run_program(PREPARED + code, url, str(ROOT / "tests" / "support"), check=False)
    if done.returncode == UNAVAILABLE:
        pytest.skip("no seccomp on this machine")
    return done.returncode


@pytest.mark.parametrize("code", ["prove(same)", "prove(iterate)"])
async def test_what_changes_nothing_visible_makes_no_system_call(tmp_path: Path, code: str) -> None:
    async with server_process(tmp_path) as server, subscriber(server.url):
        if await outcome("prove(time.monotonic)", ws_url(server.url)) == -signal.SIGSYS:
            pytest.skip("reading the clock is a system call on this machine")
        assert await outcome(code, ws_url(server.url)) == PROVED


async def test_the_proof_would_notice(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        assert await outcome("prove(visible)", ws_url(server.url)) == -signal.SIGSYS


@pytest.mark.parametrize("module", ["phaseline.reporting", "progress_reporter, websocket_server"])
def test_importing_it_loads_nothing_that_only_reporting_needs(module: str) -> None:
    code = f"import msgspec, sys; before = set(sys.modules); import {module}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, check=True, text=True)
    heavy = {"asyncio", "logging", "pathlib", "rich", "selectors", "socket", "ssl", "tqdm", "trio", "trio_websocket"}
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & heavy
    assert "phaseline" in loaded


def test_a_reporter_that_reports_nothing_starts_nothing() -> None:
    code = """
import sys, threading
from phaseline.reporting import Reporter
with Reporter() as reporter:
    reporter.job("never begun")
    assert reporter.flush()
assert threading.active_count() == 1
assert "trio" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], env=environment(), check=True)
