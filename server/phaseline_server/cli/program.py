"""The entry point of `progress-server`, which works without the `server` extra."""

import sys
from importlib.util import find_spec

__all__ = ["main"]


def main() -> None:
    """Run the program; exit with 2 and one line of text if the `server` extra is not installed."""
    try:
        if find_spec("PIL") is None:  # only the painter's processes import it
            raise ModuleNotFoundError("No module named 'PIL'", name="PIL")  # noqa: TRY301 - as an import would
        from phaseline_server.cli.commands import progress_server  # noqa: PLC0415 (may be missing)

        progress_server(prog_name="progress-server")
    except ModuleNotFoundError as error:
        if (error.name or "phaseline").startswith("phaseline"):
            raise  # a bug, not a missing extra
        sys.stderr.write("progress-server needs: pip install 'phaseline[server]'\n")
        sys.exit(2)
