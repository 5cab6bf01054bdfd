"""Keras, Lightning and transformers trainings that the hook reports.

The files in `tests/data/hook` are reports of real trainings, by Keras 3.15, Lightning 2.6 and transformers 5.24. The
libraries need a gigabyte, so the development requirements do without them; where they are installed, they run too.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Final

import pytest

from phaseline_cli.run.adapter import load
from phaseline_cli.run.progress import Reading
from phaseline_cli.run.reader import Reader
from tests.cli.test_run_hook import follow, python, report

REPORTS: Final = Path(__file__).parents[1] / "data" / "hook"
LIGHTNING = """
import torch, lightning
from torch.utils.data import DataLoader, TensorDataset
class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 1)
    def training_step(self, batch, number):
        return ((self.layer(batch[0]) - batch[1]) ** 2).mean()
    def validation_step(self, batch, number):
        self.training_step(batch, number)
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)
points = torch.rand(32, 8)
batches = DataLoader(TensorDataset(points, points.sum(1, keepdim=True)), batch_size=8)
quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False)
lightning.Trainer(max_epochs=2, **quiet).fit(Model(), batches, batches)
"""
TRANSFORMERS = """
import sys, torch
from transformers import Trainer, TrainingArguments
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 1)
    def forward(self, x, labels):
        points = self.layer(x)
        return {"loss": ((points - labels) ** 2).mean(), "logits": points}
data = [{"x": torch.rand(8), "labels": torch.rand(1)} for _ in range(32)]
arguments = TrainingArguments(
    sys.argv[1], num_train_epochs=2, per_device_train_batch_size=8, per_device_eval_batch_size=8,
    eval_strategy="epoch", save_strategy="no", report_to="none", use_cpu=True, disable_tqdm=True,
)
Trainer(model=Model(), args=arguments, train_dataset=data, eval_dataset=data).train()
"""


def readings(name: str, reader: Reader | None = None) -> list[Reading]:
    """Return the readings from one file's reports, without the last one (the end of the process)."""
    reader = reader or Reader(load(), ["python", "train.py"])
    lines = (REPORTS / f"{name}.jsonl").read_bytes().splitlines(keepends=True)[:-1]
    return [now for line in lines for _, now in reader.feed(0.0, "side", line)]


def phases(found: Sequence[Reading]) -> list[str | None]:
    """Return the phases in the order in which they are entered."""
    return [phase for phase, _ in groupby(reading.phase for reading in found)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("keras", ["epoch 1", "validate", "epoch 2", "validate 2", "evaluate", "predict"]),
        ("lightning", ["sanity check", "epoch 0", "validation", "epoch 1", "validation 2", "test"]),
        ("lightning-steps", ["sanity check", "epoch 0", "validation", "epoch 1", "test"]),
        ("transformers", ["epoch 1", "evaluate", "epoch 2", "evaluate 2", "evaluate 3"]),
        ("transformers-steps", ["epoch 1", "epoch 2", "evaluate"]),
    ],
)
def test_epochs_and_validations_are_phases(name: str, expected: list[str]) -> None:
    found = readings(name)
    assert phases(found) == expected
    counts = {(reading.phase, reading.unit) for reading in found if reading.done}
    assert all(unit in ("steps", "batches") for _, unit in counts), counts


@pytest.mark.parametrize("name", ["keras", "lightning", "lightning-steps", "transformers", "transformers-steps"])
def test_the_run_is_known_during_the_training_only(name: str) -> None:
    found = readings(name)
    runs = [(reading.phase or "").startswith(("epoch", "valid")) and reading.run for reading in found]
    known = [run for run in runs if run]
    assert known == sorted(known)
    assert known[-1] == 1
    after = [reading.run for reading in found if reading.phase in ("test", "predict", "evaluate 3")]
    assert set(after) <= {None}


@pytest.mark.parametrize("name", ["lightning-steps", "transformers-steps"])
def test_a_validation_within_an_epoch_is_a_message(name: str) -> None:
    found = [reading for reading in readings(name) if "/4" in reading.text]
    assert {reading.phase for reading in found} <= {"epoch 0", "epoch 1", "epoch 2"}
    assert found[0].text in ("validation 2/4", "evaluate 1/4")
    assert found[0].run is not None


def test_progress_of_a_training_overrides_its_output() -> None:
    reader = Reader(load(), ["python", "train.py"])
    list(reader.feed(0.0, "stderr", b"GPU available: False, used: False\n"))
    assert reader.progress.now.phase == "start"
    assert phases(readings("lightning", reader))[:2] == ["sanity check", "epoch 0"]
    assert list(reader.feed(0.1, "stdout", b"Epoch 1/1:  50% 2/4 [00:01<00:01]\n")) == []


def test_an_adapter_for_the_command_overrides_a_training() -> None:
    assert readings("lightning", Reader(load(), ["pytest", "test_training.py"])) == []


def test_a_training_in_the_loop_of_a_bar_is_a_round_of_it() -> None:
    reader = Reader({})
    list(reader.feed(0.0, "side", report(7, 100, 0, 2).replace(b"bar 100:", b"fold:")))
    found = readings("keras", reader)
    assert set(phases(found)) == {"fold 1"}
    list(reader.feed(0.1, "side", report(7, 100, 1, 2).replace(b"bar 100:", b"fold:")))
    assert reader.progress.now.run == 0.5


def test_a_bar_before_the_training_is_not_the_run() -> None:
    reader = Reader({})
    for done in (0, 5, 10):
        list(reader.feed(0.0, "side", report(7, 100, done, 10)))
    list(reader.feed(0.0, "side", b'{"hook": "tqdm", "pid": 7, "bar": 100, "open": false}\n'))
    found = readings("transformers", reader)
    assert next(reading.run for reading in found if reading.phase == "epoch 1") == 0.25


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "code", "expected"),
    [
        ("lightning", LIGHTNING, ["sanity check", "epoch 0", "validation", "epoch 1", "validation 2"]),
        ("transformers", TRANSFORMERS, ["epoch 1", "evaluate", "epoch 2", "evaluate 2"]),
    ],
)
def test_a_training_that_prints_nothing_is_reported(
    library: str, code: str, expected: list[str], tmp_path: Path
) -> None:
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    found, _ = follow([*python(code), str(tmp_path)])
    assert phases(found) == expected
    plain = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=os.environ, check=False)
    assert plain.returncode == 0
