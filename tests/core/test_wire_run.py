"""The picture API's snapshot: all keys, always in order, and the meaning of its numbers."""

import json
from typing import Any

import msgspec
import pytest

from phaseline.model.events import Event, JobCancelled, JobCompleted, JobFailed, JobProgress, JobStarted, PhaseCompleted
from phaseline.model.job import Job
from phaseline.model.snapshot import Estimate
from phaseline.wire import encode_run, run_snapshot
from tests.support.core_events import SECOND, WALL, moment
from tests.support.picture_runs import KEYS, PHASE_KEYS, PHASES

DRESS = {"original": "0x1", "attributes": []}
UNKNOWN = Estimate(0.0)

STARTED: tuple[Event, ...] = (JobStarted(job_id="j", workflow="dalle", series="simple"),)
AT_WORK = (
    *STARTED,
    JobProgress(job_id="j", phase="setup"),
    JobProgress(job_id="j", phase="base_prompts"),
    PhaseCompleted(job_id="j", phase="base_prompts"),
    PhaseCompleted(job_id="j", phase="enhance_prompt", skipped=True),
    JobProgress(job_id="j", phase="image_wait", progress=40),
)
RUNS: dict[str, tuple[Event, ...]] = {
    "just started": STARTED,
    "at work": AT_WORK,
    "completed": (*AT_WORK, JobCompleted(job_id="j")),
    "failed": (*AT_WORK, JobFailed(job_id="j", result={"error": "the provider refused"})),
    "failed at once": (*STARTED, JobFailed(job_id="j")),
    "cancelled": (*AT_WORK, JobCancelled(job_id="j", reason="by hand")),
    "cache hit": (JobStarted(job_id="j", workflow="dalle", series="simple", cache_hit=True), JobCompleted(job_id="j")),
}


def run(
    events: tuple[Event, ...], estimate: Estimate = UNKNOWN, averages: dict[str, int] | None = None
) -> dict[str, Any]:
    """Return the run's snapshot after `events`, one per second, as a client reads it."""
    job = Job("dalle:simple:0xabc")
    for second, event in enumerate(events):
        job.apply(event, moment(second))
    job.seq = 41
    document = encode_run(job.snapshot(moment(len(events)), estimate, averages or {}), DRESS)
    read: dict[str, Any] = json.loads(document)
    return read


@pytest.mark.parametrize("events", RUNS.values(), ids=RUNS)
def test_a_run_always_has_all_keys_those_of_the_picture_api_first(events: tuple[Event, ...]) -> None:
    assert list(run(events)) == KEYS


@pytest.mark.parametrize("events", RUNS.values(), ids=RUNS)
def test_a_run_always_has_all_eight_phases_with_all_their_keys(events: tuple[Event, ...]) -> None:
    phases = run(events)["phases"]
    assert [phase["name"] for phase in phases] == PHASES
    assert all(list(phase) == PHASE_KEYS for phase in phases)
    assert run(events)["phaseCount"] == 8


@pytest.mark.parametrize("events", RUNS.values(), ids=RUNS)
def test_every_value_has_the_type_of_the_picture_api(events: tuple[Event, ...]) -> None:
    class SeedPhase(msgspec.Struct):
        name: str
        startedNs: int  # noqa: N815
        endedNs: int  # noqa: N815
        skipped: bool
        error: str

    class Seed(msgspec.Struct):
        series: str
        address: str
        currentPhase: str  # noqa: N815
        startedNs: int  # noqa: N815
        percent: float
        etaSeconds: float  # noqa: N815
        done: bool
        error: str
        cacheHit: bool  # noqa: N815
        phases: list[SeedPhase]
        dalleDress: dict[str, Any]  # noqa: N815
        phaseAverages: dict[str, int]  # noqa: N815

    msgspec.convert(run(events), Seed)


