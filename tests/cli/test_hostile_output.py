"""Hostile output of a program: any output is read in linear time."""

import re
import time
from collections.abc import Callable, Iterator

import pytest

from phaseline_cli.run.adapter import Adapter, load
from phaseline_cli.run.reader import Reader
from phaseline_cli.run.screen import LONGEST

# Repeated over a whole line, each makes some pattern restart or backtrack at every position.
UNITS = (
    *("1", "a", " ", "%", "/", ".", ":", "-", "=", "#", "[", "]", "(", '"', "é", "\u2588", "\ufffd"),
    *("1 ", "1,", "1.", "1/", "1:", "1%", "1:1", "1/1 ", "1.1 ", "1a", "a ", "a/", "a: ", "=>", "| ", "[1"),
    *("1%|", "| 1/1 ", "1%|1/1 [", "1 of ", "1B/", "1,1/", "A.", "error: ", "Error", "x: 1 of ", "epoch 1/"),
)
MOST_S = 0.02  # quadratic patterns take from 30 ms to 300 ms for a line, linear ones less than 1 ms


def slow(read: Callable[[str], object]) -> Iterator[str]:
    """Yield the units of the lines that exceed the time limit three times in a row."""
    for unit in UNITS:
        line = (unit * LONGEST)[:LONGEST]
        for _ in range(3):
            begun = time.process_time()
            read(line)
            if time.process_time() - begun < MOST_S:
                break
        else:
            yield unit


@pytest.mark.parametrize("adapter", load().values(), ids=lambda adapter: adapter.name)
def test_the_patterns_of_an_adapter_take_linear_time(adapter: Adapter) -> None:
    patterns = [rule.find for rule in adapter.rules]
    patterns += [*adapter.signs, *adapter.errors, *adapter.harmless, *adapter.cancelled]
    for pattern in map(re.compile, patterns):
        assert not list(slow(pattern.search)), pattern.pattern


def test_output_of_any_program_is_read_in_linear_time() -> None:
    reader = Reader(load(), ["sh", "x"])

    def read(line: str) -> object:
        # With a percent sign, a line may be a bar.
        return list(reader.feed(0.0, "stdout", f"{line}\r5% {line}\n".encode()))

    assert not list(slow(read))


@pytest.mark.parametrize("name", [adapter.name for adapter in load().values() if adapter.python])
def test_adapters_in_python_read_output_in_linear_time(name: str) -> None:
    reader = Reader(load(), ["sh", "x"], name)
    assert not list(slow(lambda line: list(reader.feed(0.0, "stdout", f"{line}\r{line}\n".encode()))))
