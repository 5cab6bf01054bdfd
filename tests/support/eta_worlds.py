"""Synthetic workflows whose truth is known, for the tests of the estimates."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from phaseline.eta.backtest import Estimates, Past, Replayable, load, replay

MOMENTS = 10
"""At which the tests ask about a run; those of one run tell much the same."""

World = Callable[[random.Random, int], tuple[list[float | None], dict[str, Any]]]
"""From chance and a run's number: the phases' milliseconds, None for a skipped one, and covariates."""


def bimodal(rng: random.Random, number: int) -> tuple[list[float | None], dict[str, Any]]:
    """A cache that hits in half of the runs, or doesn't: 2 s or 40 s."""
    long = rng.random() < 0.5
    return [3000 * noise(rng, 0.1), (40_000 if long else 2000) * noise(rng, 0.1), 8000 * noise(rng, 0.1)], {}


def drifting(rng: random.Random, number: int) -> tuple[list[float | None], dict[str, Any]]:
    """Each run takes half a per cent longer than the one before it."""
    return [base * 1.005**number * noise(rng, 0.08) for base in (4000, 20_000, 9000)], {}


def growing(rng: random.Random, number: int) -> tuple[list[float | None], dict[str, Any]]:
    """Each run takes two per cent longer than the one before it."""
    return [base * 1.02**number * noise(rng, 0.05) for base in (4000, 20_000, 9000)], {}


def stepping(rng: random.Random, number: int) -> tuple[list[float | None], dict[str, Any]]:
    """Takes three times as long from the sixtieth run to the hundredth."""
    factor = 3 if 60 <= number < 100 else 1
    return [base * factor * noise(rng, 0.1) for base in (4000, 20_000, 9000)], {}


def slow_machine(rng: random.Random, number: int) -> tuple[list[float | None], dict[str, Any]]:
    """One machine of three takes four times as long."""
    host = rng.choice(("a", "b", "slow"))
    factor = 4 if host == "slow" else 1
    return [base * factor * noise(rng, 0.1) for base in (3000, 15_000, 6000)], {"host": host}


def skipping(rng: random.Random, number: int) -> tuple[list[float | None], dict[str, Any]]:
    """Its longest phase is skipped in three of ten runs."""
    skipped = rng.random() < 0.3
    return [5000 * noise(rng, 0.1), None if skipped else 20_000 * noise(rng, 0.1), 5000 * noise(rng, 0.1)], {}


def sized(rng: random.Random, number: int) -> tuple[list[float | None], dict[str, Any]]:
    """Its length is proportional to its input, whose size varies by a factor of 100."""
    size = 10 ** rng.uniform(6, 8)
    return [size / 1000 * part * noise(rng, 0.1) for part in (0.2, 1, 0.5)], {"bytes": size, "name": f"{number}.jpg"}


WORLDS: dict[str, World] = {
    "bimodal": bimodal,
    "drifting": drifting,
    "growing": growing,
    "stepping": stepping,
    "slow machine": slow_machine,
    "skipping": skipping,
    "sized": sized,
}


def noise(rng: random.Random, sd: float) -> float:
    """Return a factor around 1."""
    return rng.lognormvariate(0, sd)


def marked(rng: random.Random, ms: float | None, count: int) -> list[tuple[float, float]] | None:
    """Return reports of progress in a phase that is quicker or slower at its beginning than at its end."""
    if not ms or not count:
        return None
    bend = noise(rng, 0.2)
    return [(ms * (k / (count + 1)) ** bend, k / (count + 1)) for k in range(1, count + 1)]


def history(world: World, runs: int = 150, seed: int = 1, marks: int = 0) -> list[Past]:
    """Return a number of runs of a world in order; each phase reports its progress `marks` times."""
    rng, lines = random.Random(seed), []
    for number in range(runs):
        lengths, covariates = world(rng, number)
        phases = [
            {"name": f"p{i}", "durationMs": ms or 0, "skipped": ms is None, "marks": marked(rng, ms, marks)}
            for i, ms in enumerate(lengths)
        ]
        line = {"series": "s", "phases": phases, "covariates": covariates, "ok": True, "order": number}
        lines.append(msgspec.json.encode(line))
    return load(lines)


def later_runs(world: World, engine: Replayable, first: int = 30) -> Sequence[Estimates]:
    """Return the estimates of `engine` for the runs of a world once it has learned from some."""
    return [made for made in replay(history(world), engine, MOMENTS) if made.place >= first]
