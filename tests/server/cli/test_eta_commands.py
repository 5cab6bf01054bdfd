"""`progress-server eta-report` and `eta-backtest`, run as programs on the data of a real server."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.films import film
from tests.support.servers import SERVER, environment, serving


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*SERVER, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment())


@pytest.fixture
async def journal(tmp_path: Path) -> Path:
    """Return a data directory in which a server has seen ten films being made."""
    async with serving(tmp_path) as client:
        for number in range(10):
            answer = await client.post("/progress/batch", json=film(f"j{number}"))
            assert answer.json()["success"], answer.text
    return tmp_path


async def test_eta_report_scores_each_series(journal: Path) -> None:
    done = run("--data-dir", journal, "eta-report")
    assert done.returncode == 0, done.stderr
    assert run("eta-report", "--data-dir", journal).stdout == done.stdout
    heads, line = done.stdout.splitlines()
    assert heads.split() == ["series", "runs", "error", "in", "band", "ema"]
    assert line.startswith("film s ")
    assert 1 <= int(line.split()[2]) <= 9


@pytest.mark.slow
async def test_eta_backtest_replays_a_journal_through_both_engines(journal: Path) -> None:
    for source in ([journal], [journal / "journal.sqlite3"], ["--data-dir", journal]):
        done = run("eta-backtest", *source)
        assert done.returncode == 0, done.stderr
        rows = [line.split() for line in done.stdout.splitlines()[1:]]
        assert [row[:3] for row in rows] == [["journal", "model", "10"], ["journal", "ema", "10"]]


@pytest.mark.slow
def test_eta_backtest_replays_traces_and_names_a_bad_line(tmp_path: Path) -> None:
    phases = [{"name": "a", "durationMs": 100}, {"name": "b", "durationMs": 300}]
    lines = [json.dumps({"series": "s", "phases": phases, "ok": True, "startedNs": n * 10**9}) for n in range(8)]
    (tmp_path / "set.jsonl").write_text("\n".join(lines))
    done = run("eta-backtest", tmp_path, "--engine", "model")
    assert [line.split()[:3] for line in done.stdout.splitlines()[1:]] == [["set", "model", "8"]]
    (tmp_path / "set.jsonl").write_text('{"series": 1}')
    done = run("eta-backtest", tmp_path)
    assert done.returncode == 2
    assert "set.jsonl" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_eta_backtest_scores_when_the_box_of_queued_runs_was_free(tmp_path: Path) -> None:
    lines = []
    for batch in range(6):
        for place in range(3):  # one after the other, each 400 ms
            run_ = {"series": "s", "phases": [{"name": "a", "durationMs": 400}], "ok": True}
            queue = {"batch": batch, "workers": 1, "waitedMs": 400 * place}
            lines.append(json.dumps(run_ | {"startedNs": (batch * 10_000 + place * 400) * 10**6, "queue": queue}))
    (tmp_path / "set.jsonl").write_text("\n".join(lines))
    done = run("eta-backtest", tmp_path, "--engine", "model")
    assert done.returncode == 0, done.stderr
    _, box = done.stdout.split("\n\n")
    heads, line = box.splitlines()
    assert heads.split("  ")[0] == "when the box is free"
    name, forecasts, error, *_ = line.split()
    assert name == "set"
    # The first four looks at the first batch are before the end of any run, so nothing is known.
    assert int(forecasts) == 60 - 4
    assert float(error) < 10


@pytest.mark.slow
def test_a_missing_journal_is_an_error(tmp_path: Path) -> None:
    for command in ("eta-report", "eta-backtest"):
        done = run(command, "--data-dir", tmp_path)
        assert done.returncode == 2
        assert "there is no journal" in done.stderr
