"""A server's answers of `/metrics/phases` and `/metrics/eta`."""

import math
from typing import Any

__all__ = ["eta_answer", "phases_answer"]

USUAL = {
    "photo": {"importing": 2.1, "ai_evaluation": 14.2, "applying_preset": 9.3, "exporting": 6.4},
    "dalle": {"base_prompts": 0.6, "image_wait": 24.0, "image_download": 1.5, "annotate": 0.04},
}


def runs(usual: float, number: int) -> list[float]:
    return [
        round(usual * (1 + 0.35 * math.sin(number + each * 1.7) + (1.1 if each == 41 else 0)), 3) for each in range(64)
    ]


def phases_answer() -> dict[str, Any]:
    phases = [
        {
            "workflow": workflow,
            "series": series,
            "phase": phase,
            "count": 64 + 12 * number,
            "avg_seconds": usual,
            "p50_seconds": usual * 0.96,
            "p95_seconds": usual * 1.33,
            "p99_seconds": usual * 2.2 if number else None,
            "recent_seconds": runs(usual, number),
        }
        for workflow, series in (("photo", "wedding"), ("photo", "portrait"), ("dalle", "simple"))
        for number, (phase, usual) in enumerate(USUAL[workflow].items())
    ]
    return {
        "phases": phases,
        "failures": [
            {"workflow": "photo", "phase": "ai_evaluation", "count": 12},
            {"workflow": "photo", "phase": "importing", "count": 3},
            {"workflow": "dalle", "phase": "image_wait", "count": 2},
        ],
        "slowest": [
            {"job_id": f"job_{number}", "workflow": "photo", "series": "wedding", "seconds": 91.5 - 7 * number,
             "ended_at": f"2026-11-0{8 - number}T17:2{number}:41Z"}
            for number in range(5)
        ],
    }  # fmt: skip


def eta_answer() -> dict[str, Any]:
    return {
        "series": [
            {"workflow": "photo", "series": "wedding", "runs": 310, "model": {"median_error": 0.14, "coverage": 0.81},
             "ema": {"median_error": 0.37}},
            {"workflow": "photo", "series": "portrait", "runs": 41, "model": {"median_error": 0.31, "coverage": 0.78},
             "ema": {"median_error": 0.52}},
            {"workflow": "dalle", "series": "simple", "runs": 1, "model": {"median_error": None, "coverage": None},
             "ema": {"median_error": None}},
        ]
    }  # fmt: skip
