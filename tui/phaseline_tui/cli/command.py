"""The command line of `progress-tui`. Textual is not imported before the view really opens."""

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

_EPILOG = """\b
Keys:
  up down  j k   choose a job
  enter          its phases and errors; esc goes back
  /              filter: words, !without, state:failed, name:/IMG.*/
  1 to 5         the views: jobs, one job, statistics, events, hosts
  ?              every key
  q              quit

Tokens: PROGRESS_TOKEN, or ~/.config/phaseline/token; for one host among several a line "host token" in
~/.config/phaseline/tokens. Nobody else may read these files, and no token is sent over http to another machine.
PROGRESS_SSH is the ssh to use, with options. PROGRESS_PICTURES is off, blocks, sixel or kitty.

A server may be down at start, or go away: the view says so, and comes back by itself. Settings and other keys stand
in ~/.config/phaseline/tui.toml. NO_COLOR is obeyed. Where standard output is no terminal, lines are written.
"""


@click.command(
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.argument("urls", nargs=-1, metavar="[URL]...")
@click.option("--plain", is_flag=True, help="Lines, one for each thing that happens; also what a pipe gets.")
@click.option("--once", is_flag=True, help="With lines: end when every server has told its jobs.")
@click.option("--ascii", "without_unicode", is_flag=True, help="Do without Unicode.")
@click.option(
    "--theme", metavar="NAME", help="dark, light, ansi (the terminal's own colours), or a theme of Textual's."
)
@click.option("--notify", type=click.Choice(["off", "bell", "osc9", "osc777"]), help="How to tell that a job ended.")
@click.option("--no-progress", is_flag=True, help="No progress in the terminal's tab (OSC 9;4).")
@click.option("--ca", metavar="FILE", help="Certificates to trust besides the system's.")
@click.version_option(__version__, message="%(prog)s %(version)s", help="Print the version.")
def progress_tui(  # noqa: PLR0913  a flag each
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
    """Show every job of one server or several as it happens: phase by phase, how far, and how long it will take.

    URL is host:port, http://host:port or ssh://user@box; https, ws and wss will do too. Without one it is that of the
    variable PROGRESS_URL, or those of the settings, or else http://127.0.0.1:5100.
    """
    try:
        settings = read_settings(os.environ)
        given = {
            "ascii": without_unicode or settings.ascii,
            "theme": theme or settings.theme,
            "notify": notify or settings.notify,
            "progress": settings.progress and not no_progress,
        }
        settings = msgspec.structs.replace(settings, **given)
        servers = _servers(urls, settings)
        access = read_access(os.environ, ca)
        lines = plain or once or not sys.stdout.isatty()
        if not lines and not (sys.stdin.isatty() and sys.stderr.isatty()):  # where Textual reads keys and draws
            _exit_with("standard input and standard error must be a terminal; --plain writes lines")
        if lines:
            from phaseline_tui.cli.plain import follow  # noqa: PLC0415  not needed for the screen

            sys.exit(follow(servers, settings, access, once=once))
        gc.disable()  # What a start makes is no garbage, and to look for some takes a tenth of it: `app` does so later.
        from phaseline_tui.app.app import run  # noqa: PLC0415  heavy

        sys.exit(run(servers, settings, access))
    except PhaselineError as error:
        _exit_with(str(error))


def _servers(urls: tuple[str, ...], settings: Settings) -> list[ServerAddress]:
    """Return whom to follow.

    Raises:
        ConfigError: one of them is no address of a server; the text says where it comes from.
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


def _exit_with(problem: str) -> NoReturn:
    for line in problem.splitlines():
        click.echo(f"progress-tui: error: {line}", err=True)
    sys.exit(2)
