"""The commands that report: `start`, `report`, `phase`, `done`, `fail` and `cancel`."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio

from tests.support.commands import PHASELINE, job_status
from tests.support.commands import forked_phaseline as phaseline
from tests.support.servers import server_process
from tests.support.tokens import make_tokens

Env = dict[str, str]


@pytest.mark.slow
async def test_a_script_reports_a_job_from_its_start_to_its_end(env: Env, tmp_path: Path) -> None:
    async with server_process(tmp_path, bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        started = await phaseline(
            env, "start", "shot 13", "--phases", "load, render", "--workflow", "w", "--series", "s"
        )
        assert (started.code, started.err) == (0, "")
        job = started.out.removesuffix("\n")
        assert job.startswith("shot-13-")
        assert " " not in job
        env["PROGRESS_JOB"] = job
        assert (await phaseline(env, "report", "40")).code == 0
        status = await job_status(server.url, job)
        assert (status["current_stage"], status["progress"], status["workflow"], status["series"]) == (
            "load",
            40,
            "w",
            "s",
        )
        assert (await phaseline(env, "phase", "render", "-m", "warming up")).code == 0
        assert (await phaseline(env, "report", "--done", "3", "--total", "9", "--unit", "frames")).code == 0
        status = await job_status(server.url, job)
        assert (status["current_stage"], status["done"], status["total"], status["unit"]) == ("render", 3, 9, "frames")
        ended = await phaseline(env, "done")
        assert (ended.code, ended.out, ended.err) == (0, "", "")
        assert (await job_status(server.url, job))["state"] == "completed"


@pytest.mark.slow
async def test_the_machine_of_a_job_is_reported_unless_the_user_excludes_it(env: Env, tmp_path: Path) -> None:
    async with server_process(tmp_path, bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        await phaseline(env, "start", "a", "--id", "named")
        await phaseline(env | {"PROGRESS_FACTS": "command, pid"}, "start", "a", "--id", "hidden")
        await phaseline(env | {"PROGRESS_FACTS": "none"}, "start", "a", "--id", "given", "--host", "box")
        hosts = [(await job_status(server.url, job))["host"] for job in ("named", "hidden", "given")]
    assert hosts == [os.uname().nodename, "", "box"]


@pytest.mark.slow
async def test_a_job_fails_with_its_reason_or_is_cancelled(env: Env, tmp_path: Path) -> None:
    async with server_process(tmp_path, bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        for job in ("bad", "left"):
            assert (await phaseline(env, "start", job, "--id", job)).out == f"{job}\n"
        assert (await phaseline(env, "fail", "bad", "-m", "disk full")).code == 0
        assert (await phaseline(env, "cancel", "left", "-m", "not needed")).code == 0
        status = await job_status(server.url, "bad")
        assert (status["state"], status["result"]) == ("failed", {"error": "disk full"})
        assert (await job_status(server.url, "left"))["state"] == "cancelled"


@pytest.mark.slow
async def test_the_phase_of_a_job_that_was_started_elsewhere_is_the_servers(env: Env, tmp_path: Path) -> None:
    async with server_process(tmp_path, bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        await phaseline(env, "start", "a", "--id", "a", "--phases", "load,render")
        await phaseline(env, "phase", "a", "render")
        elsewhere = env | {"XDG_STATE_HOME": str(tmp_path / "elsewhere")}
        assert (await phaseline(elsewhere, "report", "a", "30")).code == 0
        status = await job_status(server.url, "a")
        assert (status["current_stage"], status["progress"]) == ("render", 30)


@pytest.mark.parametrize(
    ("arguments", "job", "fields"),
    [
        (["42"], "env", {"progress": 42.0}),
        (["42.5%"], "env", {"progress": 42.5}),
        (["other", "42"], "other", {"progress": 42.0}),
        (["7", "42"], "7", {"progress": 42.0}),
        (["--job", "7", "42"], "7", {"progress": 42.0}),
        (["7", "--done", "3"], "7", {"done": 3}),
        (["--done", "3", "--total", "9.5"], "env", {"done": 3, "total": 9.5}),
        (["other", "-m", "text"], "other", {"progress": None, "message": "text"}),
        (["--phase", "x"], "env", {"progress": None, "stage": "x"}),
    ],
)
async def test_report_distinguishes_an_id_from_a_percentage(
    env: Env, tmp_path: Path, arguments: list[str], job: str, fields: dict[str, object]
) -> None:
    env["PROGRESS_JOB"] = "env"
    assert (await phaseline(env, "report", *arguments)).code == 0
    [spooled] = (tmp_path / "state/phaseline/spool").rglob("*.spool")
    line = spooled.read_text().splitlines()[-1]
    report = json.loads(line)
    assert report["job_id"] == job
    assert {name: report.get(name) for name in fields} == fields


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["report", "142"], "PERCENT is '142'"),
        (["report", "a", "b"], "PERCENT is 'b'"),
        (["report", "a", "1", "2"], "'2' is one argument too many"),
        (["report", "a", "1", "--done", "2"], "'1' is one argument too many"),
        (["report", "a", "--total", "2"], "--total is given without --done"),
        (["report", "a", "--done", "nan"], "--done is nan"),
        (["report", "42"], "set PROGRESS_JOB"),
        (["phase", "a", "b", "c"], "allowed: [ID] NAME"),
        (["phase", "a", "b\nc"], "the phase is 'b\\nc'"),
        (["start", ""], "the name is ''"),
        (["start", "a", "--phases", "x,x"], "each name once"),
        (["start", "a", "--url", "ftp://x"], "the server's URL is 'ftp://x'"),
        (["done"], "set PROGRESS_JOB"),
    ],
)
async def test_a_wrong_argument_exits_with_2_and_names_the_allowed_values(
    env: Env, arguments: list[str], named: str
) -> None:
    ran = await phaseline(env, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert named in ran.err


@pytest.mark.slow
async def test_a_rejection_by_the_server_has_an_exit_code_and_one_line(env: Env, tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path)
    async with server_process(tmp_path, bind=env["PROGRESS_URL"].removeprefix("http://")):
        missing = await phaseline(env, "start", "a")
        small = await phaseline(env | {"PROGRESS_TOKEN": tokens["read"]}, "start", "a")
        foreign = await phaseline(env | {"PROGRESS_TOKEN": tokens["report:shot-"]}, "start", "a", "--id", "other")
        env["PROGRESS_TOKEN"] = tokens["report"]
        unknown = await phaseline(env, "report", "a", "42", "--phase", "x")
        await phaseline(env, "start", "a", "--id", "a")
        active = await phaseline(env, "start", "a", "--id", "a")
    assert [ran.code for ran in (missing, small, foreign, unknown, active)] == [4, 4, 4, 5, 1]
    for ran in (missing, small, foreign, unknown, active):
        assert ran.out == ""
        assert ran.err.startswith("phaseline: ")
        assert ran.err.count("\n") == 1
    assert not list((tmp_path / "state/phaseline/spool").rglob("*.spool"))


@pytest.mark.slow
async def test_a_text_that_controls_a_terminal_is_cleaned_before_it_is_sent(env: Env, tmp_path: Path) -> None:
    async with server_process(tmp_path, bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        await phaseline(env, "start", "a\x1b[31m", "--id", "a")
        await phaseline(env, "report", "a", "1", "-m", os.fsdecode(b"x\xff\x9b31m"))
        assert (await phaseline(env, "report", "b\x1b]0;x\x07", "1")).err.isprintable() is False  # it ends its line
        status = await job_status(server.url, "a")
        assert (status["name"], status["message"]) == ("a[31m", "x31m")


# ------------------------------------------------------------------------------------------ other servers


@asynccontextmanager
async def peer(answer: bytes) -> AsyncIterator[str]:
    """Run a server that gives one answer to every request, and closes the connection; b"" for none at all."""

    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        if not answer:
            await trio.sleep_forever()
        with suppress(trio.BrokenResourceError):  # the client has read enough
            await stream.send_all(answer)
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


TAKEN = b'{"success": true, "epoch": "e", "results": [{"success": true, "seq": 1}]}'


@pytest.mark.parametrize(
    ("answer", "code", "named"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\n" + TAKEN, 0, ""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" + TAKEN, 0, ""),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(TAKEN), TAKEN), 0, ""),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>", 1, "not a Phaseline server"),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", 1, "not a Phaseline server"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n<html>", 1, "answered HTTP 404"),
        (b"HTTP/1.1 301 Moved\r\nlocation: https://x/\r\n\r\n", 1, "answered HTTP 301"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>", 0, "stored and delivered later"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", 0, "stored and delivered later"),
        (b"SSH-2.0-OpenSSH\r\n", 0, "stored and delivered later"),
        (b"x" * 100_000, 0, "stored and delivered later"),
        pytest.param(b"", 0, "did not answer in time; the report is stored", marks=pytest.mark.slow),
    ],
    ids=lambda value: value[:20].decode("ascii", "replace") if isinstance(value, bytes) else str(value),
)
async def test_a_foreign_or_broken_server_does_not_break_a_command(
    env: Env, answer: bytes, code: int, named: str
) -> None:
    async with peer(answer) as url:
        ran = await phaseline(env, "done", "a", "--url", url)
    assert (ran.code, ran.out) == (code, "")
    assert named in ran.err if named else ran.err == ""


# ------------------------------------------------------------------------------------------ cost


def cpu(env: Env, *command: str) -> float:
    """Return the least CPU time of a command in three runs, in milliseconds."""
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=env, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times) * 1000


def loaded(env: Env) -> set[str]:
    """Return the modules that a report loads."""
    command = [sys.executable, "-X", "importtime", PHASELINE, "report", "a", "42", "-q"]
    listed = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stderr
    return {line.rpartition("|")[2].strip() for line in listed.splitlines()}


@pytest.mark.slow
async def test_a_report_imports_few_modules_and_is_fast(env: Env, tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        here = env | {"PROGRESS_URL": server.url}
        await phaseline(here, "start", "a", "--id", "a")
        for each in (here, env):
            modules = loaded(each)
            assert "phaseline_cli.client.reports" in modules
            assert not modules & {"msgspec", "trio", "http.client", "ssl", "phaseline.reporting", "logging"}
        for each in (here, env):
            nothing, report = cpu(env, sys.executable, "-c", "pass"), cpu(each, PHASELINE, "report", "a", "42", "-q")
            print(f"python -c pass: {nothing:.0f} ms; phaseline report: {report:.0f} ms")
            assert report < 120 or report < 10 * nothing
