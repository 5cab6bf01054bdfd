"""Progress bars of Python programs, which the hook reports; and the programs that must not notice it."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from phaseline_cli.run.adapter import load
from phaseline_cli.run.inject import Side, environment
from phaseline_cli.run.progress import Reading
from phaseline_cli.run.reader import Reader
from tests.cli.test_run_output import folder
from tests.cli.test_run_side import ended, result
from tests.support.servers import server_process

PROBE = """
import os, subprocess, sys
print(sys.path, sorted(sys.path_importer_cache), sorted(sys.modules), sys.flags, sys.argv)
print({name: value for name, value in os.environ.items() if not name.startswith("PROGRESS_")})
print(subprocess.run([sys.executable, "-c", "import sys; print(sys.path)"], stdout=-1).stdout)
try:
    import sitecustomize
    print(sitecustomize.__file__)
except Exception as error:
    print(error)
"""
NESTED = """
from tqdm import tqdm
for number in tqdm(range(3), desc="pass", mininterval=0, miniters=1):
    for item in tqdm(range(4), desc="files", leave=False, mininterval=0, miniters=1, postfix={"loss": 1}):
        pass
"""
DISABLED = """
import time
from tqdm import tqdm
for item in tqdm(range(20), desc="silent", disable=True):
    time.sleep(0.1)
bar = tqdm(total=4, desc="nowhere", file=open("/dev/null", "w"), mininterval=0, unit="B")
bar.update(1)
bar.update(3)
bar.close()
for item in tqdm(iter("ab"), file=open("/dev/null", "w"), mininterval=0, miniters=1):
    pass
"""
RICH = """
import time
from rich.progress import Progress, track
for item in track(range(4), "[green]Reading"):
    pass
with Progress(disable=True) as progress:
    load, draw = progress.add_task("load", total=2), progress.add_task("draw", total=2)
    for task in (load, load, draw, draw):
        time.sleep(0.11)  # more often, a bar is not reported
        progress.advance(task)
with Progress() as progress:
    epochs, steps = progress.add_task("epoch", total=2), progress.add_task("steps", total=2)
    for epoch in range(2):
        progress.reset(steps)
        progress.advance(steps)
        progress.advance(steps)
        progress.advance(epochs)
"""
KERAS = """
import keras, numpy
model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
points = numpy.random.rand(64, 8)
model.fit(points, points.sum(1), epochs=3, batch_size=8, verbose=0)
"""
FORKS = """
import os, sys
from tqdm import tqdm
def bar():
    for item in tqdm(range(2), file=sys.stderr, mininterval=0, miniters=1):
        pass
if os.fork() == 0:
    bar()
    os._exit(0)
os.wait()
number = int(os.environ["PROGRESS_FD"])
os.close(number)
with open(sys.argv[1], "w") as file:
    os.dup2(file.fileno(), number)
    bar()
