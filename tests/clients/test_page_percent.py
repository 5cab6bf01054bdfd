"""The page shows the percentage that the view shows, and a bar that agrees with it."""

import json
import subprocess
from typing import Any

import pytest

from phaseline_tui.model.shown import percent_words, shares_shown
from phaseline_tui.model.state import ViewState
from tests.support.servers import ROOT
from tests.support.tui_jobs import at, photo_job, snapshot

SHOWN_JS = ROOT / "server" / "phaseline_server" / "http" / "page" / "shown.js"
STORE_JS = SHOWN_JS.with_name("store.js")
JOBS: list[dict[str, Any]] = [
    {"percent": 97.0, "elapsed_seconds": 36_000.0, "eta_seconds": 33_840.0},
    {"percent": 52.0, "elapsed_seconds": 40.0, "eta_seconds": 800.0},
    {"percent": 40.0, "elapsed_seconds": 40.0, "eta_seconds": 61.0},
    {"percent": 3.0, "elapsed_seconds": 900.0, "eta_seconds": 0.5},
    {"percent": 0.0, "elapsed_seconds": 5.0, "eta_seconds": None},
    {"percent": 12.0, "elapsed_seconds": 5.0, "eta_seconds": None},
    {"percent": 70.0, "elapsed_seconds": 9.0, "eta_seconds": None, "state": "stalled"},
    {"percent": 99.0, "elapsed_seconds": 9.0, "eta_seconds": None, "state": "failed", "completed_at": at(5)},
]
SCRIPT = f"""
import {{ barOf, percentOf }} from {json.dumps(SHOWN_JS.as_uri())};
import {{ Store }} from {json.dumps(STORE_JS.as_uri())};
const store = new Store();
store.take(JSON.parse(process.argv[1]), 0, 0);
const shown = [...store.jobs.values()].map((job) => [job.id, percentOf(job, 0), barOf(job, 0)[1]]);
console.log(JSON.stringify(shown));
"""


@pytest.mark.needs("node")
def test_the_page_shows_the_percent_of_the_view() -> None:
    jobs = [photo_job(f"j{number}", "a", 6) | job for number, job in enumerate(JOBS)]
    command = [
        "node",
        "--no-warnings",
        "--input-type=module",
        "--eval",
        SCRIPT,
        json.dumps({"type": "snapshot", "jobs": jobs}),
    ]
    shown = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)
    state = ViewState()
    state.apply([snapshot(jobs)], 1000.0)
    expected = [
        [job.job_id, percent_words(job, 1000.0).replace("%", " %"), pytest.approx(shares_shown(job, 1000.0).percent)]
        for job in state.jobs.values()
    ]
    assert sorted(shown) == sorted(expected)
    assert [words for _, words, _ in shown if words.startswith("~")] == ["~51 %", "~4 %", "~99 %"]
