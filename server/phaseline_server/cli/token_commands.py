"""`progress-server token create|list|revoke`: the management of access tokens."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from phaseline_server.cli.configuration import Given, errors_printed, given, with_location
from phaseline_server.errors import DataDirError

if TYPE_CHECKING:
    from phaseline_server.access.tokens import TokenFile

__all__ = ["token"]

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_LONGEST_S: Final = 100 * 366 * 86_400
_NO_TOKENS: Final = "no tokens: every local client has full access"
_ALL_REVOKED: Final = (
    "no tokens left: the server rejects all clients; create a token, or delete {} and restart the server to allow "
    "local access without tokens"
)
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


def _prefix(_: click.Context, __: click.Parameter, text: str | None) -> str:
    """Return the prefix; fail if it is empty, because an unset shell variable must not give access to all jobs."""
    if text == "":
        raise click.BadParameter("the prefix is empty; allowed: a prefix, or leave --jobs out for all jobs")
    return text or ""


@click.group()
@with_location
def token() -> None:
    """Manage access tokens.

    Until you create a token, every client has full access, so the server only accepts local connections. Once a token
    exists, every client needs one. A running server applies changes within two seconds.
    """


@contextmanager
def _file(call: Given, *, make: bool = False) -> Iterator["TokenFile"]:
    """Yield the token file of the data directory; print a PhaselineError as one line and exit with 2.

    Args:
        call: The command's flags.
        make: Whether to make the default data directory if it is missing.
    """
    from phaseline_server.access.tokens import TokenFile  # noqa: PLC0415 (`--help` needs none of it)

    with errors_printed():
        folder = call.data_dir(make=make)
        if not folder.is_dir():
            raise DataDirError(f"data directory {folder} does not exist; choose another with --data-dir")
        yield TokenFile(folder)


@token.command()
@click.option(
    "--scope", required=True, type=click.Choice(["read", "report", "admin"]), help="Permissions of the token."
)
@click.option(
    "--jobs", callback=_prefix, metavar="PREFIX", help="Limit the token to job ids with this prefix. [all jobs]"
)
@click.option("--ttl", callback=_seconds, default=None, metavar="TIME", help="Lifetime, e.g. 12h or 30d. [unlimited]")
@with_location
@given
def create(call: Given, scope: str, jobs: str, ttl: float | None) -> None:
    """Create a token and print it.

    The server stores only a hash, so the token cannot be shown again.
    """
    from phaseline_server.access.grant import Scope  # noqa: PLC0415 (as above)

    with _file(call, make=True) as file:
        first = file.read() is None
        text, made = file.create(Scope(scope), jobs, ttl)
        click.echo(text)
        click.echo(f"id {made.id}; set PROGRESS_TOKEN to the token; it cannot be shown again", err=True)
        if first:
            click.echo("this is the first token: from now on, every client needs one, local clients too", err=True)


@token.command("list")
@with_location
@given
def show(call: Given) -> None:
    """List the tokens: id, scope, creation, expiry and job prefix."""
    with _file(call) as file:
        tokens = file.read()
        if not tokens:
            click.echo(_NO_TOKENS if tokens is None else _ALL_REVOKED.format(file.path), err=True)
        for each in tokens or ():
            verb = "expired" if each.expired else "expires"
            expiry = "never expires" if each.expires is None else f"{verb} {_utc(each.expires)}"
            jobs = each.jobs if each.jobs.isprintable() else ascii(each.jobs)
            click.echo(f"{each.id}  {each.scope:<6}  created {_utc(each.created)}  {expiry}  jobs {jobs or 'all'}")


@token.command()
@click.argument("token_id", metavar="ID")
@with_location
@given
def revoke(call: Given, token_id: str) -> None:
    """Revoke a token, and disconnect its clients within two seconds."""
    with _file(call) as file:
        file.revoke(token_id)
        if not file.read():
            click.echo(_ALL_REVOKED.format(file.path), err=True)


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
