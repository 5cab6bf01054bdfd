"""Jobs as a server sends them, for the tests of the terminal view."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

import msgspec

from phaseline_tui.model.clock import Clock
from phaseline_tui.model.connection import Batch, LinkState, LinkStatus
from phaseline_tui.model.decoding import decode
from phaseline_tui.model.frames import Frame
from phaseline_tui.model.jobs import JobKey

__all__ = [
    "FixedClock",
    "connected",
    "dalle_job",
    "failed_photo",
    "frame",
    "ids",
    "many_jobs",
    "odd_jobs",
    "photo_job",
    "reason",
    "snapshot",
]

Json = dict[str, Any]

DALLE = [
    "setup",
    "base_prompts",
    "enhance_prompt",
    "image_prep",
    "image_wait",
    "image_download",
    "annotate",
    "completed",
]
PHOTO = [
    "importing",
    "exif_analysis",
    "ai_evaluation",
    "context_detection",
    "preset_selection",
    "applying_preset",
    "quality_check",
    "exporting",
]
USUAL = dict(zip(DALLE, (0.2, 0.6, None, 0.4, 24.0, 1.5, 0.8, 0.0), strict=True)) | dict(
    zip(PHOTO, (2.0, 1.2, 14.0, 3.1, 0.4, 9.0, 4.0, 6.5), strict=True)
)
NOW = dt.datetime(2026, 11, 9, 18, 38, 2, tzinfo=dt.UTC)


class FixedClock(Clock):
    """It is always 18:38:02 of a Monday, in UTC."""

    def monotonic(self) -> float:
        return 1000.0

    def wall(self) -> float:
        return NOW.timestamp()

    def local(self, wall: float) -> dt.datetime:
        return dt.datetime.fromtimestamp(wall, tz=dt.UTC)


def reason(text: str, seconds: float) -> Json:
    """Return a reason of an estimate that changed by this many seconds."""
    return {"at": at(5), "change_seconds": seconds, "text": text}


def at(seconds_ago: float) -> str:
    return (NOW - dt.timedelta(seconds=seconds_ago)).isoformat().replace("+00:00", "Z")


def job(
    job_id: str,
    names: list[str],
    index: int,
    *,
    state: str = "active",
    progress: float | None = None,
    speed: float = 1.0,
    ended_ago: float = 0.0,
    skipped: tuple[str, ...] = (),
    known: bool = True,
    **more: Any,
) -> Json:
    """Return a job in phase `index` (from 1), at `speed` times the usual duration of each phase."""
    stages: list[Json] = []
    total = sum(USUAL[name] or 0.0 for name in names)
    offset = 0.0
    spent = 0.0
    for number, name in enumerate(names, 1):
        usual = USUAL[name] if known else None
        took = (usual or 1.0) * speed
        over = state in {"completed", "failed", "cancelled", "lost"}
        if name in skipped:
            each = "skipped"
        elif number < index or state == "completed":
            each = "done"
        elif number == index:
            each = "failed" if state in {"failed", "cancelled"} else "current"
        else:
            each = "pending"
        took = 0.0 if each == "skipped" else took
        if each == "current":
            took *= 0.55 if progress is None else progress / 100
        stages.append(
            {
                "name": name,
                "state": each,
                "started_at": f"OFFSET {offset}" if each != "pending" else None,
                "elapsed_seconds": took if each != "pending" else 0.0,
                "average_seconds": usual,
                "progress": progress if each == "current" else None,
                "error": "",
            }
        )
        if each != "pending":
            offset += took
            spent += took
    over = state in {"completed", "failed", "cancelled", "lost"}
    begun = ended_ago + spent
    for stage in stages:
        if stage["started_at"] is not None:
            stage["started_at"] = at(begun - float(stage["started_at"].split()[1]))
    left = None if over or not known else max(0.0, total * speed - spent)
    percent = 100.0 if state == "completed" else min(99.0, 100 * spent / (total * speed))
    return {
        "job_id": job_id,
        "photo_id": None,
        "photo_info": {},
        "current_stage": names[index - 1],
        "progress": progress,
        "elapsed_seconds": spent,
        "stages_completed": [
            {"stage": stage["name"], "completed_at": at(0), "result": {}}
            for stage in stages
            if stage["state"] == "done"
        ],
        "workflow": "dalle" if names is DALLE else "photo",
        "series": "",
        "host": "atlas",
        "state": state,
        "message": "",
        "percent": percent,
        "eta_seconds": left,
        "eta_low_seconds": None if left is None else left * 0.7,
        "eta_high_seconds": None if left is None else left * 1.6,
        "eta_basis": "history" if known else "none",
        "eta_runs": 12 if known else 0,
        "stage_index": index,
        "stage_count": len(names),
        "started_at": at(begun),
        "completed_at": at(ended_ago) if over else None,
        "success": None if not over else state == "completed",
        "result": None,
        "duration": spent if over else None,
        "cache_hit": False,
        "seq": 7,
        "stages": stages,
        "errors": [],
    } | more


def dalle_job(series: str, address: str, index: int, **more: Any) -> Json:
    skipped = ("enhance_prompt",) if index > 3 else ()
    name = address if len(address) <= 13 else f"{address[:6]}…{address[-6:]}"
    return job(f"dalle:{series}:{address}", DALLE, index, name=name, series=series, **({"skipped": skipped} | more))


def photo_job(job_id: str, file_name: str, index: int, **more: Any) -> Json:
    info = {"file_name": file_name, "file_path": f"/photos/2026/{file_name}", "file_size": 25_600_000}
    return job(job_id, PHOTO, index, photo_id=456, **({"photo_info": info} | more))


def failed_photo() -> Json:
    """A job with two errors with details, and a result."""
    broken = photo_job("job_12346", "IMG_0043.CR3", 6, state="failed", ended_ago=41.0, speed=1.3)
    broken["stages"][5]["error"] = "Invalid exposure value"
    broken["errors"] = [
        {
            "error_type": "network_error",
            "error_message": "The evaluation service did not answer; tried again",
            "error_details": {"attempt": 1, "url": "http://127.0.0.1:9000/evaluate"},
            "stage": "ai_evaluation",
            "timestamp": at(62.0),
        },
        {
            "error_type": "validation_error",
            "error_message": "Invalid exposure value: the preset asks for more than the raw converter can do",
            "error_details": {"field": "exposure", "value": 999, "allowed": "-5 to 5"},
            "stage": "applying_preset",
            "timestamp": at(41.0),
        },
    ]
    broken["result"] = {"error": "Invalid exposure value: the preset asks for more than the raw converter can do"}
    return broken


def many_jobs() -> list[Json]:
    """A busy afternoon: every state, two workflows, names of every kind."""
    jobs = [
        dalle_job("simple", "0x1f9840a85d5af5bf1d1762f925bdaddc4201f984", 5, progress=72.0, message="layer 7 of 9"),
        dalle_job("simple", "0x1234", 5, progress=None, speed=4.0, message="waiting for the provider"),
        dalle_job("five-tone-postal-protozoa", "0xd8da6bf26964af9d7eed9e03e53415d37aa96045", 2),
        photo_job("job_12345", "IMG_0042.CR3", 3, progress=25.0, message="Analyzing camera settings…"),
        photo_job("job_12347", "DSC_8812_panorama_stitched_final_v2_really_final.NEF", 6, speed=9.0, progress=61.0),
        photo_job("job_12348", "IMG_0044.CR3", 8, state="stalled", progress=12.0, silent_seconds=31.0),
        photo_job("job_12350", "IMG_0051.CR3", 1, known=False),
        failed_photo(),
        dalle_job(
            "simple",
            "0xdead",
            6,
            state="failed",
            ended_ago=300.0,
            result={"error": "the provider sent 12 bytes that are no picture"},
        ),
        photo_job("job_12340", "IMG_0040.CR3", 3, state="lost", ended_ago=900.0),
        photo_job("job_12341", "IMG_0041.CR3", 4, state="cancelled", ended_ago=1000.0, result={"error": "cancelled"}),
    ]
    for number in range(14):
        if number % 3:
            jobs.append(
                photo_job(
                    f"job_123{number:02}",
                    f"IMG_00{number:02}.CR3",
                    8,
                    state="completed",
                    ended_ago=90.0 + 45 * number,
                    speed=0.8 + number / 20,
                )
            )
        else:
            jobs.append(
                dalle_job(
                    "simple", f"0x{number:x}fe{number * 7919:x}", 8, state="completed", ended_ago=80.0 + 50 * number
                )
            )
    return jobs


def odd_jobs() -> list[Json]:
    """Names that are wide, long, right to left, or hostile."""
    return [
        photo_job("job_1", "東京タワーの夜景_二〇二六年十一月九日_最終版.CR3", 3, progress=40.0, message="評価中です"),
        photo_job("job_2", "👩‍👩‍👧‍👦 família 🇧🇷 feriado 🏖️.jpg", 6, progress=80.0, message="👍🏽 quase pronto"),
        photo_job("job_3", "שלום_עולם_\u202egnp.exe", 2, message="\u202eevil\u202c"),
        photo_job("job_4", "\x1b]8;;http://evil.example\x07click\x1b]8;;\x07[/bold][red]x", 5, message="\x1b[2J[/"),
        photo_job("job_5", "Z̷̧̛̛̺̖͎̗̅͛͑͘͝a̸̢̢̛̹͙͈̗͛̏͘l̶̞̻̈́̈́͝g̸̨̳̱͊͊o̵̡͉̒̍.tif", 4),
        photo_job("job_6", "x" * 10_000, 7, progress=33.0, message="y" * 10_000),
        photo_job(
            "job_7",
            "[bold]not markup[/bold] [link=http://x]y[/link]",
            6,
            state="failed",
            ended_ago=10.0,
            result={"error": "[/] \x1b[31mred\x1b[0m \x9b31m 失敗しました"},
        ),
        photo_job("job_8", "\n\r\t\x00", 8, state="completed", ended_ago=60.0),
    ]


def frame(data: Json) -> Frame:
    """Return a message as the link would decode it."""
    found, ignored = decode(msgspec.json.encode(data))
    assert found is not None, data
    assert not ignored, data
    return found


def today(jobs: list[Json]) -> Json:
    """Return the counts of the day, as if all of these jobs ended on it."""
    states = [each["state"] for each in jobs]
    since = NOW.replace(hour=0, minute=0, second=0)
    until = since + dt.timedelta(days=1)
    counts = {state: states.count(state) for state in ("completed", "failed", "cancelled")}
    return {"since": since.isoformat(), "until": until.isoformat(), **counts}


def snapshot(jobs: list[Json]) -> Frame:
    server_time = at(0)
    return frame(
        {
            "type": "snapshot",
            "epoch": "e1",
            "seq": 7,
            "server_time": server_time,
            "today": today(jobs),
            "jobs": jobs,
        }
    )


def connected(jobs: list[Json]) -> Batch:
    """Return the batch of a link that has just connected."""
    return Batch((snapshot(jobs),), received=1000.0, status=LinkStatus(LinkState.CONNECTED, since=1000.0))


def ids(keys: Iterable[JobKey]) -> list[str]:
    """Return the ids of jobs that all come from one server."""
    return [key.job_id for key in keys]
