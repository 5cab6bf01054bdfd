"""Servers that share a log in PostgreSQL: nothing that one has acknowledged is lost when one stops."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.support.commands import phaseline
from tests.support.crashing import Crashing, crashing
from tests.support.listening import listening
from tests.support.postgres import Postgres
from tests.support.resuming import by_websocket
from tests.support.servers import environment

pytestmark = pytest.mark.needs("postgres")


def folder(tmp_path: Path, name: str = "data") -> Path:
    (tmp_path / name).mkdir(exist_ok=True)
    return tmp_path / name


async def report(box: Crashing, number: int) -> httpx.Response:
    """Send a numbered report, which may be sent again; the answer may be a rejection."""
    fields: dict[str, Any] = {"job_id": "a", "producer": "worker", "producer_seq": number + 1}
    if number:
        fields |= {"stage": "render", "progress": number}
    url = f"{box.server.url}/progress/{'report' if number else 'start'}"

    def post() -> httpx.Response:
        with httpx.Client(timeout=60, trust_env=False, verify=False) as client:
            return client.post(url, json=fields)

    return await trio.to_thread.run_sync(post)


async def report_until_accepted(box: Crashing, number: int) -> int:
    """Send a report again until it is accepted; return its number in the stream."""
    with trio.fail_after(60):
        while True:
            try:
                answer = await report(box, number)
            except httpx.TransportError:
                continue
            if answer.status_code == 200:
                return int(answer.json()["seq"])
            assert answer.status_code == 503
            assert answer.json()["code"] in {"LOG_UNAVAILABLE", "DEPOSED"}, answer.text
            assert answer.headers["Retry-After"] == "1"
            await trio.lowlevel.checkpoint()


async def test_positions_continue_after_a_restart(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.new_database()
    async with crashing(folder(tmp_path), "--log", url) as box:
        taken = [(await report(box, number)).json()["seq"] for number in range(20)]
        events = await box.events()
        assert [message["seq"] for message in events] == taken == list(range(1, 21))
        health = await box.get("/health")
        assert (health["role"], health["term"], health["leader"]) == ("leader", 1, box.server.url)
        await box.kill()
    # Another machine has nothing of the first one, not even the directory.
    async with crashing(folder(tmp_path, "other"), "--log", url) as box:
        assert [{**message, "epoch": ""} for message in await box.events()] == [
            {**each, "epoch": ""} for each in events
        ]
        assert (await report(box, 19)).json()["seq"] == taken[19]  # recognized
        assert (await report(box, 20)).json()["seq"] == 21
        assert (await box.job("a"))["percent"] is not None
        assert (await box.get("/health"))["term"] == 2


@pytest.mark.slow
async def test_without_postgres_reports_are_rejected_kept_by_clients_and_accepted_afterwards(
    own_postgres: Postgres, tmp_path: Path
) -> None:
    async with crashing(folder(tmp_path), "--log", own_postgres.new_database()) as box:
        taken = {number: await report_until_accepted(box, number) for number in range(10)}
        for round_ in range(3):
            own_postgres.stop(signal.SIGQUIT)
            for number in (10 + round_, 50):
                answer = await report(box, number)
                assert (answer.status_code, answer.json()["code"]) == (503, "LOG_UNAVAILABLE")
            env = environment(PROGRESS_URL=box.server.url, XDG_STATE_HOME=str(tmp_path / "state"))
            ran = await phaseline(env, "start", "cli")
            assert (ran.code, "is stored and delivered later" in ran.err) == (0, True)
            own_postgres.start()
            taken[10 + round_] = await report_until_accepted(box, 10 + round_)
            assert (await phaseline(env, "phase", ran.out.strip(), "load")).code == 0
            assert (await box.job(ran.out.strip()))["current_stage"] == "load"
        seen = {message["seq"]: message for message in await box.events()}
        assert sorted(seen) == list(range(1, len(seen) + 1))
        assert [seen[seq]["progress"] for number, seq in taken.items() if number] == list(range(1, 13))
        assert box.server.process.poll() is None


@pytest.mark.slow
async def test_a_server_that_starts_without_postgres_waits_for_it(own_postgres: Postgres, tmp_path: Path) -> None:
    url = own_postgres.new_database()
    own_postgres.stop()
    async with crashing(folder(tmp_path), "--log", url) as box:
        answer = await report(box, 0)
        assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (
            503,
            "LOG_UNAVAILABLE",
            "1",
        )
        assert "127.0.0.1" not in answer.text  # the database's address is secret
        assert (await box.get("/health"))["role"] == "follower"
        assert (await box.client.get("/health", params={"check": "readiness"})).status_code == 503
        own_postgres.start()
        assert await report_until_accepted(box, 0) == 1
        assert (await box.get("/health"))["role"] == "leader"


async def test_a_subscriber_whose_missed_messages_are_unavailable_is_disconnected(
    own_postgres: Postgres, tmp_path: Path
) -> None:
    url = own_postgres.new_database()
    async with crashing(folder(tmp_path), "--log", url) as box:
        for number in range(5):
            await report_until_accepted(box, number)
        await box.kill()
    async with crashing(folder(tmp_path), "--log", url) as box:  # none of these is in its memory
        epoch = (await box.get("/ws/status"))["position"]["epoch"]
        own_postgres.stop(signal.SIGQUIT)
        async with listening(box.server.url) as listener:
            await listener.send("subscribe", channels=["jobs"], since={"epoch": epoch, "seq": 0})
            code, reason = await listener.wait_closed()
        assert (code, "the log's database is not available" in reason) == (1001, True)
        own_postgres.start()
        async with by_websocket(box.server.url, epoch, 0) as stream:
            assert [message["seq"] for message in await stream.take(5)] == [1, 2, 3, 4, 5]


async def waits(box: Crashing, leader: Crashing) -> None:
    """Return once a server knows the leader; a deposed one closes its connections before that."""
    with trio.fail_after(60):
        while True:
            with suppress(httpx.TransportError):
                if (await box.get("/health")).get("leader") == leader.server.url:
                    return
            await trio.lowlevel.checkpoint()


async def test_another_server_takes_over_when_the_leader_is_killed(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.new_database()
    async with (
        crashing(folder(tmp_path, "one"), "--log", url) as one,
        crashing(folder(tmp_path, "other"), "--log", url) as other,
    ):
        taken = [await report_until_accepted(one, number) for number in range(20)]
        events = await one.events()
        await waits(other, one)
        await one.kill()
        killed = trio.current_time()
        taken.append(await report_until_accepted(other, 20))
        print(f"took over in {trio.current_time() - killed:.2f} s")
        assert taken == list(range(1, 22))
        found = await other.events()
        assert found[:20] == events
        assert (await other.get("/health"))["term"] == 2


@pytest.mark.slow
async def test_a_suspended_leader_acknowledges_nothing_and_then_waits(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.new_database()
    async with (
        crashing(folder(tmp_path, "one"), "--log", url) as one,
        crashing(folder(tmp_path, "other"), "--log", url) as other,
    ):
        assert await report_until_accepted(one, 0) == 1
        await waits(other, one)
        pid = one.server.process.pid
        os.kill(pid, signal.SIGSTOP)
        stopped = trio.current_time()
        async with trio.open_nursery() as nursery:
            answers: list[httpx.Response | httpx.TransportError] = []

            async def ask() -> None:
                try:
                    answers.append(await report(one, 99))
                except httpx.TransportError as error:
                    answers.append(error)

            nursery.start_soon(ask)
            assert await report_until_accepted(other, 1) == 2
            print(f"took over in {trio.current_time() - stopped:.2f} s")
            os.kill(pid, signal.SIGCONT)
        [answer] = answers
        assert isinstance(answer, httpx.TransportError) or answer.status_code == 503, answer
        await waits(one, other)
        assert await report_until_accepted(other, 2) == 3
        assert [message["seq"] for message in await other.events()] == [1, 2, 3]
        # And back again.
        await other.kill()
        assert await report_until_accepted(one, 3) == 4
        assert [message["seq"] for message in await one.events()] == [1, 2, 3, 4]
        assert (await one.get("/health"))["term"] == 3


async def run_program(*arguments: str) -> tuple[int, str]:
    """Run `progress-server` to its end; return its exit code and its output."""
    program = str(Path(sys.executable).with_name("progress-server"))
    done = await trio.run_process(
        [program, *arguments], env=environment(), check=False, capture_stdout=True, stderr=subprocess.STDOUT
    )
    return done.returncode or 0, done.stdout.decode()


@pytest.mark.slow
async def test_a_log_is_copied_into_postgres_and_back(postgres: Postgres, tmp_path: Path) -> None:
    url, first, last = postgres.new_database(), folder(tmp_path, "first"), tmp_path / "last"
    async with crashing(first) as box:
        for number in range(20):
            await report_until_accepted(box, number)
        await box.post("/progress/complete", job_id="a", success=True)
        events, job, totals = await box.events(), await box.job("a"), await box.get("/progress/totals")
        assert "is in use by another server" in (await run_program("log", "copy", str(first), url))[1]
    code, printed = await run_program("log", "copy", str(first), url)
    assert (code, printed.startswith("copied 1 jobs, 1 runs")) == (0, True), printed
    assert "allowed: an empty one" in (await run_program("log", "copy", str(first), url))[1]
    async with crashing(folder(tmp_path, "shared"), "--log", url) as box:
        assert (await box.events(), await box.job("a")) == (events, job)
        assert (await box.get("/progress/totals")) == totals
        assert (await report(box, 19)).json()["seq"] == 20  # recognized
        assert await box.report("start", "b") == 22
        events = await box.events()
        assert "is in use by the server" in (await run_program("log", "copy", url, str(last)))[1]
    code, printed = await run_program("log", "copy", url, str(last))
    assert code == 0, printed
    async with crashing(last) as box:
        assert (await box.events(), await box.job("a")) == (events, job)
        assert (await box.get("/progress/totals")) == totals


async def test_the_password_of_the_log_is_not_printed(tmp_path: Path) -> None:
    command = ["progress-server", "--print-config", "--data-dir", str(folder(tmp_path))]
    program = Path(sys.executable).with_name(command[0])
    env = environment(PHASELINE_LOG="postgresql://me:secret@box/db")
    done = await trio.run_process([str(program), *command[1:]], env=env, capture_stdout=True)
    [line] = [line for line in done.stdout.decode().splitlines() if line.startswith("log ")]
    assert line.split() == ["log", "postgresql://me:***@box/db", "PHASELINE_LOG"]
    done = await trio.run_process(
        [str(program), *command[1:], "--log", "mysql://me:secret@box/db"],
        env=env,
        check=False,
        capture_stdout=True,
        capture_stderr=True,
    )
    assert done.returncode == 2
    assert b"secret" not in done.stderr
    assert b"allowed: sqlite, or the address of a database" in done.stderr
