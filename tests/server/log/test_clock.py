"""Retention with a wrong wall clock: only time that has really passed removes data."""

from pathlib import Path

import pytest
import trio

from phaseline.model.snapshot import Moment
from phaseline.model.states import State
from phaseline_server.jobs.tracker import now
from phaseline_server.log.batch import JobRow
from phaseline_server.log.protocol import Retention, Store
from phaseline_server.log.sqlite import SqliteStore
from tests.support.journals import batch

DAY_NS = 24 * 3600 * 10**9
IN_2000 = 946_684_800 * 10**9
IN_2026 = 1_780_000_000 * 10**9
WEEK = Retention(age_s=7 * DAY_NS / 1e9)


class Machine:
    """A machine whose server has an open store; every commit is an event and a job that has ended."""

    def __init__(self, data_dir: Path, patch: pytest.MonkeyPatch) -> None:
        self.now = Moment(IN_2026, 0)
        self.boot("first")
        self.store: Store
        self._data_dir = data_dir
        self._patch = patch

    def boot(self, name: str) -> None:
        self._boot = name

    async def start(self) -> None:
        self._patch.setattr("phaseline_server.log.stored_clock.boot_id", lambda: self._boot)
        self.store = await SqliteStore.open(self._data_dir, WEEK)

    async def restart(self, boot: str = "first") -> None:
        await self.store.close()
        self.boot(boot)
        await self.start()

    def pass_time(self, days: float, *, jump_days: float = 0) -> None:
        passed_ns = round(days * DAY_NS)
        self.now = Moment(self.now.wall_ns + passed_ns + round(jump_days * DAY_NS), self.now.mono_ns + passed_ns)

    async def commit(self) -> None:
        seq, wall_ns = self.store.top + 1, self.now.wall_ns
        job = JobRow(f"job{seq}", seq, State.COMPLETED, wall_ns, wall_ns, b"{}")
        given = batch(seq, seq, jobs=[job])
        await self.store.commit(type(given)(at=self.now, messages=given.messages, jobs=given.jobs))

    async def left(self) -> tuple[list[int], int]:
        """Return the numbers of the events and the count of the jobs that remain after pruning."""
        while await self.store.prune(self.now):
            await trio.lowlevel.checkpoint()
        events = [message.seq for message in await self.store.events(0, 1000)]
        return events, len((await self.store.load(0, 1000)).records)


@pytest.fixture
async def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path, monkeypatch)
    await made.start()
    return made


async def test_a_jump_of_the_wall_clock_removes_nothing(machine: Machine) -> None:
    for jump_days in (0, 10, -20, 10_000):
        machine.pass_time(0.01, jump_days=jump_days)
        await machine.commit()
        assert len((await machine.left())[0]) == machine.store.top
    assert await machine.left() == ([1, 2, 3, 4], 4)
    machine.pass_time(6.985)
    assert await machine.left() == ([3, 4], 2)
    machine.pass_time(1)
    assert await machine.left() == ([4], 0)  # the newest event always stays
    await machine.store.close()


@pytest.mark.parametrize("boot", ["first", "second"])
async def test_one_start_in_the_year_2000_removes_nothing(machine: Machine, boot: str) -> None:
    await machine.commit()
    machine.now = Moment(IN_2000, machine.now.mono_ns)
    await machine.restart(boot)
    await machine.commit()
    assert await machine.left() == ([1, 2], 2)
    machine.now = Moment(IN_2026, machine.now.mono_ns)
    assert await machine.left() == ([1, 2], 2)
    await machine.restart(boot)
    await machine.commit()
    assert await machine.left() == ([1, 2, 3], 3)
    await machine.store.close()


async def test_a_first_start_in_the_year_2000_removes_nothing_once_the_clock_is_set(machine: Machine) -> None:
    machine.now = Moment(IN_2000, 0)
    await machine.commit()
    machine.now = Moment(IN_2026, DAY_NS)
    await machine.commit()
    await machine.restart("second")
    await machine.commit()
    assert await machine.left() == ([1, 2, 3], 3)
    await machine.store.close()


async def test_time_without_a_server_is_counted_while_the_machine_is_up(machine: Machine) -> None:
    await machine.commit()
    machine.pass_time(8, jump_days=-100)
    await machine.restart()
    await machine.commit()
    assert await machine.left() == ([2], 1)
    await machine.store.close()


async def test_a_machine_that_was_off_for_long_removes_its_jobs_later(machine: Machine) -> None:
    await machine.commit()
    await machine.left()
    machine.now = Moment(IN_2026 + 30 * DAY_NS, 0)
    await machine.restart("second")
    await machine.commit()
    assert await machine.left() == ([1, 2], 2)
    machine.pass_time(6.1)
    assert await machine.left() == ([2], 1)
    await machine.store.close()


async def test_a_clock_beyond_the_year_2262_is_not_a_failure(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 2**63)
    machine.now = now()
    await machine.commit()
    machine.pass_time(30)
    await machine.commit()
    assert await machine.left() == ([2], 1)
    await machine.store.close()
