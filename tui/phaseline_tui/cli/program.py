"""The program `progress-tui`, as far as it goes without anything installed but the base."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the program; exit 2 with one line when the `tui` extra is not installed."""
    try:
        from phaseline_tui.cli.command import progress_tui  # noqa: PLC0415 (may be missing)

        progress_tui(prog_name="progress-tui")
    except ModuleNotFoundError as error:
        if (error.name or "phaseline").startswith("phaseline"):
            raise  # a mistake of ours, no missing extra
        sys.stderr.write("progress-tui needs: pip install 'phaseline[tui]'\n")
        sys.exit(2)
