"""`progress-server token create|list|revoke`: the management of access tokens."""

import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from phaseline_server.cli.configuration import Given, errors_printed, given, with_location, with_log
from phaseline_server.config.log_address import SQLITE
from phaseline_server.errors import DataDirError

if TYPE_CHECKING:
    from phaseline_server.access.tokens import Tokens

__all__ = ["token"]

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_LONGEST_S: Final = 100 * 366 * 86_400
_NO_TOKENS: Final = "no tokens: every local client has full access"
_ALL_REVOKED: Final = "no tokens left: the server rejects all clients; create a token"
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
@with_log
def token() -> None:
    """Manage access tokens.

    Until you create a token, every client has full access, so the server only accepts local connections. Once a token
    exists, every client needs one. A running server applies changes within two seconds.

    With --log, the tokens are in a log that servers share, and valid at each of them.
    """


@contextmanager
def _tokens(call: Given, *, make: bool = False) -> Iterator["Tokens"]:
    """Yield the tokens of the data directory or log; print a PhaselineError as one line and exit with 2.

    Args:
        call: The command's flags.
        make: Whether to make the default data directory if it is missing.
    """
    from phaseline_server.access.tokens import TokenFile  # noqa: PLC0415 (`--help` needs none of it)

    with errors_printed():
        settings = call.load().settings
        if settings.log != SQLITE:
            with _shared_tokens(settings.log, Path(settings.data_dir)) as tokens:
                yield tokens
            return
        folder = call.data_dir(make=make)
        if not folder.is_dir():
            raise DataDirError(f"data directory {folder} does not exist; choose another with --data-dir")
        yield TokenFile(folder)


@contextmanager
def _shared_tokens(address: str, data_dir: Path) -> Iterator["Tokens"]:
    from phaseline_server.access.secret_sources import SharedSecrets, take_over_files  # noqa: PLC0415 (as above)
    from phaseline_server.access.tokens import DOCUMENT, Tokens  # noqa: PLC0415
    from phaseline_server.log.engines import open_secrets  # noqa: PLC0415

    with closing(open_secrets(address)) as store:
        if take_over_files(store, data_dir):
            click.echo(f"the tokens of {data_dir} were copied into the log, which has them from now on", err=True)
        secrets = SharedSecrets(store, data_dir)
        secrets.take(secrets.read())
        yield Tokens(secrets.document(DOCUMENT))


@token.command()
@click.option(
    "--scope", required=True, type=click.Choice(["read", "report", "admin"]), help="Permissions of the token."
)
@click.option(
    "--jobs", callback=_prefix, metavar="PREFIX", help="Limit the token to job ids with this prefix. [all jobs]"
)
@click.option("--ttl", callback=_seconds, default=None, metavar="TIME", help="Lifetime, e.g. 12h or 30d. [unlimited]")
@with_location
@with_log
@given
def create(call: Given, scope: str, jobs: str, ttl: float | None) -> None:
    """Create a token and print it.

    The server stores only a hash, so the token cannot be shown again.
    """
    from phaseline_server.access.grant import Scope  # noqa: PLC0415 (as above)

    with _tokens(call, make=True) as stored:
        first = stored.read() is None
        text, made = stored.create(Scope(scope), jobs, ttl)
        click.echo(text)
        click.echo(f"id {made.id}; set PROGRESS_TOKEN to the token; it cannot be shown again", err=True)
        if first:
            click.echo("this is the first token: from now on, every client needs one, local clients too", err=True)


@token.command("list")
@with_location
@with_log
@given
def show(call: Given) -> None:
    """List the tokens: id, scope, creation, expiry and job prefix."""
    with _tokens(call) as stored:
        tokens = stored.read()
        if not tokens:
            click.echo(_NO_TOKENS if tokens is None else _all_revoked(stored), err=True)
        for each in tokens or ():
            verb = "expired" if each.expired else "expires"
            expiry = "never expires" if each.expires is None else f"{verb} {_utc(each.expires)}"
            jobs = each.jobs if each.jobs.isprintable() else ascii(each.jobs)
            click.echo(f"{each.id}  {each.scope:<6}  created {_utc(each.created)}  {expiry}  jobs {jobs or 'all'}")


@token.command()
@click.argument("token_id", metavar="ID")
@with_location
@with_log
@given
def revoke(call: Given, token_id: str) -> None:
    """Revoke a token, and disconnect its clients within two seconds."""
    with _tokens(call) as stored:
        stored.revoke(token_id)
        if not stored.read():
            click.echo(_all_revoked(stored), err=True)


def _all_revoked(stored: "Tokens") -> str:
    from phaseline_server.access.tokens import TokenFile  # noqa: PLC0415 (as above)

    if not isinstance(stored, TokenFile):
        return _ALL_REVOKED
    place = stored.document.place
    return f"{_ALL_REVOKED}, or delete {place} and restart the server to allow local access without tokens"


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
