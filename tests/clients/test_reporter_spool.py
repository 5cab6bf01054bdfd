"""The default spool of a reporter: its place, delivery and limits, and reporters without one."""

import os
import stat
from pathlib import Path

import pytest
import trio

from phaseline.client.address import Address
from phaseline.client.state import spool_folder
from phaseline.model.events import MAX_AGE_S, JobStarted
from phaseline.reporting import Reporter
from phaseline.reporting.delivery.tidying import tidy
from tests.support.ports import free_port
from tests.support.reporting import job_status, run_program
from tests.support.servers import server_process

SHORT = """
import sys
from phaseline.reporting import Reporter
with Reporter(sys.argv[1]) as reporter, reporter.job("short run", job_id=sys.argv[2]) as job:
    job.progress(50, phase="work")
"""


def spools(state: Path) -> list[Path]:
    return sorted((state / "phaseline" / "spool").glob("*/*"))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.slow
async def test_a_short_run_without_a_server_names_its_spool_and_the_next_run_delivers_it(
    tmp_path: Path,
) -> None:
    port, env = free_port(), {"XDG_STATE_HOME": str(tmp_path / "state")}
    url = f"http://127.0.0.1:{port}"
    ended = await run_program(SHORT, url, "first", env=env)
    [file] = spools(tmp_path / "state")
    [warning] = [line for line in ended.stderr.decode().splitlines() if "could not be delivered" in line]
    assert warning.endswith(
        f"are left in {file.parent}; the next run that reports to this server delivers them; jobs: 'first'"
    )
    assert (mode(file), mode(file.parent), mode(file.parent.parent)) == (0o600, 0o700, 0o700)
    (tmp_path / "data").mkdir()
    async with server_process(tmp_path / "data", bind=f"127.0.0.1:{port}") as server:
        again = await run_program(SHORT, url, "second", env=env)
        assert again.stderr == b""
        assert [(await job_status(server.url, job))["state"] for job in ("first", "second")] == ["completed"] * 2
        assert spools(tmp_path / "state") == []


@pytest.mark.slow
async def test_reports_for_one_server_never_reach_another(tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}
    await run_program(SHORT, f"http://127.0.0.1:{free_port()}", "elsewhere", env=env)
    (tmp_path / "data").mkdir()
    async with server_process(tmp_path / "data") as server:
        await run_program(SHORT, server.url, "here", env=env)
        assert (await job_status(server.url, "here"))["state"] == "completed"
    assert len(spools(tmp_path / "state")) == 1


@pytest.mark.slow
async def test_an_unwritable_home_harms_no_worker(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}
    (tmp_path / "data").mkdir()
    async with server_process(tmp_path / "data") as server:
        ended = await run_program(SHORT, server.url, "a", env=env)
        assert ended.stderr == b""
        assert (await job_status(server.url, "a"))["state"] == "completed"
    ended = await run_program(SHORT, f"http://127.0.0.1:{free_port()}", "b", env=env)
    assert b"are lost (" in ended.stderr
    assert b"can't be written: File exists); jobs: 'b'" in ended.stderr


@pytest.mark.slow
async def test_many_processes_at_once_share_the_folder_and_each_report_arrives_once(tmp_path: Path) -> None:
    port, env = free_port(), {"XDG_STATE_HOME": str(tmp_path / "state")}
    url = f"http://127.0.0.1:{port}"

    async def run(name: str) -> None:
        await run_program(SHORT, url, name, env=env)

    async def run_all(names: list[str]) -> None:
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(run, name)

    before, after = [f"before-{n}" for n in range(5)], [f"after-{n}" for n in range(5)]
    await run_all(before)
    assert len(spools(tmp_path / "state")) == len(before)
    (tmp_path / "data").mkdir()
    async with server_process(tmp_path / "data", bind=f"127.0.0.1:{port}") as server:
        await run_all(after)
        for name in (*before, *after):
            status = await job_status(server.url, name)
            assert (status["state"], status["errors"]) == ("completed", [])
        assert spools(tmp_path / "state") == []


async def test_an_empty_spool_dir_keeps_reports_in_memory_only(caplog: pytest.LogCaptureFixture) -> None:
    async with Reporter(f"http://127.0.0.1:{free_port()}", spool_dir="") as reporter:
        reporter.report(JobStarted(job_id="a"))
    assert "are lost (no spool_dir); jobs: 'a'" in caplog.text
    assert spools(Path(os.environ["XDG_STATE_HOME"])) == []


@pytest.mark.parametrize(
    ("url", "environ", "folder"),
    [
        ("http://box:8080", {"XDG_STATE_HOME": "/state"}, "/state/phaseline/spool/box-8080"),
        ("wss://Box/a/b", {"XDG_STATE_HOME": "", "HOME": "/me"}, "/me/.local/state/phaseline/spool/box-443_a_b"),
        ("[::1]:5100", {"XDG_STATE_HOME": "state", "HOME": "/me"}, "/me/.local/state/phaseline/spool/__1-5100"),
        ("b,a", {"XDG_STATE_HOME": "/state"}, "/state/phaseline/spool/a-5100"),
        ("a,b", {"XDG_STATE_HOME": "/state"}, "/state/phaseline/spool/a-5100"),
    ],
)
def test_each_log_has_its_own_folder(url: str, environ: dict[str, str], folder: str) -> None:
    assert spool_folder(Address.configured(url), environ) == Path(folder)


def test_spools_that_are_too_old_or_too_many_are_removed_but_for_those_in_use(tmp_path: Path) -> None:
    folder = spool_folder((Address.parse("box"),), {"XDG_STATE_HOME": str(tmp_path)})
    tidy(folder)  # before there is one
    folder.mkdir(parents=True)
    for name, age in (("new.spool", 10.0), ("old.spool", MAX_AGE_S + 10), ("half.new", MAX_AGE_S + 10)):
        (folder / name).write_bytes(b"{}\n")
        os.utime(folder / name, (1e9 - age, 1e9 - age))
    (folder / "notes.txt").touch()
    os.utime(folder / "notes.txt", (0, 0))
    tidy(folder, 1e9)
    assert sorted(path.name for path in folder.iterdir()) == ["new.spool", "notes.txt"]
    for number in range(1100):
        (folder / f"{number}.spool").touch()
        os.utime(folder / f"{number}.spool", (1e9 + number, 1e9 + number))
    tidy(folder, 1e9 + 2000)
    assert len(list(folder.glob("*.spool"))) == 1000
    assert not (folder / "99.spool").exists()
