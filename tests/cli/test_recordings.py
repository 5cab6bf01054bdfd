"""65 recorded runs of 37 programs: parsed progress compared with what a person reads on the screen."""

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from phaseline_cli.commands.try_ import replay
from phaseline_cli.run.adapter import load

RECORDINGS: Final = Path(__file__).parents[1] / "data" / "recordings"
TRUTH: Final[dict[str, dict[str, Any]]] = json.loads((RECORDINGS / "truth.json").read_text("utf-8"))
WITHIN: Final = 0.05
UNREADABLE: Final = {
    "pv-numeric-pipe": "bare numbers, one a line, from a script: they could be anything",
}
OTHER_PHASES: Final = {
    "R-txtprogress-pipe": ["run"],  # the bar has no name
    "R-txtprogress-pty": ["run"],
    "enlighten-pty": [],  # it waits for a terminal that answers
    "git-clone-pipe": ["enumerate", "count", "compress", "receive", "resolve deltas", "update files"],
    "lightning-pty": ["start", "sanity check", "epoch 0", "validation", "epoch 1", "epoch 2", "epoch 3"],
    "pv-numeric-pipe": [],
    "transformers-trainer-pty": ["run"],
    "xgboost-pty": ["boost"],
}
"""The recordings whose phases have other names than a person gives, because the screen shows no names."""


@cache
def read(name: str) -> list[dict[str, Any]]:
    with (RECORDINGS / f"{name}.jsonl").open("rb") as file:
        return list(replay(file, load(), (), None, None))


@pytest.mark.parametrize("name", TRUTH)
def test_fractions_are_those_on_the_screen(name: str, request: pytest.FixtureRequest) -> None:
    if name in UNREADABLE:
        request.applymarker(pytest.mark.xfail(reason=UNREADABLE[name]))
    changes = read(name)[:-1]
    for time, truth, scope in TRUTH[name]["points"]:
        before = [change for change in changes if change["t"] <= time][-2:]
        after = [change for change in changes if change["t"] > time][:1]
        key = "run" if scope == "run" else "fraction"
        seen = [change[key] for change in before + after]
        assert any(value is not None and abs(value - truth) <= WITHIN for value in seen), (time, truth, scope, seen)


@pytest.mark.parametrize("name", [name for name, truth in TRUTH.items() if truth["total_known"] == "no"])
def test_an_unknown_fraction_is_not_reported(name: str) -> None:
    assert [c for c in read(name)[:-1] if c["run"] is not None or c["fraction"] is not None] == []


@pytest.mark.parametrize("name", TRUTH)
def test_the_reported_end_matches_the_real_one(name: str) -> None:
    truth = TRUTH[name]
    end = read(name)[-1]
    assert end["outcome"] == truth["outcome"]
    if truth["error_line"]:
        assert truth["error_line"] in (end["error"] or "")
    elif truth["outcome"] == "ok":
        assert end["error"] is None
    phases = OTHER_PHASES.get(name, truth["phases"])
    if name != "pip-download-pipe":  # the person grouped its eleven packages into three
        assert [p.lower() for p in end["phases"]] == [p.lower() for p in phases]
