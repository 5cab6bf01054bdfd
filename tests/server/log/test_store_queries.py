"""Pages of jobs and totals of runs: each engine answers as the one in memory does, which is the specification."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from phaseline.model.states import STATES, State
from phaseline_server.log.batch import JobRow, RunRow
from phaseline_server.log.memory import MemoryStore
from phaseline_server.log.protocol import Retention, Store
from phaseline_server.log.queries import (
    JobQuery,
    Place,
    TotalsQuery,
    middle_and_p95,
    search_text,
    search_words,
)
from phaseline_server.log.sqlite import SqliteStore
from tests.support.journals import batch
from tests.support.stores import ENGINES_FOR_MANY_LOGS, OpenStore, opener

WORKFLOWS, SERIES, HOSTS = ("film", "photo"), ("", "x"), ("", "box-1")
NAMES = ("Straße_042.CR3", "SC_v07.blend", "a%_b")
rows = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"),
        st.sampled_from(STATES),
        st.integers(0, 20),  # the time of the end, or of the latest event
        st.sampled_from(WORKFLOWS),
        st.sampled_from(SERIES),
        st.sampled_from(HOSTS),
        st.sampled_from(NAMES),
        st.booleans(),
        st.integers(1, 9),
    ),
    min_size=1,
    max_size=25,
)
times = st.none() | st.integers(0, 21)
filters = st.fixed_dictionaries(
    {
        "workflow": st.none() | st.sampled_from(WORKFLOWS),
        "series": st.none() | st.sampled_from(SERIES),
        "host": st.none() | st.sampled_from(HOSTS),
        "words": st.sampled_from(["", "", "STRASSE", "sc blend", "%_", "box", "nothing"]).map(search_words),
        "until_ns": times,
        "prefix": st.sampled_from(["", "", "a", "ab"]),
    }
)
Row = tuple[str, State, int, str, str, str, str, bool, int]


async def commit(store: Store, found: Sequence[Row]) -> None:
    for seq, (job_id, state, at_ns, workflow, series, host, name, dismissed, took) in enumerate(found, 1):
        search = search_text(name, job_id, workflow, series, host)
        ended_ns = at_ns if state.ended else None
        gone = dismissed and state is not State.ACTIVE
        job = JobRow(job_id, seq, state, at_ns, ended_ns, b"%d" % seq, workflow, series, host, search, gone)
        measured = state is State.COMPLETED and took > 1
        run = RunRow(seq, at_ns, job_id, workflow, series, state, "", took, None, host, search, measured)
        await store.commit(
            batch(
                seq,
                seq,
                at_ns=seq,
                jobs=[job],
                runs=[run] if state.ended else [],
                dismissed=[(at_ns, job_id)] if gone and state.ended else [],
            )
        )


async def pages(store: Store, query: dict[str, Any], limit: int, most_bytes: int) -> list[list[str]]:
    """Return the records of all pages."""
    found: list[list[str]] = []
    after: Place | None = None
    while True:
        page = await store.jobs(JobQuery(**query, after=after, limit=limit, most_bytes=most_bytes))
        found.append([job.record.decode() for job in page.jobs])
        if not page.more:
            return found
        after = page.jobs[-1].place


@pytest.fixture(scope="module", params=ENGINES_FOR_MANY_LOGS)
def open_at(request: pytest.FixtureRequest) -> OpenStore:
    """Open the lasting log of a directory."""
    return opener(request)


@pytest.mark.slow
@given(
    found=rows,
    wanted=filters,
    since=times,
    before=st.integers(0, 10),
    states=st.frozensets(st.sampled_from(STATES), min_size=1),
    dismissed=st.booleans(),
    limit=st.integers(1, 4),
)
@settings(max_examples=60)
def test_engines_answer_queries_alike(
    open_at: OpenStore,
    *,
    found: list[Row],
    wanted: dict[str, Any],
    since: int | None,
    before: int,
    states: frozenset[State],
    dismissed: bool,
    limit: int,
) -> None:
    async def compare(folder: Path) -> None:
        lasting, memory = await open_at(folder, Retention()), MemoryStore()
        query = wanted | {"since_ns": since, "states": states, "dismissed": dismissed}
        answers: list[Any] = []
        for store in (lasting, memory):
            await commit(store, found)
            whole = await pages(store, query, 1000, 2**20)
            for parts in (await pages(store, query, limit, 2**20), await pages(store, query, 1000, 2)):
                assert [record for part in parts for record in part] == whole[0]
            totals = TotalsQuery(**wanted, since_ns=since, before_ns=max(0, (since or 0) - before))
            ends = await store.ends(since or 0, 21)
            answers.append((whole, await store.totals(totals), {state: ends.get(state, 0) for state in STATES}))
        assert answers[0] == answers[1]
        await lasting.close()

    with tempfile.TemporaryDirectory() as folder:
        trio.run(compare, Path(folder))


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ([], (None, None)),
        ([7], (7, 7)),
        ([9, 1], (5, 9)),
        ([3, 1, 2], (2, 3)),
        (list(range(1, 101)), (50, 95)),
        (list(range(100, 0, -1)), (50, 95)),
    ],
)
def test_medians_and_percentiles_are_computed(durations: list[int], expected: tuple[int | None, int | None]) -> None:
    assert middle_and_p95(durations) == expected


async def test_a_query_waits_for_no_commit_and_delays_none(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path)
    await commit(store, [("a", State.COMPLETED, 1, "film", "", "", "n", False, 1)])
    with store._journal._transaction() as write:  # a commit that lasts
        write.execute("UPDATE jobs SET host = 'box-2'")
        with trio.fail_after(10):
            assert len((await store.jobs(JobQuery())).jobs) == 1
            assert len(await store.totals(TotalsQuery(before_ns=0))) == 1
    with store._journal._querying, trio.fail_after(10):  # a query that lasts
        await store.commit(batch(2, 2, at_ns=2))
        assert len(await store.events(0, 10)) == 2
    await store.close()
