"""Start times of our programs, compared with an empty interpreter and one that imports Textual."""

import argparse
import sys
from pathlib import Path

from tests.bench.peers import in_turns

PYTHON = sys.executable


def program(name: str) -> str:
    """Return the path of an installed program."""
    return str(Path(PYTHON).with_name(name))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rounds instead of nine")
    chosen = parser.parse_args()
    commands = {
        "python -c pass": [PYTHON, "-c", "pass"],
        "python -c 'import textual.app'": [PYTHON, "-c", "import textual.app"],
        "python -c 'import phaseline.reporting'": [PYTHON, "-c", "import phaseline.reporting"],
        "import of the view's app": [PYTHON, "-c", "import phaseline_tui.app.app"],
        **{
            f"{name} {flag}": [program(name), flag]
            for name in ("progress-server", "progress-tui")
            for flag in ("--version", "--help")
        },
    }
    taken = in_turns(commands, 3 if chosen.quick else 9)
    nothing, textual = taken["python -c pass"], taken["python -c 'import textual.app'"]
    for name, seconds in taken.items():
        ratios = f"{seconds / nothing:6.1f} x pass {seconds / textual:6.2f} x import textual"
        print(f"{name:<42} {1000 * seconds:8.0f} ms {ratios}")
    print("goals: the view's app at most 1.5 x import textual, a command at most 8 x pass")


if __name__ == "__main__":
    main()
