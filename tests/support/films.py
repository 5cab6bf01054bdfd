"""A job of three phases, reported at once when it is over."""

from typing import Any

PHASES = ("load", "render", "write")


def film(name: str, *, fail: bool = False) -> list[dict[str, Any]]:
    """Return the reports of a job whose phases took a second each, but the last half of one."""
    last = {"type": "job_failed" if fail else "job_completed", "job_id": name, "success": not fail}
    return [
        {"type": "job_started", "job_id": name, "workflow": "film", "series": "s", "phases": PHASES, "age_seconds": 4},
        *(
            {"type": "job_progress", "job_id": name, "stage": phase, "age_seconds": 3 - number}
            for number, phase in enumerate(PHASES)
        ),
        last | {"age_seconds": 0.5},
    ]
