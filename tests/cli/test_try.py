import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from phaseline_cli.run.adapter import BadAdapter, load
from phaseline_cli.run.spoken import spoken

RECORDING: Final = Path(__file__).parents[1] / "data" / "recordings" / "dd-progress-pty.jsonl"


def phaseline(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("phaseline")), *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_try_prints_each_change_and_the_end() -> None:
    done = phaseline("try", str(RECORDING))
    rows = [json.loads(row) for row in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert set(rows[0]) == {"t", "phase", "fraction", "run", "done", "total", "text"}
    assert rows[-1] == {"end": True, "outcome": "ok", "error": None, "phases": ["copy"]}
    assert rows[-2]["run"] == 1.0


def test_try_reads_a_plain_log_with_the_command_and_exit_code_that_are_given() -> None:
    done = phaseline("try", "--argv", "dd if=a of=b bs=1 count=200", "--exit", "1", "-", text="100 bytes copied, 1 s\n")
    rows = [json.loads(row) for row in done.stdout.splitlines()]
    assert rows[0]["run"] == 0.5
    assert rows[-1]["outcome"] == "failed"


def test_an_unknown_adapter_is_rejected_with_the_reason() -> None:
    done = phaseline("try", "--as", "nosuch", str(RECORDING))
    assert done.returncode == 2
    assert "no adapter is named 'nosuch'" in done.stderr


def test_a_user_adapter_replaces_the_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("name = 'dd'\nmatch = ['dd ']\nphases = ['mine']\n")
    assert load(tmp_path)["dd"].phases == ["mine"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name = 1", "Expected `str`"),
        ("name = 'x'\nnosuch = 1", "unknown field `nosuch`"),
        ("name = 'x'\nsigns = ['(']", "is not a regular expression"),
        ("name = ", "Invalid value"),
    ],
)
def test_an_invalid_adapter_is_named_with_the_reason(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(BadAdapter, match="bad.toml: .*" + why):
        load(tmp_path)


def test_commands_are_known_by_the_program_that_runs() -> None:
    assert spoken(["/usr/bin/python3.11", "-u", "-m", "pytest", "tests"]) == "pytest tests "
    assert spoken(["/opt/bin/ffmpeg", "-i", "x"]) == "ffmpeg -i x "
    assert spoken(["python", "job.py"]) == "python job.py "