def test_an_active_run_has_all_figures() -> None:
    estimate = Estimate(37.24, 12_420 * 10**6, 10 * SECOND, 20 * SECOND, "history", 4, 40.0, 2 * SECOND)
    snapshot = run(AT_WORK, estimate, {"image_wait": 2_500_000_000})
    phases = snapshot.pop("phases")
    assert snapshot == {
        "series": "simple",
        "address": "0xabc",
        "currentPhase": "image_wait",
        "startedNs": WALL,
        "percent": 37.2,
        "etaSeconds": 12.4,
        "done": False,
        "error": "",
        "cacheHit": False,
        "dalleDress": DRESS,
        "phaseAverages": {"image_wait": 2_500_000_000},
        "phasePercent": 40,
        "phaseEtaSeconds": 2,
        "phaseIndex": 5,
        "phaseCount": 8,
        "jobId": "dalle:simple:0xabc",
        "seq": 41,
        "startedAt": "2024-10-27T03:33:20.000Z",
        "etaLowSeconds": 10,
        "etaHighSeconds": 20,
        "finishAt": "2024-10-27T03:33:38.420Z",
        "finishLowAt": "2024-10-27T03:33:36.000Z",
        "finishHighAt": "2024-10-27T03:33:46.000Z",
        "etaBasis": "history",
        "etaRuns": 4,
        "etaReasons": [],
    }
    times = {phase["name"]: (phase["startedNs"], phase["endedNs"]) for phase in phases}
    assert times["setup"] == (WALL + SECOND, WALL + 2 * SECOND)
    assert times["enhance_prompt"] == (WALL + 3 * SECOND, WALL + 4 * SECOND)
    assert times["image_wait"] == (WALL + 5 * SECOND, 0)
    assert times["annotate"] == times["completed"] == (0, 0)
    assert [phase["name"] for phase in phases if phase["skipped"]] == ["enhance_prompt", "image_prep"]


def test_a_run_that_just_started_is_in_its_first_phase() -> None:
    snapshot = run(STARTED)
    assert (snapshot["currentPhase"], snapshot["phaseIndex"], snapshot["percent"]) == ("setup", 1, 0)


def test_an_unknown_remaining_time_is_minus_one() -> None:
    snapshot = run(AT_WORK)
    assert (snapshot["etaSeconds"], snapshot["phaseEtaSeconds"]) == (-1, -1)
    assert (snapshot["etaLowSeconds"], snapshot["etaHighSeconds"]) == (None, None)


@pytest.mark.parametrize("remaining_ns", [1, 1000, 49_999_999, 50_000_000])
def test_the_remaining_time_is_never_0_before_the_end(remaining_ns: int) -> None:
    estimate = Estimate(99.0, remaining_ns, remaining_ns, remaining_ns, phase_remaining_ns=remaining_ns)
    snapshot = run(AT_WORK, estimate)
    assert (snapshot["etaSeconds"], snapshot["phaseEtaSeconds"]) == (0.1, 0.1)
    assert (snapshot["etaLowSeconds"], snapshot["etaHighSeconds"]) == (0.1, 0.1)


@pytest.mark.parametrize("name", sorted(RUNS.keys() - {"just started", "at work"}))
def test_the_remaining_time_is_0_at_the_end(name: str) -> None:
    snapshot = run(RUNS[name], Estimate(50.0, 7 * SECOND))
    assert (snapshot["etaSeconds"], snapshot["phaseEtaSeconds"], snapshot["done"]) == (0, 0, True)
    assert (snapshot["currentPhase"], snapshot["phaseIndex"]) == ("completed", 8)


def test_a_completed_run_is_100_percent_and_any_other_end_is_less() -> None:
    estimate = Estimate(100.0)
    percents = {name: run(events, estimate)["percent"] for name, events in RUNS.items()}
    assert percents == {
        "just started": 99.9,
        "at work": 99.9,
        "completed": 100,
        "failed": 0,
        "failed at once": 0,
        "cancelled": 0,
        "cache hit": 100,
    }


def test_a_failed_run_is_completed_with_its_error() -> None:
    snapshot = run(RUNS["failed"])
    assert snapshot["error"] == "the provider refused"
    errors = {phase["name"]: phase["error"] for phase in snapshot["phases"] if phase["error"]}
    assert errors == {"image_wait": "the provider refused", "completed": "the provider refused"}
    assert run(RUNS["cancelled"])["error"] == "by hand"


def test_a_cache_hit_is_marked_and_skips_every_phase() -> None:
    snapshot = run(RUNS["cache hit"])
    assert (snapshot["cacheHit"], snapshot["done"], snapshot["error"]) == (True, True, "")
    assert [phase["name"] for phase in snapshot["phases"] if not phase["skipped"]] == ["completed"]
    assert snapshot["phases"][-1]["startedNs"] == snapshot["phases"][-1]["endedNs"] == WALL + SECOND


def test_the_dress_is_any_object_that_can_be_encoded() -> None:
    class Dress(msgspec.Struct):
        original: str

    job = Job("dalle:simple:0x1")
    job.apply(STARTED[0], moment(0))
    snapshot = job.snapshot(moment(1), UNKNOWN, {})
    assert run_snapshot(snapshot, Dress("0x1"))["dalleDress"] == Dress("0x1")
    assert json.loads(encode_run(snapshot, Dress("0x1")))["dalleDress"] == {"original": "0x1"}
