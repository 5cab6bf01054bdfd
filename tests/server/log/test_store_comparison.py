"""The engines of the log give the same answers after any steps."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from phaseline_server.log.memory import MemoryStore
from phaseline_server.log.protocol import Retention
from tests.support.store_cases import JOBS, Both, Step, found_in
from tests.support.stores import ENGINES_FOR_MANY_LOGS, OpenStore, opener

SMALL = Retention(events=12, jobs=2, age_s=12e-9, producers=2, durations=3, runs=3)
STATES = ("active", "lost", "ended")
# The operation, the number of events, and the job. More than half of all steps are commits.
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(STATES), st.integers(1, 4), st.sampled_from(JOBS)),
        st.tuples(st.sampled_from((*STATES, "forget", "learn", "unlearn", "prune")), st.just(1), st.sampled_from(JOBS)),
    ),
    min_size=12,
    max_size=30,
)


@pytest.fixture(scope="module", params=ENGINES_FOR_MANY_LOGS)
def open_often(request: pytest.FixtureRequest) -> OpenStore:
    """Open the lasting log of a directory, for many examples."""
    return opener(request)


@pytest.mark.slow
@given(steps=steps, since=st.integers(0, 10))
@settings(max_examples=50)
def test_engines_give_the_same_answers_after_any_steps(
    open_often: OpenStore, steps: Sequence[Step], since: int
) -> None:
    async def compare(folder: Path) -> None:
        lasting, memory = await open_often(folder, SMALL), MemoryStore(SMALL)
        both = Both(lasting, memory)
        for part in (steps, [("prune", 1, "a")]):
            for step in part:
                await both.do(step)
            # It keeps events longer, because it discards those of one commit together.
            assert lasting.oldest <= memory.oldest
            asked = (memory.oldest, both.now_ns - 3 * since)
            assert await found_in(lasting, *asked) == await found_in(memory, *asked)
        await lasting.close()

    with tempfile.TemporaryDirectory() as folder:
        trio.run(compare, Path(folder))
