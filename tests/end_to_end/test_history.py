"""A night's jobs in the morning, with the installed program: reported by curl, queried after a restart, dismissed."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.support.servers import progress_server

HOUR_S = 3600


def curl(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    sent = [] if body is None else ["-d", json.dumps(body)]
    answer = subprocess.run(["curl", "-sS", *sent, url], capture_output=True, check=True)
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_last_nights_jobs_are_found_counted_and_dismissed_in_the_morning(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with progress_server(data) as url:
        for number in range(6):
            age = {"age_seconds": (number + 5) * HOUR_S}
            info = {"file_name": f"SC024_shot_{number:03d}.blend"}
            start = {"job_id": f"night-{number}", "workflow": "film", "phases": ["render"], "photo_info": info, **age}
            assert curl(f"{url}/progress/start", start)["success"]
            age = {"age_seconds": (number + 5) * HOUR_S - 600}
            curl(f"{url}/progress/complete", {"job_id": f"night-{number}", "success": number != 3, **age})
    with progress_server(data, "--retention", "60", "--done-ttl", "60") as url:
        assert curl(f"{url}/progress/active")["active_jobs"] == {}
        found = curl(f"{url}/progress/jobs?since=1d&q=sc024&limit=4")
        assert [job["job_id"] for job in found["jobs"]] == [f"night-{number}" for number in range(4)]
        rest = curl(f"{url}/progress/jobs?since=1d&q=sc024&limit=4&cursor={found['cursor']}")
        assert ([job["job_id"] for job in rest["jobs"]], rest["cursor"]) == (["night-4", "night-5"], None)
        [failed] = curl(f"{url}/progress/jobs?state=failed")["jobs"]
        assert (failed["job_id"], failed["dismissed"]) == ("night-3", False)
        totals = curl(f"{url}/progress/totals?since=1d")
        [film] = totals["workflows"]
        assert (totals["completed"], totals["failed"], film["runs"], round(film["median_seconds"], -1)) == (
            5,
            1,
            6,
            600,
        )
        assert curl(f"{url}/progress/dismiss", {"job_id": "night-3"})["success"]
        assert curl(f"{url}/progress/dismiss", {"job_id": "night-3"})["code"] == "ILLEGAL_EVENT"
        assert curl(f"{url}/progress/jobs?state=failed")["jobs"] == []
    with progress_server(data) as url:
        [failed] = curl(f"{url}/progress/jobs?state=failed&dismissed=1")["jobs"]
        assert (failed["job_id"], failed["dismissed"]) == ("night-3", True)
        assert curl(f"{url}/progress/totals?since=1d")["failed"] == 1
