"""What the demo shows of its jobs without a terminal: a line for each change of phase."""

from typing import Any

import httpx
import trio

__all__ = ["Failed", "Watch", "say"]


class Failed(Exception):
    """A part of the demo failed."""


def say(line: str = "") -> None:
    """Print a line and flush it, as the output may be a pipe."""
    print(line, flush=True)


class Watch:
    """Follows runs by polling, as `curl` in a loop does, and prints each change of phase."""

    def __init__(self, client: httpx.AsyncClient, *, quiet: bool) -> None:
        """Poll with `client`; print nothing if `quiet`."""
        self._client = client
        self._quiet = quiet
        self._began = trio.current_time()

    def tell(self, name: str, text: str) -> None:
        """Print a line about `name`."""
        if not self._quiet:
            say(f"{trio.current_time() - self._began:5.1f} s  {name:<24} {text}")

    async def photos(self, scope: trio.CancelScope) -> None:
        """Print the progress of photo jobs that start from now on until `scope` is cancelled, and once more then."""
        told = set[tuple[str, str]]()
        await self._tell_photos(told, quiet=True)
        with scope:
            while True:
                await self._tell_photos(told)
                await trio.sleep(0.1)
        await self._tell_photos(told)

    async def _tell_photos(self, told: set[tuple[str, str]], *, quiet: bool = False) -> None:
        answer = await self._client.get("/progress/jobs", params={"limit": "1000"})
        answer.raise_for_status()
        for job in answer.json()["jobs"]:
            stages = [stage for stage in job["stages"] if stage["started_at"]] if job["workflow"] == "photo" else []
            for number, stage in enumerate(stages, 1):
                # The duration of a stage is known when the next one starts or the job ends.
                key = (job["job_id"], stage["name"])
                if key not in told and stage["state"] != "current":
                    told.add(key)
                    took = f"{number}/{job['stage_count']} {stage['name']:<17} took {stage['elapsed_seconds']:.2f} s"
                    failed = f"{number}/{job['stage_count']} {stage['name']:<17} FAILED: {stage['error']}"
                    if quiet:
                        continue
                    self.tell(job["photo_info"]["file_name"], failed if stage["state"] == "failed" else took)

    async def follow(self, series: str, address: str, *, who: str = "", expect: str = "") -> dict[str, Any]:
        """Request a picture and poll until it is done.

        Args:
            series: The series.
            address: The address.
            who: Tells pollers of one run apart.
            expect: "" for a picture, "cache" for one that is there already, "error" for a run that fails.
        """
        name, told = f"{series}/{address}{who}", set[str]()
        while True:
            answer = await self._client.get(f"/dalle/{series}/{address}", params={"generate": "1"})
            answer.raise_for_status()
            run: dict[str, Any] = answer.json()
            # A phase may start and end between two polls; the snapshot still lists it.
            for number, phase in enumerate(run["phases"], 1):
                if phase["startedNs"] and phase["name"] not in told:
                    told.add(phase["name"])
                    self.tell(name, describe(run, number, phase))
            if run["done"]:
                break
            await trio.sleep(0.1)
        went = "error" if run["error"] else "cache" if run["cacheHit"] else ""
        if went != expect:
            text = f"{name} ended as {went or 'a picture'!r}, not as {expect or 'a picture'!r}: {run['error']}"
            raise Failed(text)
        return run


def describe(run: dict[str, Any], number: int, phase: dict[str, Any]) -> str:
    """Return the line to print for a phase that started."""
    line = f"{number}/{run['phaseCount']} {phase['name']:<14}"
    if phase["name"] == "completed":
        if run["error"]:
            return f"{line} FAILED, as it should: {run['error']}"
        title = run["dalleDress"]["titlePrompt"]
        return f"{line} {'was there already' if run['cacheHit'] else '100 %'}: {title}"
    if phase["skipped"]:
        return f"{line} skipped"
    if phase["endedNs"]:
        return f"{line} took {(phase['endedNs'] - phase['startedNs']) / 1e9:.2f} s"
    left = "not known yet how long" if run["etaSeconds"] < 0 else f"about {run['etaSeconds']:.0f} s left"
    return f"{line} {run['percent']:.0f} %, {left}"
