"""Series, the preview, health and metrics."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from markupsafe import escape
from prometheus_client.parser import text_string_to_metric_families

from tests.support.pictures import BAD, GOOD, ask, made, studio
from tests.support.servers import serving
from tests.support.tokens import CALLERS, make_tokens, shown

# ------------------------------------------------------------------ series


async def test_series_lists_built_in_and_custom_series(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        assert await ask(client, "/series") == {"series": ["nocturne", "simple"], "count": 2}
        (tmp_path / "series").mkdir()
        for name in ("mine.json", "simple.json", "no series.json", "notes.txt"):
            (tmp_path / "series" / name).write_text("{}")
        assert await ask(client, "/series") == {"series": ["mine", "nocturne", "simple"], "count": 3}


async def test_an_unreadable_series_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "series").write_text("")
    async with serving(tmp_path) as client:
        assert (await ask(client, "/series", 500))["code"] == "DATA_DIR_ERROR"


# ------------------------------------------------------------------ preview


@pytest.mark.slow
async def test_preview_shows_the_pictures_newest_first_by_their_titles(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        assert "No pictures yet" in (await client.get("/preview")).text
        titles = [(await made(client, f"/dalle/simple/0x{n}"))["dalleDress"]["titlePrompt"] for n in (1, 2)]
        for number in (1, 2):
            os.utime(tmp_path / f"output/simple/annotated/0x{number}.png", (number, number))
        page = await client.get("/preview")
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert page.text.index('src="files/simple/annotated/0x2.png"') < page.text.index(
            'src="files/simple/annotated/0x1.png"'
        )
        listed = (await client.get("/gallery?series=simple")).json()["pictures"]
        assert [(each["address"], each["title"]) for each in listed] == [("0x2", titles[1]), ("0x1", titles[0])]
        assert (await client.get("/gallery?series=other")).json()["pictures"] == []
        assert all(f"<strong>{escape(title)}</strong>" in page.text for title in titles)
        style = await client.get("/page/pictures.css")
        assert (style.status_code, style.headers["Content-Type"].partition(";")[0]) == (200, "text/css")


@pytest.mark.slow
async def test_preview_shows_hostile_titles_as_text(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        await made(client, "/dalle/simple/0x1")
        path = tmp_path / "output/simple/selector/0x1.json"
        dress = json.loads(path.read_bytes()) | {"titlePrompt": "\"><script>alert(1)</script><img onerror='x'>"}
        path.write_text(json.dumps(dress))
        page = await client.get("/preview")
        assert "<script>" not in page.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
        assert "<img onerror" not in page.text
        assert 'alt="&#34;&gt;' in page.text
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.slow
async def test_preview_ignores_files_that_are_not_pictures(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        await made(client, "/dalle/simple/0x1")
        folder = tmp_path / "output/simple/annotated"
        for name in ("0xzz.png", "<b>.png", "0x2.txt", ".0x3.png"):
            (folder / name).write_bytes(b"x")
        (folder / "0x4.png").symlink_to("/etc/passwd")
        (tmp_path / "output" / "a b" / "annotated").mkdir(parents=True)
        (tmp_path / "output/simple/selector/0x1.json").unlink()
        (tmp_path / "output/simple/selector/0x1.json").symlink_to("/etc/passwd")
        page = (await client.get("/preview")).text
        assert page.count("<figure>") == 1
        assert "<strong>0x1</strong>" in page


# ------------------------------------------------------------------ health


async def test_health_reports_liveness_and_readiness(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for query in ("", "?check=liveness", "?check=readiness"):
            report = await ask(client, f"/health{query}")
            assert list(report) == ["status", "version", "uptimeSeconds", "role", "activeJobs", "subscribers"]
            assert (report["status"], report["activeJobs"], report["subscribers"]) == ("ok", 0, 0)
        await client.post("/progress/start", json={"job_id": "a"})
        assert (await ask(client, "/health"))["activeJobs"] == 1


async def test_health_shows_counts_only_to_tokens_that_read_the_whole_server(tmp_path: Path) -> None:
    tokens = make_tokens(tmp_path)
    async with serving(tmp_path) as client:
        for caller in CALLERS:
            report = (await client.get("/health", headers=shown(tokens, caller))).json()
            assert ({"activeJobs", "subscribers"} <= report.keys()) == (caller in {"read", "admin"}), caller


async def test_a_server_with_an_unwritable_data_directory_is_live_but_not_ready(
    tmp_path: Path, make_unwritable: Callable[[Path], None]
) -> None:
    async with serving(tmp_path) as client:
        make_unwritable(tmp_path)
        unready = await ask(client, "/health?check=readiness", 503)
        assert (unready["status"], unready["code"]) == ("unready", "DATA_DIR_ERROR")
        assert "cannot write" in unready["error"]
        assert (await ask(client, "/health?check=liveness"))["status"] == "ok"
        assert (await ask(client, "/health"))["status"] == "ok"


@pytest.mark.slow
async def test_a_server_is_ready_again_when_its_data_directory_is_back(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    async with studio(data_dir, GOOD) as (client, _):
        await made(client, "/dalle/simple/0x1")
        data_dir.rename(tmp_path / "away")
        unready = await ask(client, "/health?check=readiness", 503)
        assert "does not exist" in unready["error"]
        (tmp_path / "away").rename(data_dir)
        assert (await ask(client, "/health?check=readiness"))["status"] == "ok"
        assert (await made(client, "/dalle/simple/0x2"))["error"] == ""


async def test_an_unknown_check_is_rejected(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        error = await ask(client, "/health?check=%1b[31m", 422)
        assert error["code"] == "INVALID_FIELD"
        assert error["error"] == "check is '\\x1b[31m'; allowed: liveness or readiness, or leave it out"


# ------------------------------------------------------------------ metrics


@pytest.mark.slow
async def test_metrics_are_prometheus_text(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD, BAD) as (client, _):
        await made(client, "/dalle/simple/0x1")
        await made(client, "/dalle/simple/0x2")
        await client.post("/progress/start", json={"job_id": "a"})
        answer = await client.get("/metrics")
        assert answer.headers["Content-Type"].startswith("text/plain")
        samples = {
            (sample.name, tuple(sorted(sample.labels.values()))): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }
        for name, labels, value in (
            ("phaseline_jobs", ("active",), 1),
            ("phaseline_jobs", ("completed",), 1),
            ("phaseline_jobs", ("failed",), 1),
            ("phaseline_jobs_ended_total", ("completed",), 1),
            ("phaseline_jobs_ended_total", ("failed",), 1),
            ("phaseline_generation_runs_total", (), 1),
            ("phaseline_cache_hits_total", (), 0),
            ("phaseline_phase_samples", ("dalle", "image_wait"), 1),
            ("phaseline_subscribers", (), 0),
            ("phaseline_connections_failed_total", (), 0),
        ):
            assert samples[name, labels] == value, (name, labels)
        assert samples["phaseline_phase_average_seconds", ("dalle", "image_wait")] > 0
        assert samples["phaseline_uptime_seconds", ()] > 0
        assert samples["phaseline_reports_total", ()] == samples["phaseline_messages_total", ()] > 10
        assert samples["phaseline_connections", ()] >= 1


async def test_metrics_are_open_metrics_on_request(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        answer = await client.get("/metrics", headers={"Accept": "application/openmetrics-text"})
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        assert answer.text.endswith("# EOF\n")


@pytest.mark.slow
async def test_metrics_are_available_as_json(tmp_path: Path) -> None:
    async with studio(tmp_path, GOOD) as (client, _):
        await made(client, "/dalle/simple/0x1")
        told = await ask(client, "/metrics?format=json")
        assert told["phases"]["version"] == "v1"
        assert told["phases"]["generationRuns"] == 1
        assert told["phases"]["phaseAverages"]["image_wait"]["count"] == 1
        assert told["figures"]["phaseline_generation_runs_total"] == 1
        assert told["figures"]["phaseline_jobs{state=completed}"] == 1
        assert (await ask(client, "/metrics?format=xml", 422))["code"] == "INVALID_FIELD"


async def test_hostile_workflow_names_cannot_break_the_metrics(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        name = 'a"}\\ 1 phaseline_jobs{state="x'
        await client.post("/progress/start", json={"job_id": "a", "workflow": name, "phases": [name]})
        await client.post("/progress/report", json={"job_id": "a", "stage": name})
        assert (await client.post("/progress/complete", json={"job_id": "a"})).status_code == 200
        families = list(text_string_to_metric_families((await client.get("/metrics")).text))
        labels = [s.labels for family in families for s in family.samples if s.name == "phaseline_phase_samples"]
        assert labels == [{"workflow": name, "phase": name}]
