"""Reporters in programs that exit, take signals and fork."""

import os
import signal
from pathlib import Path

import pytest

from phaseline.model.events import PhotoInfo
from phaseline.reporting import Reporter
from tests.support.ports import free_port
from tests.support.reporting import job_status, run_program, spool_files, subscriber, ws_url
from tests.support.servers import server_process
from tests.support.workers import DEFINITIONS, line, program


@pytest.mark.slow
async def test_a_program_that_ends_at_once_delivers_every_report(tmp_path: Path) -> None:
    code = f"{DEFINITIONS}reporter = Reporter(sys.argv[1], flush_timeout=60)\n"
    code += "reporter.report(JobStarted(job_id='a'))\nreporter.report(JobCompleted(job_id='a'))"
    async with server_process(tmp_path) as server:
        # By a name too, whose lookup needs a thread: at the exit, none can be started any more.
        for url in (ws_url(server.url), server.url.replace("127.0.0.1", "localhost")):
            done = await run_program(code.replace("'a'", repr(url)), url)
            assert done.stderr == b""
            assert (await job_status(server.url, url))["state"] == "completed"


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["raise SystemExit(3)", "raise ValueError", "sys.exit('bye')"])
async def test_a_failing_program_delivers_every_report(tmp_path: Path, ending: str) -> None:
    code = f"{DEFINITIONS}r = Reporter(sys.argv[1], flush_timeout=60)\nwith r.job('a', job_id='a'):\n    {ending}"
    async with server_process(tmp_path) as server:
        done = await run_program(code, ws_url(server.url), check=False)
        assert done.returncode != 0
        assert (await job_status(server.url, "a"))["state"] == "failed"


async def test_without_a_server_a_program_ends_after_one_attempt() -> None:
    code = f"{DEFINITIONS}r = Reporter(sys.argv[1], flush_timeout=3600)\nwith r.job('a'): pass"
    done = await run_program(code, f"ws://127.0.0.1:{free_port()}/ws")
    assert b"the next run that reports to this server delivers them" in done.stderr


@pytest.mark.slow
async def test_the_reporter_waits_for_a_lost_server_for_a_limited_time(tmp_path: Path) -> None:
    code = """
reporter = Reporter(sys.argv[1], flush_timeout=1)
reporter.report(JobStarted(job_id="a"))
print(reporter.flush(60), flush=True)
sys.stdin.readline()
reporter.report(JobCompleted(job_id="a"))
"""
    async with server_process(tmp_path) as server, program(code, ws_url(server.url)) as worker:
        assert await line(worker) == "True"
        server.process.kill()
        await server.process.wait()
        assert worker.stdin is not None
        await worker.stdin.send_all(b"\n")
        assert await worker.wait() == 0


@pytest.mark.slow
async def test_a_signal_handler_may_report_at_any_point(tmp_path: Path) -> None:
    code = """
reporter = Reporter(sys.argv[1], flush_timeout=60)
count = depth = 0
def handle(*_):
    global count, depth
    if depth == 9:  # a handler interrupts another, but not without end where they take longer than the timer
        return
    depth += 1
    count += 1
    reporter.report(PhotoInfo(job_id="a", data={"signal": count}))
    depth -= 1
signal.signal(signal.SIGALRM, handle)
reporter.report(JobStarted(job_id="a"))
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
n = 0
while count < 300:
    reporter.report(JobProgress(job_id="a", phase=("importing", "exporting")[n % 2], text=str(n)))
    n += 1
    if n % 50 == 0:
        time.sleep(0.001)
signal.setitimer(signal.ITIMER_REAL, 0)
reporter.report(JobCompleted(job_id="a", result={"count": count}))
"""
    async with server_process(tmp_path) as server, subscriber(server.url) as watching:
        done = await run_program(DEFINITIONS + code, ws_url(server.url))
        assert done.stderr == b""
        messages = await watching.until_type("job_completed")
        received = [message["photo_data"]["signal"] for message in messages if message["type"] == "photo_info"]
        assert sorted(received) == list(range(1, messages[-1]["result"]["count"] + 1))


