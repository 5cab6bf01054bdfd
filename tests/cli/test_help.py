"""The help of the commands: short, plain, with an example."""

import re

import pytest

from phaseline_cli.program import COMMANDS
from tests.support.commands import phaseline

OF_OTHER_PROGRAMS = {"serve", "tui", "completion"}


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - OF_OTHER_PROGRAMS))
async def test_the_help_of_a_command_is_short_and_has_an_example(env: dict[str, str], command: str) -> None:
    ran = await phaseline(env | {"COLUMNS": "80", "FORCE_COLOR": "1"}, command, "--help")
    lines = ran.out.splitlines()
    assert (ran.code, ran.err) == (0, "")
    assert any(re.match(rf" {{4,}}.*\bphaseline {command}\b", line) for line in lines)
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 45
    assert all(character.isprintable() for line in lines for character in line)
    columns = {len(found[0]) for line in lines if (found := re.match(r"  -[\w-].*?  +(?=\S)", line))}
    assert len(columns) == 1, "the texts of all options begin in one column"
