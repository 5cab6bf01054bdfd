"""The program `progress-server`, as far as it goes without anything installed but the base."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the program; exit 2 with one line when the `server` extra is not installed."""
    try:
        from phaseline_server.cli.commands import progress_server  # noqa: PLC0415 (may be missing)

        progress_server(prog_name="progress-server")
    except ModuleNotFoundError as error:
        if (error.name or "phaseline").startswith("phaseline"):
            raise  # a mistake of ours, no missing extra
        sys.stderr.write("progress-server needs: pip install 'phaseline[server]'\n")
        sys.exit(2)
