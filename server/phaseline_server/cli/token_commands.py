"""`progress-server token create|list|revoke`: who may use the server."""

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from phaseline.errors import PhaselineError
from phaseline_server.config.settings import Configuration

if TYPE_CHECKING:
    from phaseline_server.access.tokens import TokenFile

__all__ = ["token"]

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_LONGEST_S: Final = 100 * 366 * 86_400
_TTL: Final = re.compile(r"([0-9]{1,10})([smhdw])", re.ASCII)


def _seconds(_: click.Context, __: click.Parameter, text: str | None) -> float | None:
    """Return a length of time as people write it in seconds."""
    if text is None:
        return None
    found = _TTL.fullmatch(text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= _LONGEST_S:
        allowed = "a number and s, m, h, d or w, e.g. 12h or 30d; at most 100 years"
        raise click.BadParameter(f"{text!r}; allowed: {allowed}")
    return float(seconds)


@click.group()
def token() -> None:
    """Make, list and revoke the tokens by which programs and people are let in.

    Without any, whoever can connect may do everything. Give --data-dir or --config before the word `token`, as for the
    server itself. A running server takes notice at once.
    """


@contextmanager
def _file(load: Callable[[], Configuration]) -> Iterator["TokenFile"]:
    """Yield the data directory's file; what can't be done is one line, and exit 2."""
    from phaseline_server.access.tokens import TokenFile  # noqa: PLC0415 (`--help` needs none of it)

    try:
        yield TokenFile(Path(load().settings.data_dir))
    except PhaselineError as error:
        for line in str(error).splitlines():
            click.echo(f"progress-server: error: {line}", err=True)
        sys.exit(2)


@token.command()
@click.option("--scope", required=True, type=click.Choice(["read", "report", "admin"]), help="What it is good for.")
@click.option("--jobs", default="", metavar="PREFIX", help="Only for jobs whose id begins so.")
@click.option("--ttl", callback=_seconds, default=None, metavar="TIME", help="How long, e.g. 30d; without it for ever.")
@click.pass_obj
def create(load: Callable[[], Configuration], scope: str, jobs: str, ttl: float | None) -> None:
    """Make a token and print it, this once: only its hash is kept."""
    from phaseline_server.access.grant import Scope  # noqa: PLC0415 (as above)

    with _file(load) as file:
        text, made = file.create(Scope(scope), jobs, ttl)
        click.echo(text)
        click.echo(f"id {made.id}; give it to programs as PROGRESS_TOKEN; it is not shown again", err=True)


@token.command("list")
@click.pass_obj
def show(load: Callable[[], Configuration]) -> None:
    """Print each token's id, scope, prefix and end; the tokens themselves are not known any more."""
    with _file(load) as file:
        for each in file.read() or ():
            until = "for ever" if each.expires is None else f"until {_utc(each.expires)}"
            state = " (expired)" if each.expired else ""
            jobs = each.jobs if each.jobs.isprintable() else ascii(each.jobs)
            click.echo(f"{each.id}  {each.scope:<6}  made {_utc(each.created)}  {until}{state}  jobs {jobs or 'all'}")


@token.command()
@click.argument("token_id", metavar="ID")
@click.pass_obj
def revoke(load: Callable[[], Configuration], token_id: str) -> None:
    """End a token now; whoever is connected by it is cut off within a second or two."""
    with _file(load) as file:
        file.revoke(token_id)
        if not file.read():
            click.echo(f"that was the last one: nobody is let in; without {file.path} everybody is, locally", err=True)


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
