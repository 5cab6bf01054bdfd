"""Learning the accuracy of progress and the width of the band."""

import random
from typing import Any

import msgspec
import pytest

from phaseline.eta.backtest import load, replay, score
from phaseline.eta.model.band import Band, Outside
from phaseline.eta.model.history import History
from phaseline.eta.model.pace import Noise, noise_of
from phaseline.eta.model.store import Store
from phaseline.eta.observed import Run, Step
from phaseline.eta.replay import Model


def test_the_band_adapts_to_the_results_more_and_more_slowly() -> None:
    narrow = Band()
    for _ in range(3):
        narrow = narrow.moved(Outside(below=0.0, above=0.25, early=0.2), 0.05)
    assert narrow.below > 0.1 > narrow.early > narrow.above > 0
    steps = [Band(runs=runs).moved(Outside(0, 0, 0), 0.05).below - 0.1 for runs in (0, 2, 100)]
    assert steps[0] > steps[1] > steps[2] == pytest.approx(0.005)
    assert narrow.top(0.001) == pytest.approx(narrow.early, rel=0.01)
    assert narrow.top(0.9) == pytest.approx(narrow.above, rel=0.05)


def linear(ms: float, bend: float) -> list[tuple[float, float]]:
    return [(ms * (i / 10) ** bend, i / 10) for i in range(1, 10)]


def error_of_uneven_workers(bend: float) -> float:
    """Return the error, once ten runs are known, where all workers are quicker at the same end of their phase."""
    rng, lines = random.Random(4), list[bytes]()
    for number in range(30):
        ms = 60_000 * rng.lognormvariate(0, 0.8)
        phase = {"name": "p", "durationMs": ms, "marks": linear(ms, bend)}
        lines.append(msgspec.json.encode({"series": "s", "ok": True, "order": number, "phases": [phase]}))
    found = score([made for made in replay(load(lines), Model()) if made.place >= 10])
    assert found is not None
    return found.nae1


@pytest.mark.parametrize("bend", [0.5, 0.7, 1.4])
def test_progress_that_is_uneven_in_every_run_is_straightened(bend: float, monkeypatch: pytest.MonkeyPatch) -> None:
    error = error_of_uneven_workers(bend)
    monkeypatch.setattr(Noise, "bias", lambda _: 0.0)
    assert error < 0.8 * error_of_uneven_workers(bend)


def test_a_bias_of_progress_is_believed_as_far_as_runs_agree() -> None:
    assert Noise().bias() == 0
    steady, mixed = Noise(), Noise()
    for number in range(20):
        steady = steady.after(0.5)
        mixed = mixed.after(0.05 + (-1) ** number)
    assert 0.3 < steady.bias() < 0.5
    assert 0 <= mixed.bias() < 0.01
    assert Noise().after(0.5).bias() < 0.02


def test_a_state_from_before_biases_were_learned_is_read() -> None:
    store = Store()
    store.learn(("w", "s"), Run("w", "s", (Step("a", 1000.0),)))
    state: list[Any] = msgspec.msgpack.decode(store.opened(("w", "s")).encode())
    assert History.decode(msgspec.msgpack.encode(state[:-1])).bias == Noise()


def test_the_accuracy_of_progress_is_learned_by_series_and_by_server() -> None:
    exact, bent = (noise_of(linear(10_000, bend), 10_000, 8) for bend in (1.0, 2.0))
    assert exact is not None
    assert bent is not None
    assert exact < bent
    server = Noise()
    for _ in range(5):
        server = server.after(exact)
    assert Noise().trust(server).log_c < Noise().trust(Noise()).log_c
    assert Noise().after(bent).trust(server).log_c > Noise().trust(server).log_c


@pytest.mark.parametrize("version", [0, 1, 3])
def test_states_of_other_versions_are_rejected(version: int) -> None:
    store = Store()
    store.learn(("w", "s"), Run("w", "s", (Step("a", 1000.0),)))
    for encoded, decode in ((store.opened(("w", "s")).encode(), History.decode), (store.encode(), Store().decode)):
        state: list[Any] = msgspec.msgpack.decode(encoded)
        assert state[0] == 2
        with pytest.raises(ValueError, match="version"):
            decode(msgspec.msgpack.encode([version, *state[1:]]))
        with pytest.raises(ValueError):  # noqa: PT011 - msgspec's own text
            decode(msgspec.msgpack.encode([1, *state[1:-2]]))
