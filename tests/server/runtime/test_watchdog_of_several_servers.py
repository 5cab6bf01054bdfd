"""The watchdog of servers that share a log: only the leader judges, and a new one waits as long as after a restart."""

import time
from pathlib import Path

import pytest
import trio

from tests.server.runtime.test_following import follows
from tests.server.runtime.test_shared_log import folder, report_until_accepted
from tests.support.crashing import crashing
from tests.support.postgres import Postgres

pytestmark = [pytest.mark.slow, pytest.mark.needs("postgres")]

STALL_AFTER = "1"
PATIENCE_S = 10.0  # ten times that, for a phase whose usual silence is not known


async def test_only_the_leader_judges_silence_and_a_new_leader_counts_it_from_zero(
    postgres: Postgres, tmp_path: Path
) -> None:
    url = postgres.new_database()
    async with (
        crashing(folder(tmp_path, "one"), "--log", url) as one,
        crashing(folder(tmp_path, "other"), "--log", url, "--stall-after", STALL_AFTER) as other,
    ):
        await report_until_accepted(one, 0)
        await follows(other, one)
        # A follower that judged would have done so by now; the leader waits longer.
        await trio.sleep(PATIENCE_S + 2)
        assert (await other.job("a"))["state"] == "active"
        assert [message["type"] for message in await one.events()] == ["job_started"]
        killed = time.time()
        await one.kill()
        with trio.fail_after(60):
            while (await other.job("a"))["state"] != "stalled":
                await trio.lowlevel.checkpoint()
        assert time.time() - killed > PATIENCE_S
        assert [message["type"] for message in await other.events()] == ["job_started", "job_stalled"]
        assert (await other.job("a"))["silent_seconds"] > PATIENCE_S + 2
