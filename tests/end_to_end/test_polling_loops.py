"""The polling loops of docs/pictures.md and of the quick start of pictures, as printed but with the test's address."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
import trio

from tests.support.servers import ROOT, server_process

# As the quick start has it, "bash/fish", for an address of which it prints the beginning.
QUICK_START = (
    "while true; sleep 1; curl -s http://localhost:8080/dalle/simple/0x1234?generate=1 "
    "| jq '.percent, .currentPhase, .done' ; end"
)
PAGE = dict(
    re.findall(r"^```(sh|fish)\n(while true;.*)\n```$", (ROOT / "docs" / "pictures.md").read_text(), re.MULTILINE)
)
LOOPS = {
    "bash": (["bash", "-c"], PAGE["sh"]),
    "fish": (["fish", "-c"], PAGE["fish"]),
    # Fish 4 does not expand `?`, nor does fish 3 with this option.
    "fish, as in the quick start": (["fish", "--features", "qmark-noglob", "-c"], QUICK_START),
}


@pytest.mark.slow
@pytest.mark.needs("bash", "fish", "curl", "jq")
@pytest.mark.parametrize("name", LOOPS)
async def test_the_polling_loop_starts_a_picture_and_follows_it_to_its_end(tmp_path: Path, name: str) -> None:
    shell, loop = LOOPS[name]
    async with server_process(tmp_path, "--picture-size", "64x64") as server:
        here = loop.replace("localhost:8080", server.url.removeprefix("http://"))
        assert here != loop
        process = await trio.lowlevel.open_process(
            [*shell, here], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        assert process.stdout is not None
        reported = b""
        async with process.stdout as lines:
            try:
                with trio.fail_after(120):
                    while b"true\n" not in reported:
                        piece = await lines.receive_some()
                        assert piece, reported
                        reported += piece
            finally:
                os.killpg(process.pid, signal.SIGKILL)  # the shell and its current child
                with trio.CancelScope(shield=True):
                    await process.wait()
    *_, percent, phase, done = reported.decode().split()
    assert (float(percent), phase, done) == (100, '"completed"', "true")
    assert (tmp_path / "output/simple/annotated/0x1234.png").exists()
