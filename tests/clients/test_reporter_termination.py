"""Multiprocessing children ended by SIGTERM, as by a Pool: their reports are delivered or logged as lost."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio

from phaseline.reporting import Reporter
from tests.support.ports import free_port
from tests.support.reporting import job_status, subscriber, ws_url
from tests.support.servers import environment, server_process
from tests.support.workers import program

POOL = """
import multiprocessing, sys, time
from phaseline.reporting import Reporter
reporter = Reporter(sys.argv[1], flush_timeout=float(sys.argv[2]), spool_dir=sys.argv[3] or None)

def work(n):
    with reporter.job("child", job_id=f"child {n}", phases=["a"]) as job:
        for _ in job.track(range(100), phase="a"):
            pass
    return n

if __name__ == "__main__":
    with multiprocessing.get_context(sys.argv[4]).Pool(4) as pool:
        assert sorted(pool.imap_unordered(work, range(12))) == list(range(12))
"""
CHILD = """
import multiprocessing, os, signal, sys, time
from phaseline.reporting import Reporter
reporter = Reporter(sys.argv[1], flush_timeout=60)

def report():
    with reporter.job("child", job_id="child"):
        pass

def own_handler(*_):
    reporter.flush()
    os._exit(7)

def keeps_its_handler():
    signal.signal(signal.SIGTERM, own_handler)
    report()
    os.write(told, b"x")
    time.sleep(3600)

def is_busy_elsewhere():
    report()
    os.write(told, b"x")
    time.sleep(3600)

def has_a_child():
    report()
    child = os.fork()
    if not child:
        time.sleep(3600)
    os.kill(child, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
    time.sleep(0.5)
    os.write(told, b"x")
    time.sleep(3600)

ready, told = os.pipe()
child = multiprocessing.get_context("fork").Process(target=globals()[sys.argv[2]])
child.start()
os.read(ready, 1)
assert child.is_alive()
child.terminate()
child.join(60)
print(child.exitcode)
"""


async def run_script(path: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run code from a file, which children of multiprocessing can load again."""
    await trio.Path(path).write_text(code)
    env = environment(PYTHONWARNINGS="ignore::DeprecationWarning")
    with trio.fail_after(120):
        return await trio.run_process(
            [sys.executable, str(path), *arguments], env=env, capture_stdout=True, capture_stderr=True
        )


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
async def test_a_pool_terminated_under_load_delivers_every_report(tmp_path: Path, method: str) -> None:
    (tmp_path / "data").mkdir()
    async with server_process(tmp_path / "data") as server, subscriber(server.url) as watching:
        async with program("while True: pass"), program("while True: pass"):
            done = await run_script(tmp_path / "pool.py", POOL, ws_url(server.url), "60", "", method)
        assert done.stderr == b""
        await watching.until_type("job_completed", 12)


@pytest.mark.slow
async def test_a_pool_without_a_server_logs_where_its_reports_are(tmp_path: Path) -> None:
    url = f"ws://127.0.0.1:{free_port()}/ws"
    began = time.monotonic()
    done = await run_script(tmp_path / "pool.py", POOL, url, "5", "", "fork")
    assert time.monotonic() - began < 60
    lost = re.findall(
        r"^(\d+) reports could not be delivered to .* and are left in .*; jobs: 'child ",
        done.stderr.decode(),
        re.MULTILINE,
    )
    # For each job, its start, progress, phase and end.
    assert sum(map(int, lost)) >= 48


@pytest.mark.slow
async def test_a_terminated_pool_leaves_undelivered_reports_in_its_spool(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    spool = tmp_path / "spool"
    done = await run_script(tmp_path / "pool.py", POOL, f"ws://127.0.0.1:{free_port()}/ws", "5", str(spool), "fork")
    assert b"are left in" in done.stderr
    async with server_process(tmp_path / "data") as server:
        async with Reporter(ws_url(server.url), spool_dir=spool, flush_timeout=60) as reporter:
            with reporter.job("next", job_id="next"):
                pass
            assert await reporter.aflush()
        for number in range(12):
            assert (await job_status(server.url, f"child {number}"))["state"] == "completed"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "code"),
    [("keeps_its_handler", 7), ("is_busy_elsewhere", -signal.SIGTERM), ("has_a_child", -signal.SIGTERM)],
)
async def test_a_terminated_child_delivers_and_dies_as_it_would_have(tmp_path: Path, target: str, code: int) -> None:
    (tmp_path / "data").mkdir()
    async with server_process(tmp_path / "data") as server:
        done = await run_script(tmp_path / "child.py", CHILD, ws_url(server.url), target)
        assert (done.stdout, done.stderr) == (b"%d\n" % code, b"")
        assert (await job_status(server.url, "child"))["state"] == "completed"


async def test_sigterm_ends_a_process_that_is_not_a_child_at_once(tmp_path: Path) -> None:
    code = "import os, signal; r = Reporter('ws://127.0.0.1:1/ws'); r.job('a').__enter__(); os.kill(os.getpid(), 15)"
    process = await trio.run_process(
        [sys.executable, "-c", f"from phaseline.reporting import Reporter\n{code}"], env=os.environ, check=False
    )
    assert process.returncode == -signal.SIGTERM
