"""`progress-server token create|list|revoke`: the management of access tokens."""

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
    """Return a duration such as `30d` in seconds."""
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
    """Manage access tokens.

    Until you create a token, every client has full access, so the server only accepts local connections. Put
    --data-dir or --config before the word `token`. A running server applies changes at once.
    """


@contextmanager
def _file(load: Callable[[], Configuration]) -> Iterator["TokenFile"]:
    """Yield the token file of the data directory; print a PhaselineError as one line and exit with 2."""
    from phaseline_server.access.tokens import TokenFile  # noqa: PLC0415 (`--help` needs none of it)

    try:
        yield TokenFile(Path(load().settings.data_dir))
    except PhaselineError as error:
        for line in str(error).splitlines():
            click.echo(f"progress-server: error: {line}", err=True)
        sys.exit(2)


@token.command()
@click.option(
    "--scope", required=True, type=click.Choice(["read", "report", "admin"]), help="Permissions of the token."
)
@click.option("--jobs", default="", metavar="PREFIX", help="Limit the token to job ids with this prefix. [all jobs]")
@click.option("--ttl", callback=_seconds, default=None, metavar="TIME", help="Lifetime, e.g. 12h or 30d. [unlimited]")
@click.pass_obj
def create(load: Callable[[], Configuration], scope: str, jobs: str, ttl: float | None) -> None:
    """Create a token and print it.

    The server stores only a hash, so the token cannot be shown again.
    """
    from phaseline_server.access.grant import Scope  # noqa: PLC0415 (as above)

    with _file(load) as file:
        text, made = file.create(Scope(scope), jobs, ttl)
        click.echo(text)
        click.echo(f"id {made.id}; set it as PROGRESS_TOKEN in programs; it cannot be shown again", err=True)


@token.command("list")
@click.pass_obj
def show(load: Callable[[], Configuration]) -> None:
    """List the tokens: id, scope, creation, expiry and job prefix."""
    with _file(load) as file:
        for each in file.read() or ():
            verb = "expired" if each.expired else "expires"
            expiry = "never expires" if each.expires is None else f"{verb} {_utc(each.expires)}"
            jobs = each.jobs if each.jobs.isprintable() else ascii(each.jobs)
            click.echo(f"{each.id}  {each.scope:<6}  created {_utc(each.created)}  {expiry}  jobs {jobs or 'all'}")


@token.command()
@click.argument("token_id", metavar="ID")
@click.pass_obj
def revoke(load: Callable[[], Configuration], token_id: str) -> None:
    """Revoke a token. Clients that are connected with it are disconnected within two seconds."""
    with _file(load) as file:
        file.revoke(token_id)
        if not file.read():
            click.echo(
                f"no tokens left: the server rejects all clients; delete {file.path} and restart to allow local access "
                "without tokens",
                err=True,
            )


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
