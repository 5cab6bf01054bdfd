"""Latency of `GET /health` on an idle server, and while four pictures are being painted.

Both figures come from one run, over one kept connection, a request every 10 ms.
"""

import secrets
import statistics
import tempfile
import time
from pathlib import Path

import httpx
import trio

from tests.support.servers import server_process

PICTURES = 4


async def latencies(client: httpx.AsyncClient, until: trio.Event | None, most: int) -> list[float]:
    """Return how many milliseconds each answer took."""
    taken: list[float] = []
    while len(taken) < most and (until is None or not until.is_set()):
        begun = time.perf_counter()
        (await client.get("/health")).raise_for_status()
        taken.append(1000 * (time.perf_counter() - begun))
        await trio.sleep(0.01)
    return taken


def line(name: str, taken: list[float]) -> str:
    """Return the figures of one measurement."""
    cuts = statistics.quantiles(taken, n=100)
    return f"{name:<26} {len(taken):>6} {cuts[49]:>8.2f} {cuts[94]:>8.2f} {cuts[98]:>8.2f} {max(taken):>8.2f}"


async def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as directory:
        async with server_process(Path(directory), env={}) as server, httpx.AsyncClient(base_url=server.url) as client:
            await latencies(client, None, 50)
            idle = await latencies(client, None, 500)
            done = trio.Event()

            async def paint() -> None:
                addresses = [f"/dalle/simple/0x{secrets.token_hex(8)}" for _ in range(PICTURES)]
                async with httpx.AsyncClient(base_url=server.url) as other:
                    for address in addresses:
                        await other.post(address)
                    for address in addresses:
                        while not (await other.get(address)).json()["done"]:  # noqa: ASYNC110 - polls as users do
                            await trio.sleep(0.2)
                done.set()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(paint)
                painting = await latencies(client, done, 100_000)
    print(f"{'GET /health, ms':<26} {'n':>6} {'p50':>8} {'p95':>8} {'p99':>8} {'max':>8}")
    print(line("idle", idle))
    print(line(f"{PICTURES} pictures being painted", painting))


if __name__ == "__main__":
    trio.run(main)
