"""Forecasts of when each host and queue is free, and learning from batches."""

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from phaseline.model.events import JobCancelled, JobCompleted, JobProgress, JobQueued, JobStarted
from phaseline.model.statistics import Statistics
from phaseline_server.jobs.tracker import Tracker
from phaseline_server.learning.boxes import Boxes, BoxItem
from phaseline_server.learning.learner import Learning
from phaseline_server.log.engines import open_store
from phaseline_server.log.protocol import Store
from phaseline_server.log.stream import Log
from tests.support.servers import SERVER, environment, serving
from tests.support.tokens import make_tokens, shown
from tests.support.tracking import HandClock

KEY = ("atlas", "gpu")
LENGTH = 10  # seconds that a job takes
PLACE: dict[str, Any] = {"host": "atlas", "queue": "gpu", "workflow": "w", "series": "s", "phases": ("work",)}


@dataclass
class Machine:
    """A machine with a queue that starts two jobs at a time, and its server, on a manual clock."""

    tracker: Tracker
    learning: Learning
    boxes: Boxes
    store: Store
    clock: HandClock
    batches: int = 0

    @property
    def item(self) -> BoxItem:
        [item] = self.boxes.items()
        return item

    async def queue(self, jobs: int) -> list[str]:
        """Queue a batch."""
        self.batches += 1
        names = [f"{self.batches}-{number}" for number in range(jobs)]
        for position, name in enumerate(names, 1):
            await self.tracker.report(JobQueued(job_id=name, position=position, **PLACE))
        await self.boxes.look()
        return names

    async def run(self, names: list[str]) -> None:
        """Run jobs at once, with progress."""
        for name in names:
            await self.tracker.report(JobStarted(job_id=name, **PLACE))
        for second in range(LENGTH):
            for name in names:
                await self.tracker.report(JobProgress(job_id=name, phase="work", progress=100 * second / LENGTH))
            await self.boxes.look()
            self.clock.advance(1)
        for name in names:
            await self.tracker.report(JobCompleted(job_id=name))
        self.learning.learn_ended()
        await self.boxes.look()

    async def batch(self) -> None:
        """Run a batch of four jobs."""
        names = await self.queue(4)
        await self.run(names[:2])
        await self.run(names[2:])


@asynccontextmanager
async def machine(data_dir: Path) -> AsyncIterator[Machine]:
    clock = HandClock()
    async with open_store(data_dir) as store:
        learning = Learning(store, Statistics())
        log = Log(store, 1000, 1000)
        tracker = Tracker(log, learning.model, Statistics(), max_jobs=100, clock=clock, listener=learning)
        async with tracker.keeping():
            yield Machine(tracker, learning, Boxes(tracker, learning.boxes), store, clock)


def report(data_dir: Path) -> str:
    """Return what `eta-report` prints."""
    command = [*SERVER, "eta-report", "--data-dir", str(data_dir)]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment()).stdout


@pytest.mark.slow
async def test_a_box_is_free_when_its_queue_has_ended(tmp_path: Path) -> None:
    async with machine(tmp_path) as box:
        await box.queue(4)
        assert (box.item.active, box.item.queued, box.item.free_seconds) == (0, 4, None)
        for name in ("1-0", "1-1", "1-2", "1-3"):
            await box.tracker.report(JobCancelled(job_id=name))
        for _ in range(6):
            await box.batch()
        assert box.boxes.items() == []
        names = await box.queue(4)
        item = box.item
        assert (item.host, item.queue, item.slots, item.queued, item.batches) == ("atlas", "gpu", 2, 4, 6)
        assert item.free_seconds == pytest.approx(20, rel=0.15)
        assert item.free_low_seconds is not None
        assert item.free_high_seconds is not None
        assert item.free_low_seconds <= 20 <= item.free_high_seconds
        await box.run(names[:2])
        before_s = box.item.free_seconds or 0.0
        assert before_s == pytest.approx(10, rel=0.15)
        box.clock.advance(0.25)
        assert box.item.free_seconds == pytest.approx(before_s - 0.25, abs=0.002), "it counts down between two looks"


async def test_a_cancelled_batch_is_not_learned(tmp_path: Path) -> None:
    async with machine(tmp_path) as box:
        await box.batch()
        names = await box.queue(4)
        await box.run(names[:2])
        for name in names[2:]:
            await box.tracker.report(JobCancelled(job_id=name))
        await box.boxes.look()
        assert box.boxes.items() == []
        await box.queue(1)
        assert box.item.batches == 1


async def test_a_forecast_is_unknown_while_the_estimate_of_one_job_is_unknown(tmp_path: Path) -> None:
    async with machine(tmp_path) as box:
        await box.batch()
        await box.queue(2)
        assert box.item.free_seconds is not None
        await box.tracker.report(JobStarted(job_id="other", host="atlas", queue="gpu", workflow="new"))
        await box.boxes.look()
        unknown = box.item
        assert unknown.active == 1
        assert (unknown.free_seconds or unknown.free_high_seconds or unknown.free_at) is None
        await box.tracker.report(JobCancelled(job_id="other"))
        await box.boxes.look()
        assert box.item.free_seconds is not None


@pytest.mark.slow
async def test_the_learned_state_of_boxes_survives_a_restart(tmp_path: Path) -> None:
    async with machine(tmp_path) as box:
        for _ in range(3):
            await box.batch()
        await box.learning.save()
        known = box.learning.boxes.ratios(KEY)
    async with open_store(tmp_path) as store:
        again = Learning(store, Statistics())
        again.restore(await store.learned())
    assert again.boxes.ratios(KEY).score == known.score
    assert again.boxes.ratios(KEY).slots == 2
    heads, line = report(tmp_path).split("\n\n")[1].splitlines()
    assert heads.split() == ["host", "and", "queue", "batches", "error", "in", "band"]
    assert line.split()[:3] == ["atlas", "gpu", "3"]


async def test_boxes_are_listed_for_readers_of_all_jobs(tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path)
    async with serving(tmp_path) as client:
        queued = [{"type": "job_queued", "job_id": f"j{n}", "position": n, **PLACE} for n in range(1, 4)]
        started = {"type": "job_started", "job_id": "j1", **PLACE}
        body = json.dumps([*queued, started])
        answer = await client.post("/progress/batch", content=body, headers=shown(tokens, "report"))
        assert answer.json()["success"], answer.text
        listed: list[dict[str, Any]] = []
        while not listed:
            answer = await client.get("/progress/boxes", headers=shown(tokens, "read"))
            assert answer.status_code == 200, answer.text
            listed = answer.json()["boxes"]
        [box] = listed
        assert (box["host"], box["queue"], box["active"], box["queued"]) == ("atlas", "gpu", 1, 2)
        assert box["free_seconds"] is None
        for caller, status in (("nobody", 401), ("read:shot-", 403), ("report", 403)):
            assert (await client.get("/progress/boxes", headers=shown(tokens, caller))).status_code == status
