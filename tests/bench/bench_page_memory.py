"""Memory of an open page: JavaScript heap, nodes and listeners, each after a collection, at 100 changes per second."""

import argparse
import tempfile
from pathlib import Path

import trio

from tests.bench.bench_page import change
from tests.support.browser import browser
from tests.support.servers import client_of, server_process
from tests.support.web_page import LIVE, changing_jobs, many_jobs, report_all

JOBS, AT_WORK = 1000, 100


async def measure(minutes: float, samples: int) -> None:
    """Print the page's memory at even intervals."""
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        (scratch / "data").mkdir()
        async with (
            server_process(scratch / "data") as server,
            client_of(server.url) as client,
            browser(scratch / "chromium", own=True) as tab,
            trio.open_nursery() as nursery,
        ):
            messages = many_jobs(JOBS, active=AT_WORK)
            await report_all(client, messages)
            await tab.go(server.url)
            await tab.until(LIVE)
            nursery.start_soon(change, client, changing_jobs(messages, AT_WORK), minutes * 60)
            for number in range(samples + 1):
                if number:
                    await trio.sleep(minutes * 60 / samples)
                now, changes = await tab.kept(), await tab.evaluate("phaseline.store.changes")
                print(
                    f"{number * minutes / samples:5.1f} min: {changes:,} changes, "
                    f"heap {now.heap / 2**20:.2f} MiB, {now.nodes} nodes, {now.listeners} listeners",
                    flush=True,
                )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--samples", type=int, default=10)
    given = parser.parse_args()
    trio.run(measure, given.minutes, given.samples)


if __name__ == "__main__":
    main()
