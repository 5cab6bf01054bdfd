"""A job ends as its worker's code ends, for each way to report, over a real server."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from tests.support.reporting import Subscriber, job_status, run_program, subscriber, ws_url
from tests.support.servers import ServerProcess, server_process
from tests.support.workers import line, program

WAYS = {
    "with": """
with Reporter().job("a") as job:
    {body}
""",
    "track": """
with Reporter().job("a") as job:
    for n in job.track(range(10), phase="render"):
        if n == 3:
            {body}
""",
    "tqdm": """
from phaseline.reporting.tqdm import tqdm
def work():
    for n in tqdm(range(10), desc="a", file=open(os.devnull, "w")):
        if n == 3:
            {body}
work()
""",
    "disabled tqdm": """
from phaseline.reporting.tqdm import tqdm
for n in tqdm(range(10), desc="a", disable=True):
    if n == 3:
        {body}
""",
    "open tqdm": """
from phaseline.reporting.tqdm import tqdm
bar = tqdm(total=10, desc="a", file=open(os.devnull, "w"))
for n in range(10):
    bar.update()
    if n == 3:
        {body}
""",
    "rich": """
from rich.progress import Progress
from phaseline.reporting.rich import follow
with Reporter().job("a") as job, Progress(disable=True) as progress, follow(progress, job):
    for n in progress.track(range(10), description="render"):
        if n == 3:
            {body}
""",
}
ENDINGS = {
    "raise ValueError('no disk')": ("failed", "no disk", "ValueError", 1),
    "1 / 0": ("failed", "division by zero", "ZeroDivisionError", 1),
    "sys.exit('no disk')": ("failed", "no disk", "SystemExit", 1),
    "sys.exit(3)": ("failed", "exit code 3", "SystemExit", 3),
    "sys.exit(0)": ("completed", None, None, 0),
    "sys.exit()": ("completed", None, None, 0),
    "raise KeyboardInterrupt": ("cancelled", "KeyboardInterrupt", None, 1),
}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    async with server_process(tmp_path) as running:
        yield running


@pytest.fixture
async def watching(server: ServerProcess) -> AsyncIterator[Subscriber]:
    async with subscriber(server.url, "jobs") as found:
        yield found


# Each ending runs in a child that has imported its modules, and ends as any interpreter does.
PROGRAM = """
import gc, json, os, sys
import rich.progress, phaseline.reporting.delivery.delivery, phaseline.reporting.tqdm
from phaseline.reporting import Reporter
codes = []
gc.freeze()  # a child would copy, at its end, all that it shares
for source in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        del codes
        exec(source)
        sys.exit()
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(codes))
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
async def test_a_job_ends_in_the_state_of_its_block(server: ServerProcess, watching: Subscriber, way: str) -> None:
    sources = json.dumps([WAYS[way].format(body=body) for body in ENDINGS])
    done = await run_program(PROGRAM, sources, env={"PROGRESS_URL": ws_url(server.url)})
    codes = json.loads(done.stdout)
    assert codes[:-1] == [code for _, _, _, code in ENDINGS.values()][:-1], done.stderr.decode()
    await watching.until(lambda messages: sum("success" in each for each in messages) == len(ENDINGS))
    ends = [each for each in watching.messages if "success" in each]
    for end, (body, (state, text, kind, code)) in zip(ends, ENDINGS.items(), strict=True):
        result = end["result"]
        assert (body, end["state"], result.get("error"), result.get("error_type")) == (body, state, text, kind)
        if kind == "SystemExit" or (kind and "tqdm" in way):
            assert result["exit_code"] == code
        errors = [each for each in watching.of(end["job_id"]) if each["type"] == "error_occurred"]
        assert [(each["error_type"], each["error_message"]) for each in errors] == ([(kind, text)] if kind else [])
        if state != "completed" and way != "with":
            assert (await job_status(server.url, end["job_id"]))["progress"] in {30, 40}
            assert end["percent"] < 100


@pytest.mark.slow
@pytest.mark.parametrize("disable", [False, True])
async def test_a_tqdm_loop_that_continues_elsewhere_is_not_a_failure(
    server: ServerProcess, watching: Subscriber, disable: bool
) -> None:
    code = f"""
import os, sys, time
from phaseline.reporting.tqdm import tqdm as bar
def tqdm(items, desc): return bar(items, desc=desc, disable={disable}, file=open(os.devnull, "w"))
def leave():
    for n in tqdm(range(10), "return"):
        if n == 3:
            return n
for n in tqdm(range(10), "break"):
    if n == 3: break
leave()
for n in tqdm(iter(range(10)), "break without a total"):
    if n == 3: break
try:
    for n in tqdm(range(10), "caught"): n / 0
except ZeroDivisionError:
    for n in tqdm(iter(range(10)), "in a handler"): pass
try:
    with tqdm(range(10), "caught outside of with") as shown:
        for n in shown: n / 0
except ZeroDivisionError:
    pass
try:
    for n in tqdm(range(10), "exit caught"):
        try: sys.exit(3)
        except SystemExit: pass
finally:
    pass
time.sleep(1.5)
raise ValueError("later")
"""
    done = await run_program(code, env={"PROGRESS_URL": ws_url(server.url)}, check=False)
    assert done.returncode == 1
    await watching.until(lambda messages: sum("success" in each for each in messages) == 7)
    states = {each["job_id"].rpartition("-")[0]: each["state"] for each in watching.messages if "success" in each}
    assert states == {
        "return": "cancelled",
        "break": "cancelled",
        "break without a total": "completed",
        "caught": "cancelled",
        "in a handler": "completed",
        "caught outside of with": "failed",
        "exit caught": "completed",
    }


async def test_ctrl_c_in_a_tqdm_loop_cancels_its_job(server: ServerProcess, watching: Subscriber) -> None:
    code = """
from phaseline.reporting.tqdm import tqdm
reporter = Reporter(sys.argv[1])
for n in tqdm(range(10_000), desc="a", reporter=reporter, file=open(os.devnull, "w")):
    if n == 3:
        print("going", flush=True)
    time.sleep(0.1)
"""
    async with program(code, ws_url(server.url)) as worker:
        assert await line(worker) == "going"
        os.kill(worker.pid, signal.SIGINT)
        await worker.wait()
    await watching.until_type("job_failed")
    assert (watching.messages[-1]["state"], watching.messages[-1]["result"]["error"]) == (
        "cancelled",
        "KeyboardInterrupt",
    )


@pytest.mark.slow
async def test_a_child_of_multiprocessing_fails_with_its_exception(
    server: ServerProcess, watching: Subscriber, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text("""
import multiprocessing, os
from phaseline.reporting.tqdm import tqdm
def work():
    for n in tqdm(range(10), desc="a", file=open(os.devnull, "w")):
        if n == 3:
            raise ValueError("no disk")
if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=work)
    child.start()
    child.join()
""")
    env = os.environ | {"PROGRESS_URL": ws_url(server.url)}
    with trio.fail_after(60):
        await trio.run_process([sys.executable, str(script)], env=env, capture_stderr=True)
    await watching.until_type("job_failed")
    result = watching.messages[-1]["result"]
    assert (watching.messages[-1]["state"], result["error"], result["error_type"]) == (
        "failed",
        "no disk",
        "ValueError",
    )