# From 3.12 on, Python warns of a fork while there is another thread. The tests show that the reporter's is safe.
UNWARNED = {"PYTHONWARNINGS": "ignore::DeprecationWarning"}
FORKS = """
reporter = Reporter(sys.argv[1], flush_timeout=60)
reporter.report(JobStarted(job_id="parent"))
for n in range(20):
    reporter.report(PhotoInfo(job_id="parent", data={"n": n}))
children = []
for n in range(3):
    child = os.fork()
    if not child:
        with reporter.job("child", job_id=f"child {n}", phases=["a"]) as job:
            for _ in job.track(range(10), phase="a"):
                pass
        os._exit(0 if reporter.flush(60) else 1)
    children.append(child)
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
reporter.report(JobCompleted(job_id="parent"))
"""
MULTIPROCESSING = """
import multiprocessing
reporter = Reporter(sys.argv[1], flush_timeout=60)

def work(n):
    with reporter.job("child", job_id=f"child {n}", phases=["a"]) as job:
        with job.phase("a"):
            pass

if __name__ == "__main__":
    reporter.report(JobStarted(job_id="parent"))
    for n in range(20):
        reporter.report(PhotoInfo(job_id="parent", data={"n": n}))
    children = [multiprocessing.get_context("fork").Process(target=work, args=(n,)) for n in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    reporter.report(JobCompleted(job_id="parent"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("code", [FORKS, MULTIPROCESSING], ids=["fork", "multiprocessing"])
async def test_children_report_for_themselves_and_parents_once(tmp_path: Path, code: str) -> None:
    async with server_process(tmp_path) as server, subscriber(server.url) as watching:
        done = await run_program(DEFINITIONS + code, ws_url(server.url), env=UNWARNED)
        assert done.stderr == b""
        await watching.until_type("job_completed", 4)
        parent = [message["type"] for message in watching.of("parent")]
        assert parent == ["job_started", *["photo_info"] * 20, "job_completed"]
        for n in range(3):
            child = [message["type"] for message in watching.of(f"child {n}")]
            assert (child[0], child[-1], child.count("stage_completed")) == ("job_started", "job_completed", 1)


@pytest.mark.slow
async def test_a_child_that_is_faster_than_its_parent_waits_for_the_beginning(tmp_path: Path) -> None:
    code = """
import phaseline.reporting.delivery.background as background
import phaseline.reporting.delivery.outbox as outbox
outbox._UNKNOWN_PAUSES_S = (0.1,) * 1000
run, refuse, parent = background.Background._run, outbox.Outbox.refuse, os.getpid()
heard, told = os.pipe()
def late(self):
    if os.getpid() == parent:
        os.read(heard, 1)
    run(self)
def refused(self, *why):
    os.write(told, b"x")
    return refuse(self, *why)
background.Background._run, outbox.Outbox.refuse = late, refused
reporter = Reporter(sys.argv[1], flush_timeout=60)
reporter.report(JobStarted(job_id="a"))
if not os.fork():
    for n in range(5):
        reporter.report(PhotoInfo(job_id="a", data={"n": n}))
    reporter.report(JobCompleted(job_id="a"))
    os._exit(0 if reporter.flush(60) else 1)
assert os.wait()[1] == 0
"""
    async with server_process(tmp_path) as server, subscriber(server.url) as watching:
        done = await run_program(DEFINITIONS + code, ws_url(server.url), env=UNWARNED)
        assert done.stderr == b""
        kinds = [message["type"] for message in await watching.until_type("job_completed")]
        assert kinds == ["job_started", *["photo_info"] * 5, "job_completed"]


@pytest.mark.slow
async def test_a_child_does_not_keep_its_parents_connection(tmp_path: Path) -> None:
    code = """
reporter = Reporter(sys.argv[1], flush_timeout=60, spool_dir=sys.argv[2])
reporter.report(JobStarted(job_id="a"))
assert reporter.flush(60)
if os.fork():
    time.sleep(3600)
print("forked", flush=True)  # by the child, as it has let go by now
os.close(1)
sys.stdin.readline()
"""
    (tmp_path / "data").mkdir()
    async with (
        server_process(tmp_path / "data") as server,
        program(code, ws_url(server.url), str(tmp_path / "spool")) as worker,
    ):
        assert await line(worker) == "forked"
        [file] = spool_files(tmp_path / "spool")
        os.kill(worker.pid, signal.SIGKILL)
        await worker.wait()
        # The child lives, and holds neither the file's lock nor the connection.
        async with Reporter(ws_url(server.url), spool_dir=tmp_path / "spool", flush_timeout=60) as reporter:
            reporter.report(PhotoInfo(job_id="a", data={}))
            assert await reporter.aflush()
            assert not file.exists()
