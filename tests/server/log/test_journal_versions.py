"""Journals of earlier versions are opened and migrated to the present version without loss.

The files in `tests/data` were written by Phaseline as it was then, and dumped as SQL.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from phaseline.model.record import decode_job
from phaseline.model.snapshot import Moment
from phaseline.model.states import State
from phaseline.model.statistics import Average, Statistics
from phaseline_server.learning.learner import Learning
from phaseline_server.log.engines import open_store
from phaseline_server.log.protocol import Retention
from phaseline_server.log.queries import JobQuery, TotalsQuery, search_words
from phaseline_server.log.sqlite.schema import VERSION
from tests.support.journals import NAME, batch

DATA = Path(__file__).resolve().parents[2] / "data"
EPOCH = "5eed5eed5eed5eed"
OLD = range(1, VERSION)
DAY_NS = 24 * 3600 * 10**9
WRITTEN_NS = 1_730_000_000_000_000_000


def written(version: int, data_dir: Path) -> Path:
    """Write the journal of an old version, and return its path."""
    path = data_dir / NAME
    with closing(sqlite3.connect(path)) as old:
        old.executescript((DATA / f"journal_v{version}.sql").read_text(encoding="ascii"))
        assert old.execute("PRAGMA user_version").fetchone() == (version,)
        served = old.execute("SELECT value FROM meta WHERE key = 'served'").fetchone()
    if served is not None:  # since version 5, beside the journal too
        marker = {"served": served, "inode": path.stat().st_ino, "top": 21}
        (data_dir / "journal.lock").write_text(json.dumps(marker))
    return path


def rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def layout(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return the columns of each table, and of each index that was asked for."""
    names = rows(path, "SELECT type, name FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: rows(path, f"PRAGMA {kind}_xinfo({name})") for kind, name in names}


async def test_a_file_of_version_1_keeps_its_events_jobs_producers_and_averages(tmp_path: Path) -> None:
    written(1, tmp_path)
    async with open_store(tmp_path) as store:
        assert (store.epoch, store.top, store.oldest) == (EPOCH, 9, 1)
        assert [message.type for message in await store.events(0, 100)][:2] == ["job_started", "job_progress"]
        assert (await store.events(8, 1))[0].channels == {"system"}
        kept = await store.load(0, 100)
        assert kept.producers == {("*", "worker", "running"): (3, 3)}
        assert kept.averages == {("photo", "importing"): Average(1, 2_000_000_000)}
        assert kept.counts == (0, 0)
        jobs = [decode_job(record, Moment(0, 0), same_clock=False) for record in kept.records]
        assert {job.job_id: job.state for job in jobs} == {"running": State.ACTIVE, "done": State.COMPLETED}


@pytest.mark.parametrize("version", OLD[1:])
async def test_a_file_of_a_later_version_also_keeps_the_learned_state(tmp_path: Path, version: int) -> None:
    written(version, tmp_path)
    async with open_store(tmp_path) as store:
        assert (store.epoch, store.top, store.oldest) == (EPOCH, 21, 1)
        messages = await store.events(0, 100)
        assert [message.seq for message in messages] == list(range(1, 22))
        assert [message.type for message in messages[-4:]] == ["job_lost", "job_started", "job_progress", "notice"]
        kept = await store.load(0, 100)
        owner = "" if version >= 5 else "*"
        assert kept.producers == {(owner, "box/1", "silent"): (2, 17), (owner, "box/2", "running"): (2, 20)}
        assert kept.averages == {
            ("film", "load"): Average(2, 1_100_000_000),
            ("film", "render"): Average(2, 4_400_000_000),
        }
        jobs = [decode_job(record, Moment(0, 0), same_clock=False) for record in kept.records]
        assert {job.job_id: job.state for job in jobs} == {
            "film1": State.COMPLETED,
            "film2": State.COMPLETED,
            "bad": State.FAILED,
            "silent": State.LOST,
            "running": State.ACTIVE,
        }
        assert [run.seq for run in (await store.learned()).runs] == [6, 12]
        assert [failure.phase for failure in (await store.outcomes(9)).failures] == ["render"]
        learning = Learning(store, Statistics(kept.averages))
        learning.restore(await store.learned())
        assert learning.model.keys() == [("film", "trailer")]
        assert [score.series for score in learning.scores.table()] == ["trailer"]


@pytest.mark.parametrize("version", OLD)
async def test_an_old_file_gets_the_layout_of_a_new_one_and_is_written_as_such(tmp_path: Path, version: int) -> None:
    path = written(version, tmp_path)
    (tmp_path / "new").mkdir()
    async with open_store(tmp_path) as store, open_store(tmp_path / "new"):
        assert rows(path, "PRAGMA user_version") == [(VERSION,)]
        assert layout(path) == layout(tmp_path / "new" / NAME)
        await store.commit(batch(store.top + 1, store.top + 3))
        top = store.top
    async with open_store(tmp_path) as again:
        assert (again.epoch, again.top, len(await again.events(0, 100))) == (EPOCH, top, top)


@pytest.mark.parametrize("version", OLD)
async def test_the_columns_of_old_jobs_are_filled_from_their_records(tmp_path: Path, version: int) -> None:
    path = written(version, tmp_path)
    async with open_store(tmp_path):
        pass
    found = rows(path, "SELECT job_id, state, latest_ns, workflow, series, host, dismissed, record FROM jobs")
    assert len(found) == {1: 2}.get(version, 5)
    for *columns, record in found:
        job = decode_job(record, Moment(0, 0), same_clock=True)
        facts = [job.workflow.name, job.series, job.host, False]
        assert columns == [job.job_id, job.state, job.latest.wall_ns, *facts]


async def test_jobs_of_an_old_file_are_found_by_name_and_their_runs_by_host(tmp_path: Path) -> None:
    written(5, tmp_path)
    async with open_store(tmp_path) as store:
        page = await store.jobs(JobQuery(words=search_words("img_001")))
        assert [found.job_id for found in page.jobs] == ["silent"]
        page = await store.jobs(JobQuery())
        assert [found.job_id for found in page.jobs] == ["running", "silent", "bad", "film2", "film1"]
        [total] = await store.totals(TotalsQuery(before_ns=0, host="box"))
        seconds = total.median_ns / 1e9 if total.median_ns else None
        assert (total.workflow, total.series, total.completed, seconds) == ("film", "trailer", 2, 6.25)
        totals = await store.totals(TotalsQuery(before_ns=0))
        assert [(total.workflow, total.runs, total.failed, total.lost) for total in totals] == [
            ("film", 3, 1, 0),
            ("photo", 1, 0, 1),
        ]
        assert await store.ends(0, 2**62) == {"completed": 2, "failed": 1}


@pytest.mark.parametrize("version", OLD[1:])
async def test_a_job_lost_before_the_upgrade_is_removed_by_its_age(tmp_path: Path, version: int) -> None:
    path = written(version, tmp_path)
    async with open_store(tmp_path, Retention(age_s=DAY_NS / 1e9)) as store:
        await store.prune(Moment(WRITTEN_NS + 9 * DAY_NS, 0))
        assert ("silent",) in rows(path, "SELECT job_id FROM jobs")
        await store.prune(Moment(WRITTEN_NS + 10 * DAY_NS, DAY_NS))
        assert rows(path, "SELECT job_id FROM jobs") == [("running",)]


async def test_an_old_job_with_an_unreadable_record_is_kept(tmp_path: Path) -> None:
    path = written(3, tmp_path)
    with closing(sqlite3.connect(path)) as harmed:
        harmed.execute("UPDATE jobs SET record = x'ff7b' WHERE job_id = 'silent'")
        harmed.commit()
    async with open_store(tmp_path) as store:
        assert await store.job("silent") == b"\xff{"
        for days in (0, 365):
            await store.prune(Moment(WRITTEN_NS + days * DAY_NS, days * DAY_NS))
    assert rows(path, "SELECT state, latest_ns FROM jobs WHERE job_id = 'silent'") == [("", 0)]
