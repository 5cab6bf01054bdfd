"""The demo's output without a terminal: a line for each change of phase."""

from typing import Any, Final

import httpx
import trio

__all__ = ["Failed", "Watch", "print_line"]

_PACE_S: Final = 0.25


class Failed(Exception):
    """A part of the demo failed."""


def print_line(line: str = "") -> None:
    """Print a line and flush it, because the output may be a pipe."""
    print(line, flush=True)


class Watch:
    """Follows runs by polling, as `curl` in a loop does, and prints each change of phase."""

    def __init__(self, client: httpx.AsyncClient, *, quiet: bool) -> None:
        """Poll with `client`; print nothing if `quiet`."""
        self._client = client
        self._quiet = quiet
        self._began = trio.current_time()

    def report(self, name: str, text: str) -> None:
        """Print a line about `name`."""
        if not self._quiet:
            print_line(f"{trio.current_time() - self._began:5.1f} s  {name:<24} {text}")

    async def photos(self, scope: trio.CancelScope) -> None:
        """Print the progress of photo jobs that start from now on until `scope` is cancelled, and then once more."""
        reported = set[tuple[str, str]]()
        await self._report_photos(reported, quiet=True)
        with scope:
            while True:
                await self._report_photos(reported)
                await trio.sleep(_PACE_S)
        await self._report_photos(reported)

    async def _report_photos(self, reported: set[tuple[str, str]], *, quiet: bool = False) -> None:
        answer = await self._client.get("/progress/jobs", params={"limit": "1000"})
        answer.raise_for_status()
        for job in answer.json()["jobs"]:
            stages = [stage for stage in job["stages"] if stage["started_at"]] if job["workflow"] == "photo" else []
            for number, stage in enumerate(stages, 1):
                # The duration of a stage is known when the next one starts or the job ends.
                key = (job["job_id"], stage["name"])
                if key not in reported and stage["state"] != "current":
                    reported.add(key)
                    took = f"{number}/{job['stage_count']} {stage['name']:<17} took {stage['elapsed_seconds']:.2f} s"
                    failed = f"{number}/{job['stage_count']} {stage['name']:<17} FAILED: {stage['error']}"
                    if quiet:
                        continue
                    self.report(job["photo_info"]["file_name"], failed if stage["state"] == "failed" else took)

    async def follow(self, series: str, address: str, *, who: str = "", expect: str = "") -> dict[str, Any]:
        """Request a picture and poll until it is done.

        Args:
            series: The series.
            address: The address.
            who: Label of the poller, if several poll one run.
            expect: "" for a new picture, "cache" for a stored one, "error" for a run that fails.
        """
        name, reported = f"{series}/{address}{who}", set[str]()
        while True:
            answer = await self._client.get(f"/dalle/{series}/{address}", params={"generate": "1"})
            answer.raise_for_status()
            run: dict[str, Any] = answer.json()
            # A phase may start and end between two polls; the snapshot still lists it.
            for number, phase in enumerate(run["phases"], 1):
                if phase["startedNs"] and phase["name"] not in reported:
                    reported.add(phase["name"])
                    self.report(name, describe(run, number, phase))
            if run["done"]:
                break
            await trio.sleep(_PACE_S)
        went = "error" if run["error"] else "cache" if run["cacheHit"] else ""
        if went != expect:
            text = f"{name}: expected {expect or 'a picture'}, got {went or 'a picture'}: {run['error']}"
            raise Failed(text)
        return run


def describe(run: dict[str, Any], number: int, phase: dict[str, Any]) -> str:
    """Return the line to print for a phase that started."""
    line = f"{number}/{run['phaseCount']} {phase['name']:<14}"
    if phase["name"] == "completed":
        if run["error"]:
            return f"{line} FAILED, as expected: {run['error']}"
        title = run["dalleDress"]["titlePrompt"]
        return f"{line} {'already stored' if run['cacheHit'] else '100 %'}: {title}"
    if phase["skipped"]:
        return f"{line} skipped"
    if phase["endedNs"]:
        return f"{line} took {(phase['endedNs'] - phase['startedNs']) / 1e9:.2f} s"
    left = "remaining time unknown" if run["etaSeconds"] < 0 else f"about {run['etaSeconds']:.0f} s left"
    return f"{line} {run['percent']:.0f} %, {left}"
