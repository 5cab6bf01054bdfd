"""The web page's cost in a browser: CPU with 10,000 jobs and 100 changes per second, and frames while scrolling.

Processor time is that of Chromium's renderer, by the kernel's account; a full core is 100 %.
"""

import argparse
import itertools
import os
import tempfile
import time
from pathlib import Path

import httpx
import trio

from tests.support.browser import Browser, browser
from tests.support.servers import client_of, server_process
from tests.support.web_page import changing_jobs, many_jobs, report_all

TICKS = os.sysconf("SC_CLK_TCK")
JOBS, AT_WORK = 10_000, 300
PER_BEAT, BEAT_S = 10, 0.1
SCROLL = """
new Promise((done) => {
  const times = [];
  const step = (at) => {
    times.push(at);
    scrollBy(0, 120);
    if (times.length < 241) requestAnimationFrame(step);
    else done(times.slice(1).map((each, index) => each - times[index]));
  };
  requestAnimationFrame(step);
})
"""


def renderer_seconds(profile: Path) -> float:
    """Return the processor time that the renderers of the browser with this profile have used so far."""
    total = 0.0
    for process in Path("/proc").iterdir():
        try:
            command = (process / "cmdline").read_text() if process.name.isdecimal() else ""
            if "--type=renderer" in command and str(profile) in command:
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                total += (int(fields[11]) + int(fields[12])) / TICKS
        except OSError:
            continue  # it ended meanwhile
    return total


async def change(client: httpx.AsyncClient, jobs: list[dict[str, object]], seconds: float) -> None:
    """Report 100 changes per second for this time."""
    end = trio.current_time() + seconds
    draw = itertools.cycle(jobs)
    done = itertools.count(1)
    while trio.current_time() < end:
        beat = trio.current_time()
        await report_all(client, [next(draw) | {"done": next(done) % 240} for _ in range(PER_BEAT)])
        await trio.sleep_until(beat + BEAT_S)


async def share(tab: Browser, profile: Path, seconds: float) -> tuple[float, float]:
    """Return the renderer's share of a core, and that of its main thread's tasks, in percent."""

    async def tasks() -> float:
        found = (await tab.call("Performance.getMetrics"))["metrics"]
        return next(float(each["value"]) for each in found if each["name"] == "TaskDuration")

    before, at = (renderer_seconds(profile), await tasks()), time.monotonic()
    await trio.sleep(seconds)
    length = time.monotonic() - at
    return (renderer_seconds(profile) - before[0]) / length * 100, (await tasks() - before[1]) / length * 100


async def measure(seconds: float) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as directory:
        data, profile = Path(directory) / "data", Path(directory) / "chromium"
        data.mkdir()
        async with (
            server_process(data, env={}) as server,
            client_of(server.url) as client,
            browser(profile, own=True) as tab,
        ):
            messages = many_jobs(JOBS, active=AT_WORK)
            await report_all(client, messages)
            await tab.size(1400, 900)
            await tab.call("Performance.enable")
            began = time.monotonic()
            await tab.go(server.url)
            await tab.until("document.querySelectorAll('.lines .row.job').length > 10")
            print(f"{JOBS:,} jobs: first rows after {time.monotonic() - began:.1f} s")
            await trio.sleep(3)
            print("idle: renderer {:.1f} %, tasks {:.1f} %".format(*await share(tab, profile, seconds)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(change, client, changing_jobs(messages, AT_WORK), seconds + 6)
                await trio.sleep(3)
                used, tasks = await share(tab, profile, seconds)
                print(f"100 changes/s: renderer {used:.1f} %, tasks {tasks:.1f} % (bound 15 %)")
            frames = sorted(await tab.evaluate(SCROLL))
            late = sum(frame > 1000 / 30 for frame in frames)
            middle, most, longest = (frames[int(len(frames) * share)] for share in (0.5, 0.95, 0.9999))
            print(f"scrolling: median frame {middle:.1f} ms, 95th percentile {most:.1f} ms, longest {longest:.1f} ms")
            print(f"{late} of {len(frames)} frames late")
            rows = await tab.evaluate("document.querySelectorAll('.lines .row').length")
            heap = float((await tab.call("Runtime.getHeapUsage"))["usedSize"])
            print(f"{rows} rows in the document, {heap / 2**20:.0f} MiB of heap")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0)
    trio.run(measure, parser.parse_args().seconds)


if __name__ == "__main__":
    main()
