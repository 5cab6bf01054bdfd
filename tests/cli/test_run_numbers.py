"""The numbers in a command: facts for its estimate, not separate series."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from phaseline.eta.model import ModelEngine
from phaseline.eta.observed import Observed, Run, Step
from phaseline_cli.run.adapter import load
from phaseline_cli.run.command import series_of
from phaseline_cli.run.facts import input_facts
from phaseline_cli.run.reader import Reader
from tests.support.commands import job_status, phaseline
from tests.support.servers import ROOT, server_process


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


@pytest.mark.slow
async def test_the_server_gets_the_numbers_unless_the_command_is_private(env: dict[str, str], tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        env["PROGRESS_URL"] = server.url
        for words in (["--id", "open"], ["--id", "private", "--facts", "pid"]):
            assert (await phaseline(env, "run", *words, "--", "sleep", "0.1")).code == 0
        found = [await job_status(server.url, job) for job in ("open", "private")]
    assert [each["photo_info"] for each in found] == [{"argument": 0.1}, {}]
    assert found[0]["series"] == "sleep"


@pytest.mark.parametrize(
    ("recording", "facts"),
    [
        ("ffmpeg-x264-pipe", {"duration": 24.02, "pixels": 640 * 360, "frames": 600}),
        ("ffmpeg-unknown-duration-pty", {}),
        ("rsync-progress2-pipe", {"files": 157}),
        ("handbrake-pty", {"duration": 24}),
        ("blender-cycles-anim-pipe", {"frames": 5, "samples": 8}),
        ("pytest-dots-pty", {"tests": 112}),
        ("x264-pty", {"frames": 250}),
        ("lame-pty", {"frames": 4595}),
    ],
)
def test_the_head_of_the_output_has_facts(recording: str, facts: dict[str, float]) -> None:
    lines = (ROOT / f"tests/data/recordings/{recording}.jsonl").read_text().splitlines()
    reader = Reader(load(None), json.loads(lines[0])["argv"])
    for line in lines[1:]:
        at, stream, text = json.loads(line)
        list(reader.feed(at, stream, text.encode()))
    assert reader.progress.facts == facts


@pytest.mark.slow
@pytest.mark.needs("ffmpeg")
async def test_the_server_gets_the_facts_of_the_output(env: dict[str, str], tmp_path: Path) -> None:
    film = ["ffmpeg", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=10", "-t", "2", "-f", "null", "-"]
    async with server_process(tmp_path) as server:
        env["PROGRESS_URL"] = server.url
        for words in (["--id", "open"], ["--id", "private", "--facts", "pid"]):
            assert (await phaseline(env, "run", *words, "--", *film)).code == 0
        found = [await job_status(server.url, job) for job in ("open", "private")]
    assert found[0]["photo_info"] == {"-t": 2, "duration": 2, "pixels": 64 * 48, "frames": 20}
    assert found[1]["photo_info"] == {}


def test_a_number_that_is_new_has_an_estimate() -> None:
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
