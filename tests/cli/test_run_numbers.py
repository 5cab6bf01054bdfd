"""The numbers in a command: facts for its estimate, not a series of their own."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from phaseline.eta.model import ModelEngine
from phaseline.eta.observed import Observed, Run, Step
from phaseline_cli.run.command import series_of
from phaseline_cli.run.facts import input_facts
from tests.support.commands import job_status, phaseline
from tests.support.servers import server_process


@pytest.mark.parametrize(
    ("command", "series", "numbers"),
    [
        ("sleep 60", "sleep", {"argument": 60}),
        ("seq 5 60", "seq", {"argument": 5, "argument 2": 60}),
        ("ffmpeg -i a.mov -crf 20 -preset slow b.mp4", "ffmpeg -i -crf -preset slow", {"-crf": 20}),
        ("blender -b a.blend --frames=240 -t 8", "blender -b --frames -t", {"--frames": 240, "-t": 8}),
        ("train.py --lr 0.1 --seed 7", "train.py --lr --seed", {"--lr": 0.1, "--seed": 7}),
        ("dd if=a of=b bs=1M count=200", "dd bs=1M count", {"count": 200}),
        ("zstd -19 a", "zstd -19 a", {}),
        ("tool --token 123456 --password=99 --n 3", "tool --token *** --password=*** --n", {"--n": 3}),
        (f"tool {'9' * 16} 1e9 nan 3/4", f"tool {'9' * 16} 1e9 nan", {}),
    ],
)
def test_numbers_are_facts_and_not_part_of_the_series(command: str, series: str, numbers: dict[str, float]) -> None:
    assert series_of(command.split()) == series
    assert input_facts(command.split(), "/nowhere") == numbers


def test_only_the_first_numbers_are_facts() -> None:
    assert list(input_facts(["tool", *map(str, range(100))]).values()) == list(range(8))


async def test_the_server_gets_the_numbers_unless_the_command_is_private(env: dict[str, str], tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        env["PROGRESS_URL"] = server.url
        for words in (["--id", "open"], ["--id", "private", "--facts", "pid"]):
            assert (await phaseline(env, "run", *words, "--", "sleep", "0.1")).code == 0
        found = [await job_status(server.url, job) for job in ("open", "private")]
    assert [each["photo_info"] for each in found] == [{"argument": 0.1}, {}]
    assert found[0]["series"] == "sleep"


def test_a_number_that_never_came_before_has_an_estimate() -> None:
    def facts(frames: int) -> tuple[str, dict[str, float]]:
        command: Sequence[str] = ["render", "--frames", str(frames), "--seed", str(frames * 7919 % 1000)]
        return series_of(command), input_facts(command, "/nowhere")

    engine = ModelEngine()
    for frames in (50, 200, 90, 300, 120, 60, 250, 150):
        series, known = facts(frames)
        engine.learn_run(Run("render", series, (Step("run", frames * 400.0),), known))
    series, known = facts(400)
    estimate = engine.estimate_observed(Observed("render", series, later=("run",), covariates=known))
    assert estimate.remaining_ns is not None
    assert estimate.remaining_ns / 1e9 == pytest.approx(160, rel=0.25)
