"""The filter language: the terminal view and the web page agree on every case of one table."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from phaseline.filtering import Filter
from phaseline_tui.model.jobs import ErrorView, JobView, PhaseState, PhaseView, State
from tests.support.servers import ROOT

TABLE: dict[str, Any] = json.loads((ROOT / "tests" / "data" / "filters.json").read_text())
PAGE = ROOT / "server" / "phaseline_server" / "http" / "page"
SCRIPT = """
import { readFileSync } from "node:fs";
import { Filter } from "./filter.js";
const { jobs, cases } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const known = jobs.map((job) => ({ error: "", reason: "", percent: 0, search: "", ...job,
  ended: ["completed", "failed", "cancelled"].includes(job.state) ? 0 : null }));
const found = cases.map(({ filter: text }) => {
  const filter = new Filter(text);
  return { keeps: known.filter((job) => filter.keeps(job)).map((job) => job.id), problem: filter.problem !== "",
    hint: filter.hint !== "" };
});
console.log(JSON.stringify(found));
"""


def _job(case: dict[str, Any]) -> JobView:
    error = case.get("error")
    return JobView(
        job_id=case["id"],
        **{name: case[name] for name in ("name", "workflow", "series", "host", "message")},
        state=State(case["state"]),
        phases=[PhaseView(name=case["phase"], state=PhaseState.CURRENT)],
        phase_index=1,
        phase_count=1,
        errors=[ErrorView("error", error, "", None)] if error else [],
    )


def test_the_terminal_view_filters_by_the_table() -> None:
    jobs = [_job(each) for each in TABLE["jobs"]]
    for case in TABLE["cases"]:
        chosen = Filter(case["filter"])
        assert [job.job_id for job in jobs if chosen.keeps(job)] == case["keeps"], case
        assert bool(chosen.problem) is case.get("problem", False), case
        assert bool(chosen.hint) is case.get("hint", False), case


@pytest.mark.needs("node")
def test_the_web_page_filters_by_the_table(tmp_path: Path) -> None:
    for module in ("filter.js", "states.js"):
        shutil.copy(PAGE / module, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "cases.js").write_text(SCRIPT)
    command = ["node", "cases.js", str(ROOT / "tests" / "data" / "filters.json")]
    found = json.loads(subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60).stdout)
    for case, got in zip(TABLE["cases"], found, strict=True):
        wanted = {"keeps": case["keeps"], "problem": case.get("problem", False), "hint": case.get("hint", False)}
        assert got == wanted, case["filter"]
