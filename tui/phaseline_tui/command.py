"""The command line of `progress-tui`. Textual is not imported before the view really opens."""

import os
import sys
from typing import NoReturn

import click

from phaseline import __version__
from phaseline.errors import PhaselineError
from phaseline_tui.address import ServerAddress

__all__ = ["progress_tui"]

_DEFAULT = "http://127.0.0.1:5100"

_EPILOG = """\b
Keys:
  up down  j k   choose a job
  enter          its phases and errors; esc goes back
  /              filter by words; esc clears it
  ?              every key
  q              quit

The server may be down at start, or go away: the view says so, and comes back by itself. Colours: NO_COLOR is obeyed.
"""


@click.command(
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.argument("url", required=False, metavar="[URL]")
@click.version_option(__version__, message="%(prog)s %(version)s", help="Print the version.")
def progress_tui(url: str | None) -> None:
    """Show every job of a server as it happens: phase by phase, how far, and how long it will take.

    URL is host:port or http://host:port; https, ws and wss will do too. Without one it is that of the variable
    PROGRESS_URL, or else http://127.0.0.1:5100.
    """
    source = "URL" if url else "PROGRESS_URL"
    url = url or os.environ.get("PROGRESS_URL") or _DEFAULT
    try:
        ServerAddress.parse(url)
    except PhaselineError as error:
        _exit_with(f"{error} (from {source})")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):  # where Textual reads keys and draws
        _exit_with("standard input and standard error must be a terminal; for programs there is the server's /ws")
    from phaseline_tui.app import run  # noqa: PLC0415 (heavy)

    try:
        code = run(url)
    except PhaselineError as error:
        _exit_with(str(error))
    sys.exit(code)


def _exit_with(problem: str) -> NoReturn:
    for line in problem.splitlines():
        click.echo(f"progress-tui: error: {line}", err=True)
    sys.exit(2)
