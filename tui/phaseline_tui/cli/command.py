"""The command line of `progress-tui`. Textual is imported only when the view opens, because that is slow."""

import codecs
import gc
import os
import sys
from typing import NoReturn

import click
import msgspec

from phaseline import __version__
from phaseline.errors import PhaselineError
from phaseline_tui.model.address import ServerAddress
from phaseline_tui.user.settings import Settings, read_settings
from phaseline_tui.user.tokens import read_access

__all__ = ["progress_tui"]

_DEFAULT = "http://127.0.0.1:5100"
_DUMB_TERMINALS = frozenset({"dumb", "unknown"})
"""Values of TERM for terminals that print every escape sequence."""

_EPILOG = """\b
Keys:
  up down  j k   select a job
  enter          show its phases and errors; esc goes back
  /              filter: word, !excluded, state:failed, name:/IMG.*/
  1 to 6         views: jobs, one job, statistics, events, workers, history
  ?              show all keys
  q              quit

\b
Environment variables:
  PROGRESS_URL       server URL if none is given; commas separate several
  PROGRESS_TOKEN     access token
  PROGRESS_SSH       ssh command, with options [ssh]
  PROGRESS_PICTURES  picture format: off, blocks, sixel or kitty
  NO_COLOR           disable colors

\b
Files in ~/.config/phaseline:
  tui.toml           settings and key bindings
  tokens             access tokens for single hosts: one "host token" per line
  token              token for other servers, unless PROGRESS_TOKEN is set

Token files must be readable only by you. Tokens are not sent over http to other machines.

The view reconnects by itself when a server is down or restarts. If standard output is not a terminal, or TERM is
dumb, progress-tui prints lines, as with --plain.
"""


@click.command(
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.argument("urls", nargs=-1, metavar="[URL]...")
@click.option("--plain", is_flag=True, help="Print one line per change instead of drawing a screen.")
@click.option("--once", is_flag=True, help="Print the active jobs and the number of ended ones, then exit.")
@click.option("--ascii", "without_unicode", is_flag=True, help="Use only ASCII characters.")
@click.option(
    "--theme", metavar="NAME", help="Color theme: dark, light, ansi (the terminal's own colors) or a Textual theme."
)
@click.option(
    "--notify", type=click.Choice(["off", "bell", "osc9", "osc777"]), help="Notification when a job ends. [off]"
)
@click.option("--no-progress", is_flag=True, help="Don't show progress in the terminal's tab (OSC 9;4).")
@click.option("--ca", metavar="FILE", help="PEM file of CA certificates to trust in addition to the system's.")
@click.version_option(__version__, message="%(prog)s %(version)s", help="Print the version.")
def progress_tui(  # noqa: PLR0913 (one parameter per flag)
    urls: tuple[str, ...],
    *,
    plain: bool,
    once: bool,
    without_unicode: bool,
    theme: str | None,
    notify: str | None,
    no_progress: bool,
    ca: str | None,
) -> None:
    """Show the jobs of one or more servers live: phases, progress and remaining time.

    URL is host:port, http://host:port or ssh://user@host; https, ws and wss also work. Without a URL, progress-tui
    uses PROGRESS_URL, then the servers in the settings, then http://127.0.0.1:5100.
    """
    try:
        settings = read_settings(os.environ)
        given = {
            "ascii": without_unicode or settings.ascii or not _draws_unicode(),
            "theme": theme or settings.theme,
            "notify": notify or settings.notify,
            "progress": False if no_progress else settings.progress,
        }
        settings = msgspec.structs.replace(settings, **given)
        servers = _servers(urls, settings)
        access = read_access(os.environ, ca)
        if sys.stdin is None or sys.stdout is None or sys.stderr is None:  # closed by the shell, as with `>&-`
            _exit_with("standard input, output and error must be open; redirect them to /dev/null instead")
        lines = plain or once or not sys.stdout.isatty() or os.environ.get("TERM") in _DUMB_TERMINALS
        if not lines and not (
            sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
        ):  # Textual reads keys and draws there
            _exit_with("standard input and standard error must be a terminal; use --plain for lines")
        if lines:
            from phaseline_tui.cli.plain import follow  # noqa: PLC0415 (not needed for the screen)

            sys.exit(follow(servers, settings, access, once=once))
        gc.disable()  # a start makes no garbage, and collecting takes a tenth of its time; `app` enables it later
        from phaseline_tui.app.start import run  # noqa: PLC0415 (imports Textual)

        sys.exit(run(servers, settings, access))
    except PhaselineError as error:
        _exit_with(str(error))


def _servers(urls: tuple[str, ...], settings: Settings) -> list[ServerAddress]:
    """Return the servers to follow: from the arguments, PROGRESS_URL, the settings, or the default.

    Exit with an error that names the source if one of them is not a server address.
    """
    variable = os.environ.get("PROGRESS_URL")
    for source, found in (
        ("URL", urls),
        ("PROGRESS_URL", [variable] if variable else []),
        ("servers", settings.servers),
    ):
        if found:
            try:
                return list(dict.fromkeys(ServerAddress.parse(url) for url in found))
            except PhaselineError as error:
                _exit_with(f"{error} (from {source})")
    return [ServerAddress.parse(_DEFAULT)]


def _draws_unicode() -> bool:
    """Return whether the screen can be drawn in Unicode; in another encoding, most of its symbols would be escapes."""
    # Textual draws on standard error.
    return sys.stderr is None or codecs.lookup(sys.stderr.encoding).name == "utf-8"


def _exit_with(problem: str) -> NoReturn:
    for line in problem.splitlines():
        click.echo(f"progress-tui: error: {line}", err=True)
    sys.exit(2)
