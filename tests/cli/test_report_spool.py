"""Reports of commands while the server is down: they are stored, and delivered in order."""

import subprocess
from pathlib import Path

import pytest

from tests.support.commands import PHASELINE, forked_phaseline, job_status, messages, phaseline
from tests.support.servers import server_process

Env = dict[str, str]


async def test_reports_are_stored_while_the_server_is_down_and_delivered_in_order(env: Env, tmp_path: Path) -> None:
    assert (await forked_phaseline(env, "start", "a", "--id", "a", "--phases", "one,two")).out == "a\n"
    kept = await forked_phaseline(env, "report", "a", "10", "-q")
    assert (kept.code, kept.out, kept.err) == (0, "", "")
    output = await forked_phaseline(env, "phase", "a", "two")
    assert (output.code, output.out) == (0, "")
    assert "stored and delivered later" in output.err
    async with server_process(tmp_path, bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        assert (await forked_phaseline(env, "report", "a", "50")).code == 0
        found = await messages(server.url, "a")
    assert [each["type"] for each in found] == ["job_started"] + ["job_progress"] * 3
    assert [each["stage"] for each in found[1:]] == ["one", "two", "two"]
    assert (found[1]["progress"], found[3]["progress"]) == (10, 50)
    assert not list((tmp_path / "state/phaseline/spool").rglob("*.spool"))


async def test_a_reporter_delivers_the_stored_reports_of_commands(env: Env, tmp_path: Path) -> None:
    await forked_phaseline(env, "start", "a", "--id", "a")
    await forked_phaseline(env, "done", "a")
    async with server_process(tmp_path, bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        ran = await phaseline(env, "run", "--", "true")
        assert ran.code == 0
        found = [each["type"] for each in await messages(server.url, "a")]
    assert found == ["job_started", "job_completed"]


@pytest.mark.slow
async def test_commands_at_the_same_time_lose_nothing(env: Env, tmp_path: Path) -> None:
    script = 'for i in 1 2 3; do "$0" report job-$1 $i --phase p-$i -q || exit 1; done; "$0" done job-$1 -q'
    jobs = [f"job-{number}" for number in range(6)]

    def work(url: str) -> None:
        commands = [["sh", "-c", script, PHASELINE, job.removeprefix("job-")] for job in jobs]
        running = [subprocess.Popen(command, env=env | {"PROGRESS_URL": url}) for command in commands]
        assert [process.wait(120) for process in running] == [0] * len(jobs)

    for job in jobs:
        await forked_phaseline(env, "start", job, "--id", job, "-q")
    work(env["PROGRESS_URL"])
    async with server_process(tmp_path, bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        assert (await forked_phaseline(env, "start", "last")).code == 0
        for job in jobs:
            found = [each.get("stage") for each in await messages(server.url, job) if each["type"] == "job_progress"]
            assert found == ["p-1", "p-2", "p-3"]
            assert (await job_status(server.url, job))["state"] == "completed"


async def test_a_rejected_stored_report_does_not_block_the_others(env: Env, tmp_path: Path) -> None:
    await forked_phaseline(env, "done", "never-started")
    await forked_phaseline(env, "start", "a", "--id", "a")
    async with server_process(tmp_path, bind=env["PROGRESS_URL"].removeprefix("http://")) as server:
        ran = await forked_phaseline(env, "done", "a")
        assert ran.code == 0
        assert "a stored report of job never-started was rejected" in ran.err
        assert (await job_status(server.url, "a"))["state"] == "completed"


async def test_a_strict_command_keeps_nothing_and_exits_with_7(env: Env, tmp_path: Path) -> None:
    ran = await forked_phaseline(env, "start", "a", "--strict")
    assert (ran.code, ran.out) == (7, "")
    assert ran.err == f"phaseline: no server at {env['PROGRESS_URL'].removeprefix('http://')}: connection refused\n"
    assert not list((tmp_path / "state").rglob("*.spool"))


async def test_without_a_server_and_a_writable_folder_a_command_exits_with_7(env: Env, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder")
    ran = await forked_phaseline(env, "start", "a")
    assert (ran.code, ran.out) == (7, "")
    assert "can't be stored either" in ran.err


async def test_a_file_of_kept_reports_stays_small(env: Env, tmp_path: Path) -> None:
    await forked_phaseline(env, "report", "a", "1", "-q")
    [file] = (tmp_path / "state/phaseline/spool").rglob("*.spool")
    line = file.read_text().splitlines()[-1]
    head, _, _ = line.rpartition("1}")
    with file.open("a") as more:
        more.writelines(f"{head}{number}}}\n" for number in range(2, 30_000))
    assert file.stat().st_size > 2**22
    assert (await forked_phaseline(env, "report", "a", "2", "-q")).code == 0
    lines = file.read_text().splitlines()
    assert file.stat().st_size < 10_000
    assert '"progress":2.0' in lines[-1]
