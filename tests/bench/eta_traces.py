"""Scores the EMA and the model on a folder of traces: `python -m tests.bench.eta_traces FOLDER [LIMIT]`.

Each `*.jsonl` in it is one set, a finished run a line: `{"series", "phases": [{"name", "durationMs", "skipped"?,
"marks"?: [[ms, fraction], ...]}], "ok", "startedNs" or nothing, "covariates"?}`. Nothing is downloaded or written.
"""

import sys
from pathlib import Path

from phaseline.eta.backtest import Ema, Estimates, Replayable, Score, load, replay, score
from phaseline.eta.replay import Clock, Live, Model

ENGINES: dict[str, type[Replayable]] = {
    "ema": Ema,
    "model": Model,
    "model, live": Live,
    "model, unweighted": Clock,
}
COLUMNS = ("nae1", "coverage", "width", "back", "stuck", "percent_error")
FIRST = 5


def shown(name: str, engine: str, found: Score | None, first: Score | None) -> str:
    """Return one line of the table."""
    values = [getattr(found, column) for column in COLUMNS] + [first.nae1 if first else None]
    cells = " ".join(f"{'-':>13}" if value is None else f"{value:13.4f}" for value in values)
    return f"{name[:18]:18} {engine[:17]:17} {cells}"


def mean(scores: list[Score]) -> Score:
    """Return the mean of the sets' scores, with equal weights."""

    def column(name: str) -> float:
        values = [value for value in (getattr(one, name) for one in scores) if value is not None]
        return sum(values) / len(values) if values else float("nan")

    return Score(sum(one.runs for one in scores), *(column(name) for name in COLUMNS))


def early(made: Estimates) -> bool:
    """Whether it is one of the first runs of its series."""
    return made.place < FIRST


def main(folder: Path, limit: int | None) -> None:
    """Print the table."""
    print(" " * 36, " ".join(f"{column:>13}" for column in (*COLUMNS, "first five")))
    traces = sorted(folder.glob("*.jsonl"))
    if not traces:
        sys.exit(f"no *.jsonl in {folder}; name a folder with traces")
    for name, engine in ENGINES.items():
        whole, firsts = [], []
        for trace in traces:
            with trace.open("rb") as lines:
                estimates = replay(load(lines)[:limit], engine())
            found, first = score(estimates), score(estimates, early)
            if found and first:
                print(shown(trace.stem, name, found, first), flush=True)
                whole.append(found)
                firsts.append(first)
        if whole:
            print(shown("MEAN", name, mean(whole), mean(firsts)))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit((__doc__ or "").splitlines()[0])
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
