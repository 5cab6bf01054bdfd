"""The command line of `progress-tui`. Textual is not imported before the view really opens."""

import os
import sys
from typing import NoReturn

import click

from phaseline import __version__
from phaseline.errors import PhaselineError
from phaseline_tui.access import read_access
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

Tokens: the variable PROGRESS_TOKEN, or ~/.config/phaseline/token; of one host among several, a line "host token"
in ~/.config/phaseline/tokens. Nobody else may read these files.

The server may be down at start, or go away: the view says so, and comes back by itself. Colours: NO_COLOR is obeyed.
"""


@click.command(
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.argument("urls", nargs=-1, metavar="[URL]...")
@click.option("--ca", "ca_file", metavar="FILE", help="Certificates to trust besides the system's, for https (PEM).")
@click.version_option(__version__, message="%(prog)s %(version)s", help="Print the version.")
def progress_tui(urls: tuple[str, ...], ca_file: str | None) -> None:
    """Show every job of one server or several as it happens: phase by phase, how far, and how long it will take.

    URL is host:port or http://host:port; https, ws and wss will do too. Without one it is those of the variable
    PROGRESS_URL, or else http://127.0.0.1:5100. ssh://[user@]host[:port][/5100] goes through your ssh to a server on
    that host's loopback, port 8080 unless another is named.
    """
    source = "URL" if urls else "PROGRESS_URL"
    urls = urls or tuple(os.environ.get("PROGRESS_URL", "").split()) or (_DEFAULT,)
    try:
        for url in urls:
            ServerAddress.parse(url)
    except PhaselineError as error:
        _exit_with(f"{error} (from {source})")
    try:
        access = read_access(os.environ, ca_file)
    except PhaselineError as error:
        _exit_with(str(error))
    if not (sys.stdin.isatty() and sys.stderr.isatty()):  # where Textual reads keys and draws
        _exit_with("standard input and standard error must be a terminal; for programs there is the server's /ws")
    from phaseline_tui.app import run  # noqa: PLC0415 (heavy)

    try:
        code = run(*urls, access=access)
    except PhaselineError as error:
        _exit_with(str(error))
    sys.exit(code)


def _exit_with(problem: str) -> NoReturn:
    for line in problem.splitlines():
        click.echo(f"progress-tui: error: {line}", err=True)
    sys.exit(2)
