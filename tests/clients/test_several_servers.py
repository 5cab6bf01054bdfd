"""Clients with the addresses of several servers with one log: they use one, and the next one when that fails."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from phaseline.model.events import JobCompleted, JobStarted, PhotoInfo
from phaseline.reporting import Reporter
from tests.server.runtime.test_following import leader_and_follower
from tests.server.runtime.test_shared_log import folder, report_until_accepted
from tests.support.commands import PHASELINE, messages, phaseline, running
from tests.support.crashing import crashing
from tests.support.ports import free_port
from tests.support.postgres import Postgres, postgres_server
from tests.support.reporting import job_status, network, subscriber
from tests.support.servers import ServerProcess, environment, server_process

Env = dict[str, str]


@pytest.fixture
def env(tmp_path: Path) -> Env:
    return environment(XDG_STATE_HOME=str(tmp_path / "state"))


@asynccontextmanager
async def without_log(tmp_path: Path, *, ever: bool) -> AsyncIterator[ServerProcess]:
    """Run a server whose database is stopped, or never existed, which gives another answer."""
    if not ever:
        log = f"postgresql://127.0.0.1:{free_port()}/none"
        async with server_process(folder(tmp_path, "without"), "--log", log) as server:
            yield server
        return
    with postgres_server() as database:
        async with crashing(folder(tmp_path, "without"), "--log", database.new_database()) as box:
            await report_until_accepted(box, 0)
            database.stop()
            yield box.server


def numbers_in(stream: list[dict[str, Any]]) -> Counter[int]:
    """Return how often each number was recorded."""
    return Counter(message["photo_data"]["n"] for message in stream if message["type"] == "photo_info")


async def test_a_reporter_uses_the_second_server_if_the_first_is_down(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with server_process(folder(tmp_path)) as server:
        async with Reporter(f"127.0.0.1:{free_port()}, {server.url}", flush_timeout=60) as reporter:
            reporter.report(JobStarted(job_id="a"))
            assert await reporter.aflush(60)
        assert (await job_status(server.url, "a"))["state"] == "active"
    assert not caplog.records


async def test_a_reporter_that_reaches_no_server_logs_all_of_them_once(caplog: pytest.LogCaptureFixture) -> None:
    ports = free_port(), free_port()
    async with Reporter(",".join(f"127.0.0.1:{port}" for port in ports), spool_dir="", flush_timeout=60) as reporter:
        reporter.report(JobStarted(job_id="a"))
    warning, _ = [record.getMessage() for record in caplog.records]
    assert warning.startswith(f"no connection to ws://127.0.0.1:{ports[0]}/ws,ws://127.0.0.1:{ports[1]}/ws (")


async def test_a_reporter_continues_with_the_next_server_when_its_connection_is_cut(tmp_path: Path) -> None:
    count = 300
    async with (
        server_process(folder(tmp_path)) as server,
        network(server.url) as first,
        network(server.url) as second,
        subscriber(server.url) as watching,
    ):
        first.deaf_after = 5000  # so some answers are lost
        async with Reporter(f"{first.url},{second.url}", flush_timeout=60) as reporter:
            reporter.report(JobStarted(job_id="a"))
            for n in range(count):
                reporter.report(PhotoInfo(job_id="a", data={"n": n}))
            reporter.report(JobCompleted(job_id="a"))
            await watching.until_type("job_completed")
        assert numbers_in(watching.messages) == Counter(range(count))
        assert (first.connections, second.connections) == (1, 1)


@pytest.mark.needs("postgres")
@pytest.mark.parametrize("ever", [False, True])
@pytest.mark.slow
async def test_a_reporter_leaves_a_server_whose_log_is_unavailable(tmp_path: Path, ever: bool) -> None:
    async with without_log(tmp_path, ever=ever) as away, server_process(folder(tmp_path)) as server:
        async with Reporter(f"{away.url},{server.url}", flush_timeout=60) as reporter:
            reporter.report(JobStarted(job_id="b"))
            assert await reporter.aflush(60)
        assert (await job_status(server.url, "b"))["state"] == "active"


@pytest.mark.slow
async def test_commands_use_the_second_server_if_the_first_is_down(tmp_path: Path, env: Env) -> None:
    async with server_process(folder(tmp_path)) as server:
        env["PROGRESS_URL"] = f"127.0.0.1:{free_port()} , {server.url}"
        for words in (["start", "a", "--id", "a"], ["report", "a", "40"], ["show", "a"], ["done", "a"], ["wait", "a"]):
            ran = await phaseline(env, *words)
            assert (ran.code, ran.err) == (0, "")
        assert (await job_status(server.url, "a"))["state"] == "completed"
        wrong = await phaseline(env, "report", "a", "40", "--url", f"{server.url},ftp://x")
        assert wrong.code == 2
        assert "the server's URL is 'ftp://x'" in wrong.err
        assert "several, separated by commas" in wrong.err


async def test_a_command_that_reaches_no_server_names_them_all(env: Env) -> None:
    ports = free_port(), free_port()
    env["PROGRESS_URL"] = ",".join(f"127.0.0.1:{port}" for port in ports)
    ran = await phaseline(env, "show", "a")
    assert ran.code == 7
    assert all(f"no server at 127.0.0.1:{port}" in ran.err for port in ports)


@pytest.mark.slow
async def test_a_report_whose_answer_is_lost_is_recorded_once(tmp_path: Path, env: Env) -> None:
    async with server_process(folder(tmp_path)) as server, network(server.url) as first, network(server.url) as second:
        env["PROGRESS_URL"] = f"{first.url},{second.url}"
        first.deaf_after = 1
        assert (await phaseline(env, "start", "a", "--id", "a")).err == ""
        second.deaf_after = 1
        kept = await phaseline(env, "report", "a", "40")
        assert (kept.code, "is stored and delivered later" in kept.err) == (0, True)
        kept = await phaseline(env, "report", "a", "50")
        assert "is stored and delivered later" in kept.err
        first.deaf_after = second.deaf_after = 100_000
        assert (await phaseline(env, "done", "a")).err == ""
        found = await messages(server.url, "a")
    assert [(message["type"], message.get("progress")) for message in found] == [
        ("job_started", None),
        ("job_progress", 40),
        ("job_progress", 50),
        ("job_completed", None),
    ]


@pytest.mark.slow
@pytest.mark.needs("postgres")
@pytest.mark.parametrize("ever", [False, True])
async def test_commands_leave_a_server_whose_log_is_unavailable(tmp_path: Path, env: Env, ever: bool) -> None:
    async with without_log(tmp_path, ever=ever) as away, server_process(folder(tmp_path)) as server:
        env["PROGRESS_URL"] = f"{away.url},{server.url}"
        for words in (["start", "b", "--id", "b"], ["report", "b", "40"], ["show", "b"], ["done", "b"], ["wait", "b"]):
            ran = await phaseline(env, *words)
            assert (ran.code, ran.err) == (0, "")


@pytest.mark.slow
@pytest.mark.needs("postgres")
@pytest.mark.parametrize("used", ["leader", "follower"])
async def test_a_reporter_records_all_once_when_its_server_is_killed(
    postgres: Postgres, tmp_path: Path, used: str
) -> None:
    count = 400
    async with leader_and_follower(postgres, tmp_path) as (one, other):
        mine, rest = (one, other) if used == "leader" else (other, one)
        async with Reporter(f"{mine.server.url},{rest.server.url}", flush_timeout=60) as reporter:
            reporter.report(JobStarted(job_id="b"))
            for n in range(count):
                reporter.report(PhotoInfo(job_id="b", data={"n": n}))
                if n == count // 2:
                    assert await reporter.aflush(60)
                if n == count // 2 + 50:
                    await mine.kill()  # with reports in flight
            reporter.report(JobCompleted(job_id="b"))
            assert await reporter.aflush(60)
        found = await rest.events()
        assert numbers_in(found) == Counter(range(count))
        assert [message["seq"] for message in found] == list(range(1, count + 4))
        assert (await rest.job("b"))["state"] == "completed"


@pytest.mark.slow
@pytest.mark.needs("postgres")
async def test_reports_of_commands_are_recorded_once_when_their_server_is_killed(
    postgres: Postgres, tmp_path: Path, env: Env
) -> None:
    async with leader_and_follower(postgres, tmp_path) as (one, other):
        env["PROGRESS_URL"] = f"{one.server.url},{other.server.url}"
        assert (await phaseline(env, "start", "b", "--id", "b")).code == 0
        async with running([PHASELINE, "wait", "b"], env) as waiting, trio.open_nursery() as nursery:
            for number in range(1, 13):
                if number == 6:
                    nursery.start_soon(one.kill)  # while the command starts
                assert (await phaseline(env, "report", "b", "-m", str(number), "--done", str(number))).code == 0
            while (await other.get("/health"))["role"] != "leader":
                await trio.lowlevel.checkpoint()
            assert (await phaseline(env, "done", "b")).err == ""
            assert await waiting.wait() == 0
        found = await messages(other.server.url, "b")
        assert [message["done"] for message in found if message["type"] == "job_progress"] == list(range(1, 13))
        assert [found[0]["type"], found[-1]["type"], len(found)] == ["job_started", "job_completed", 14]
