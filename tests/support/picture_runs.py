"""The keys of a picture's run, its dress and its metrics."""

import json
from pathlib import Path
from typing import Any

from phaseline.model.workflows import PICTURES
from tests.support.pictures import Snapshot

__all__ = ["ATTRIBUTE_KEYS", "DRESS_KEYS", "KEYS", "PHASES", "PHASE_KEYS", "check", "metrics"]

PHASES = [*PICTURES.phases, "completed"]
PHASE_KEYS = ["name", "startedNs", "endedNs", "skipped", "error"]
# The picture API's keys, then ours.
KEYS = [
    "series",
    "address",
    "currentPhase",
    "startedNs",
    "percent",
    "etaSeconds",
    "done",
    "error",
    "cacheHit",
    "phases",
    "dalleDress",
    "phaseAverages",
    "phasePercent",
    "phaseEtaSeconds",
    "phaseIndex",
    "phaseCount",
    "jobId",
    "seq",
    "startedAt",
    "etaLowSeconds",
    "etaHighSeconds",
    "finishAt",
    "finishLowAt",
    "finishHighAt",
    "etaBasis",
    "etaRuns",
    "etaReasons",
]
DRESS_KEYS = [
    "original",
    "fileName",
    "seed",
    "prompt",
    "dataPrompt",
    "titlePrompt",
    "tersePrompt",
    "enhancedPrompt",
    "attributes",
    "seedChunks",
    "selectedTokens",
    "selectedRecords",
    "imageUrl",
    "generatedPath",
    "annotatedPath",
    "downloadMode",
    "ipfsHash",
    "cacheHit",
    "completed",
    "series",
]
ATTRIBUTE_KEYS = ["database", "name", "bytes", "number", "factor", "count", "selector", "value"]


def metrics(data_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((data_dir / "metrics" / "progress_phase_stats.json").read_bytes())
    return found


def check(snapshot: Snapshot) -> None:
    """Check the properties of every snapshot."""
    assert list(snapshot) == KEYS
    assert list(snapshot["dalleDress"]) == DRESS_KEYS
    assert all(list(attribute) == ATTRIBUTE_KEYS for attribute in snapshot["dalleDress"]["attributes"])
    assert [phase["name"] for phase in snapshot["phases"]] == PHASES
    for phase in snapshot["phases"]:
        assert list(phase) == PHASE_KEYS
        assert phase["endedNs"] == 0 or phase["startedNs"] <= phase["endedNs"]
    assert snapshot["phaseCount"] == 8
    assert PHASES[snapshot["phaseIndex"] - 1] == snapshot["currentPhase"]
    assert 0 <= snapshot["percent"] <= 100
    assert snapshot["startedAt"].endswith("Z")
    # The remaining time is 0 exactly if the run is done.
    assert (snapshot["etaSeconds"] == 0) is snapshot["done"]
