"""The server's web page in a real Chromium, its texts, and jobs with real names."""

import random
from collections.abc import Iterator
from typing import Any

import httpx

from tests.support.browser import Browser

__all__ = ["LIVE", "changing_jobs", "column", "many_jobs", "press", "report", "report_all", "shown_rows"]

LIVE = "document.getElementById('connection').className === 'live'"
_FLOWS = {
    "blender": (("sync", "render", "encode"), "SC{:03}_{}_lighting_v{:02}.blend", "frames"),
    "training": (("load", "epoch 1", "evaluate"), "resnet50 cifar100 lr=0.{:03} {} seed {:02}", "steps"),
    "ffmpeg": (
        ("probe", "transcode", "upload"),
        "{:03}. The Long Goodbye of {} – Director's Cut, part {:02}.mkv",
        "MiB",
    ),
}
_PLACES = ("harbour_night", "forest", "Marrakesh", "rooftop", "Übergabe", "東京")
_ERROR = "CUDA out of memory. Tried to allocate 2.44 GiB (GPU 0; 23.69 GiB total capacity)"


async def report(client: httpx.AsyncClient, kind: str, **body: Any) -> None:
    """Send a report."""
    (await client.post(f"/progress/{kind}", json=body)).raise_for_status()


async def report_all(client: httpx.AsyncClient, messages: list[dict[str, Any]]) -> None:
    """Send many reports."""
    for at in range(0, len(messages), 500):
        answer = (await client.post("/progress/batch", json=messages[at : at + 500])).json()
        assert answer["success"], answer["results"]


def many_jobs(count: int, *, active: int) -> list[dict[str, Any]]:
    """Return the reports of `count` jobs with real names; `active` are at work, of the others one in ten failed."""
    return [message for number in range(count) for message in _job(number, at_work=number < active)]


def changing_jobs(messages: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Return a report of progress for each of the first `count` jobs that `many_jobs` returned, as of now."""
    found = {str(each["job_id"]): each for each in messages if each["type"] == "job_progress"}
    return [each | {"age_seconds": 0} for each in list(found.values())[:count]]


def _job(number: int, *, at_work: bool) -> Iterator[dict[str, Any]]:
    chance = random.Random(number)
    workflow = chance.choice(list(_FLOWS))
    phases, name, unit = _FLOWS[workflow]
    of = {"job_id": f"{workflow}-{number:05}"}
    length = chance.uniform(60, 3000)
    ago = 0.0 if at_work else chance.uniform(1, 3000)
    shown = name.format(chance.randrange(400), chance.choice(_PLACES), chance.randrange(28))
    facts = {"name": shown, "workflow": workflow, "phases": phases, "host": f"render-{chance.randrange(5):02}"}
    yield {"type": "job_started", **of, **facts, "age_seconds": ago + length}
    begin = {"type": "job_progress", **of, "stage": phases[1], "total": 240, "unit": unit}
    yield begin | {"done": 0, "age_seconds": ago + length * 0.9}
    yield begin | {"done": chance.randrange(1, 240), "message": "Sample 64/128", "age_seconds": ago + length * 0.2}
    if at_work:
        return
    if number % 10 == 0:
        yield {"type": "job_failed", **of, "result": {"error": _ERROR}, "age_seconds": ago}
    else:
        yield {"type": "job_completed", **of, "age_seconds": ago}


async def press(tab: Browser, *keys: str) -> None:
    """Press keys, one after the other."""
    for key in keys:
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        await tab.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        await tab.call("Input.dispatchKeyEvent", type="keyUp", key=key)


def column(name: str, row: str = "") -> str:
    """Return the JavaScript of a cell's text in the first row of this kind."""
    return f"document.querySelector('.lines .row.job{row} > .{name}')?.textContent"


async def shown_rows(tab: Browser) -> list[str]:
    """Return the texts of the rows in the document."""
    found: list[str] = await tab.evaluate("[...document.querySelectorAll('.lines .row')].map((row) => row.textContent)")
    return found
