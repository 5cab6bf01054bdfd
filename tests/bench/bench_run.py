"""How fast a command's output passes through `phaseline run`, beside one more `cat` in its pipe."""

import argparse
import os
import tempfile

from tests.bench.peers import in_turns
from tests.support.commands import PHASELINE
from tests.support.ports import free_port

CAT = "one more cat"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rounds instead of nine")
    chosen = parser.parse_args()
    megabytes = 600
    os.environ["PROGRESS_URL"] = f"http://127.0.0.1:{free_port()}"  # the server is away
    source = f"head -c {megabytes}000000 /dev/zero | tr '\\0' x"
    commands = {
        "alone": f'sh -c "{source}" | cat >/dev/null',
        CAT: f'sh -c "{source}" | cat | cat >/dev/null',
        "phaseline run --no-output": f'{PHASELINE} run --no-output -- sh -c "{source}" | cat >/dev/null',
        "phaseline run": f'{PHASELINE} run -- sh -c "{source}" | cat >/dev/null',
    }
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state
        taken = in_turns({name: ["sh", "-c", pipe] for name, pipe in commands.items()}, 3 if chosen.quick else 9)
    for name, seconds in taken.items():
        print(f"{name:<26} {megabytes / seconds:6.0f} MB/s {taken[CAT] / seconds:6.2f} x {CAT}")
    print(f"goal: at least 0.7 x {CAT}")


if __name__ == "__main__":
    main()