"""


def pipe() -> Side:
    reading, writing = os.pipe()
    return Side(reading, writing, writing)


def follow(argv: Sequence[str], *, screen: bool = False) -> tuple[list[Reading], Reader]:
    """Run a program with the hook; return the readings from its pipe and, if `screen`, from its output."""
    side = pipe()
    with subprocess.Popen(
        argv,
        env=environment(os.environ, "job", side, argv),
        pass_fds=[side.number],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as child:
        os.close(side.writing)
        assert child.stdout is not None
        printed = child.stdout.read()
        with os.fdopen(side.reading, "rb") as reading:
            reported = reading.read()
    assert child.returncode == 0, printed
    reader, readings = Reader(load(), argv), []
    for line in reported.splitlines(keepends=True)[: -1 if screen else None]:
        readings += [now for _, now in reader.feed(0.0, "side", line)]
    if screen:
        assert [now for _, now in reader.feed(0.1, "stderr", printed)] == []
    return readings, reader


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize("flags", [[], ["-E"], ["-I"], ["-S"], ["-s"], ["-B", "-E"]])
@pytest.mark.parametrize("path", [None, "", "{own}", "{broken}:{own}", ":/nowhere"])
def test_a_program_sees_no_trace_of_the_hook(flags: list[str], path: str | None, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv")
    for name, text in {"own": "", "broken": "1 / 0"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "sitecustomize.py").write_text(text)
    (tmp_path / "probe.py").write_text(PROBE)
    argv = [str(tmp_path / "venv" / "bin" / "python"), *flags, str(tmp_path / "probe.py")]
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if path is not None:
        plain["PYTHONPATH"] = path.format(own=tmp_path / "own", broken=tmp_path / "broken")
    side = pipe()
    seen = [
        subprocess.run(argv, env=env, pass_fds=[side.number], capture_output=True, check=True)
        for env in (plain, environment(plain, "job", side, argv))
    ]
    os.close(side.reading)
    os.close(side.writing)
    assert seen[0].stdout == seen[1].stdout
    assert seen[0].stderr == seen[1].stderr


def test_nested_bars_are_rounds_and_are_counted_once() -> None:
    readings, reader = follow(python(NESTED), screen=True)
    assert reader.progress.phases == ["pass 1", "pass 2", "pass 3"]
    assert readings[-1].run == 1
    assert readings[-1].text == "loss=1"
    runs = [reading.run or 0 for reading in readings]
    assert runs == sorted(runs)


def test_bars_that_are_drawn_nowhere_are_reported() -> None:
    readings, reader = follow(python(DISABLED))
    assert reader.progress.phases == ["silent", "nowhere", "run"]
    silent = [reading for reading in readings if reading.phase == "silent"]
    assert 10 <= (silent[0].done or 0) < (silent[-2].done or 0) < 20
    assert silent[-1].run == 1
    assert [r.unit for r in readings if r.phase == "nowhere"][-1] == "bytes"
    assert readings[-1] == Reading("run", None, None, 2, None)  # their number is unknown


def test_tasks_of_rich_are_reported_whether_they_are_drawn_or_not() -> None:
    readings, reader = follow(python(RICH))
    assert reader.progress.phases == ["Reading", "load", "draw", "epoch 1", "epoch 2"]
    assert {r.phase: r.fraction for r in readings} == dict.fromkeys(reader.progress.phases, 1)


@pytest.mark.slow
def test_epochs_of_keras_are_reported_though_it_prints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("keras", "jax"):  # a gigabyte, so it is not among the development requirements
        if find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    readings, reader = follow(python(KERAS))
    assert reader.progress.phases == ["epoch 1", "epoch 2", "epoch 3"]
    assert (readings[-1].run, readings[-1].unit) == (1, "steps")


def test_forks_and_other_files_stay_untouched(tmp_path: Path) -> None:
    readings, _ = follow([*python(FORKS), str(tmp_path / "file")])
    assert readings == []
    assert (tmp_path / "file").read_bytes() == b""


def test_an_adapter_for_the_command_takes_precedence_over_the_hook() -> None:
    reader = Reader(load(), ["pytest"])
    list(reader.feed(0.0, "side", b'{"hook": "tqdm", "pid": 1, "bar": 1, "name": "x", "done": 1, "total": 2}\n'))
    assert reader.progress.now.fraction is None


def report(pid: int, bar: int, done: float, total: float | None = 10) -> bytes:
    counts = {"hook": "tqdm", "pid": pid, "thread": 1, "bar": bar, "name": f"bar {bar}:", "done": done, "total": total}
    return json.dumps(counts).encode() + b"\n"


def test_concurrent_bars_are_not_rounds() -> None:
    reader = Reader({})
    for bar, done in ((1, 0), (2, 0), (1, 1), (2, 1), (1, 6), (2, 2)):
        list(reader.feed(0.0, "side", report(7, bar, done)))
    assert reader.progress.now.phase == "bar 1"
    assert reader.progress.now.fraction == 0.6


def test_several_rounds_in_a_step_are_expected_to_be_as_many_in_the_next() -> None:
    reader = Reader({})
    runs = []
    for bar, done in ((1, 0), (2, 10), (3, 10), (1, 1), (4, 0), (4, 10), (5, 5)):
        list(reader.feed(0.0, "side", report(7, bar, done)))
        runs.append(reader.progress.now.run)
    assert runs[3:] == pytest.approx([0.1, 0.1, 0.15, 0.175])


def test_bars_of_an_earlier_program_are_ignored() -> None:
    reader = Reader({})
    list(reader.feed(0.0, "side", report(7, 1, 4)))
    list(reader.feed(3.0, "side", report(8, 1, 5)))
    reader.switch(["python", "b.py"], 2.5)
    list(reader.feed(3.1, "side", report(7, 1, 9)))
    list(reader.feed(3.1, "side", report(8, 1, 6)))
    assert reader.progress.now.fraction == 0.6


def test_a_bar_that_has_ended_is_not_that_of_the_next_program() -> None:
    reader = Reader({})
    list(reader.feed(0.0, "side", report(7, 1, 9)))
    list(reader.feed(0.1, "side", b'{"hook": "tqdm", "pid": 7, "bar": 1, "open": false}\n{"hook": "", "pid": 7}\n'))
    reader.switch(["sleep"], 3.0)
    assert reader.progress.now == Reading()


def test_progress_that_a_program_names_overrides_its_bars() -> None:
    reader = Reader({})
    list(reader.feed(0.0, "stdout", b"PROGRESS: 20%\n"))
    list(reader.feed(0.1, "side", report(7, 1, 9)))
    assert reader.progress.now.fraction == 0.2


@pytest.mark.slow
async def test_a_hooked_bar_leaves_the_streams_unchanged(phaseline: str, env: dict[str, str], tmp_path: Path) -> None:
    async with server_process(folder(tmp_path)) as server:
        env["PROGRESS_URL"] = server.url
        plain = python(NESTED.replace("miniters=1", "miniters=1, bar_format='{n}/{total}'"))
        hooked = await result([phaseline, "run", "--id", "hooked", "--", *plain], env)
        bare = await result([phaseline, "run", "--id", "bare", "--no-inject", "--", *plain], env)
        found = await ended(phaseline, env, server.url, "hooked", "bare")
    assert hooked == bare == await result(plain, env)
    assert [stage["name"] for stage in found["hooked"]["stages"]] == ["pass 1", "pass 2", "pass 3"]
