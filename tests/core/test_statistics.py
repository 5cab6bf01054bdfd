"""The picture API's moving average: alpha 0.2, in integers, the first sample unchanged."""

from hypothesis import given
from hypothesis import strategies as st

from phaseline.model.events import JobCompleted, JobFailed, JobStarted
from phaseline.model.job import Job
from phaseline.model.phase import PhaseDuration
from phaseline.model.snapshot import Moment
from phaseline.model.statistics import MAX_PHASES_KNOWN, Average, Statistics

durations = st.integers(0, 10**15)


def duration(duration_ns: int, phase: str = "image_wait", workflow: str = "dalle") -> PhaseDuration:
    return PhaseDuration(workflow, "simple", phase, duration_ns)


def test_the_moving_average_has_hand_computed_values() -> None:
    statistics = Statistics()
    by_hand = [
        (1000, 1000),  # the first sample as it is
        (2000, 1200),  # 0.8 * 1000 + 0.2 * 2000
        (700, 1100),  # 0.8 * 1200 + 0.2 * 700
        (1, 880),  # 880.2, in integers
        (881, 880),  # 880.2 again
        (0, 704),
        (704, 704),
        (2_100_000_000, 420_000_563),  # 563.2 + 420,000,000
    ]
    for count, (sample, average) in enumerate(by_hand, 1):
        statistics.learn([duration(sample)])
        assert statistics.average("dalle", "image_wait") == Average(count, average)


@given(st.lists(durations, min_size=1, max_size=30))
def test_an_average_is_an_integer_within_its_samples(samples: list[int]) -> None:
    statistics = Statistics()
    statistics.learn(map(duration, samples))
    average = statistics.average("dalle", "image_wait")
    assert average is not None
    assert type(average.avg_ns) is int
    # Each step rounds down, by less than one.
    assert max(0, min(samples) - 4) <= average.avg_ns <= max(samples)
    assert average.count == len(samples)


def test_every_workflow_and_phase_has_its_own_average() -> None:
    statistics = Statistics()
    statistics.learn([duration(10), duration(20, phase="annotate"), duration(30, workflow="photo")])
    assert statistics.of_workflow("dalle", ["setup", "image_wait", "annotate"]) == {"image_wait": 10, "annotate": 20}
    assert statistics.of_workflow("photo", ["image_wait"]) == {"image_wait": 30}
    assert statistics.average("dalle", "setup") is None


def ended(workflow: str, *, hit: bool = False, well: bool = True) -> Job:
    job = Job("a")
    job.apply(JobStarted(job_id="a", workflow=workflow, cache_hit=hit), Moment(0, 0))
    job.apply(JobCompleted(job_id="a") if well else JobFailed(job_id="a"), Moment(1, 1))
    return job


def test_new_and_existing_pictures_are_counted_separately() -> None:
    assert Statistics.counted(ended("dalle")) == (1, 0)
    assert Statistics.counted(ended("dalle", hit=True)) == (0, 1)
    assert Statistics.counted(ended("dalle", well=False)) == (0, 0)
    assert Statistics.counted(ended("photo")) == (0, 0)


def test_the_least_recently_updated_averages_are_evicted_first() -> None:
    statistics = Statistics({("w", str(i)): Average(1, 1) for i in range(MAX_PHASES_KNOWN - 1)})
    statistics.learn([duration(5, phase="last"), duration(5, phase="one more"), duration(11, phase="0", workflow="w")])
    assert (len(statistics.averages), statistics.evicted) == (MAX_PHASES_KNOWN, 1)
    assert statistics.average("w", "1") is None
    assert statistics.average("dalle", "one more") == Average(1, 5)
    assert statistics.average("w", "0") == Average(2, 3)


def test_of_too_many_averages_at_once_the_last_ones_are_kept() -> None:
    statistics = Statistics({("w", "old"): Average(1, 1)})
    statistics.learn([duration(5, phase=str(i)) for i in range(MAX_PHASES_KNOWN + 10)])
    assert (len(statistics.averages), statistics.evicted) == (MAX_PHASES_KNOWN, 11)
    assert next(iter(statistics.averages)) == ("dalle", "10")


def test_learning_continues_from_earlier_values_without_changing_them() -> None:
    known = {("dalle", "image_wait"): Average(4, 1000)}
    statistics = Statistics(known, generation_runs=12, cache_hits=5)
    statistics.learn([duration(2000)])
    assert statistics.average("dalle", "image_wait") == Average(5, 1200)
    assert known == {("dalle", "image_wait"): Average(4, 1000)}
    assert (statistics.generation_runs, statistics.cache_hits) == (12, 5)
    statistics.clear()
    assert (statistics.averages, statistics.generation_runs, statistics.cache_hits) == ({}, 0, 0)
