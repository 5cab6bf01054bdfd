"""The entry point of `progress-tui`; imports nothing beyond the base installation."""

import sys
from importlib.util import find_spec

__all__ = ["main"]


def main() -> None:
    """Run the program. Exit with status 2 and a one-line message if the `tui` extra is not installed."""
    try:
        if find_spec("textual") is None:  # otherwise only the screen would need it
            raise ModuleNotFoundError("No module named 'textual'", name="textual")  # noqa: TRY301 - as an import would
        from phaseline_tui.cli.command import progress_tui  # noqa: PLC0415 (needs the extra)

        progress_tui(prog_name="progress-tui")
    except ModuleNotFoundError as error:
        if (error.name or "phaseline").startswith("phaseline"):
            raise  # a bug of ours, not a missing extra
        sys.stderr.write("progress-tui needs: pip install 'phaseline[tui]'\n")
        sys.exit(2)
