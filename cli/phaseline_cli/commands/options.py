"""What the commands have in common: options, ids, and the reports that they send."""

import os
import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from phaseline.text import clean

__all__ = ["JOB", "Job", "adapter_name", "job_id_of", "name_of", "report_options", "server_options", "text_of"]

F = TypeVar("F", bound=Callable[..., object])

_MOST_ID: Final = 200
_MOST_TEXT: Final = 10_000
_WORD: Final = re.compile(r"[A-Za-z0-9._:@%+=/-]+", re.ASCII)


class Job(click.ParamType):  # type: ignore[type-arg] # generic since click 8.2 only
    """The id of a job; a shell completes it with those that the server knows."""

    name = "id"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Return the ids that begin with `incomplete`; none if the server does not answer at once."""
        del param
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only for shell completion

        from phaseline_cli.client.connection import Away, connect  # noqa: PLC0415
        from phaseline_cli.client.failures import Failure  # noqa: PLC0415

        try:
            with connect(ctx.params.get("url"), 0.3, 1.0) as connection:
                jobs = connection.read("GET", "/progress/jobs?state=all&limit=200")["jobs"]
        except (Away, Failure, KeyError, TypeError):
            return []
        ids = [str(job["job_id"]) for job in jobs]
        # A shell would split an id with other characters.
        return [CompletionItem(each) for each in ids if each.startswith(incomplete) and _WORD.fullmatch(each)]


JOB: Final = Job()


def adapter_name(_context: click.Context, _parameter: click.Parameter, name: str | None) -> str | None:
    """Return the name of an adapter that exists; raise click.BadParameter for another."""
    if name is None:
        return None
    from phaseline_cli.commands.adapters import all_adapters  # noqa: PLC0415 - most commands name none

    if name not in all_adapters():
        raise click.BadParameter(f"no adapter is named {name!a}; `phaseline adapters` lists them")
    return name


def server_options(command: F) -> F:
    """Add the options of all commands that query a server."""
    return click.option(
        "--url",
        metavar="URL",
        help="Server address, or several with commas, if they share a log. [PROGRESS_URL, or http://127.0.0.1:5100]",
    )(command)


def report_options(command: F) -> F:
    """Add the options of all commands that report."""
    command = click.option("-q", "--quiet", is_flag=True, help="Print nothing while the server is down.")(command)
    command = click.option("--strict", is_flag=True, help="Exit with 7 and store nothing while the server is down.")(
        command
    )
    return server_options(command)


def job_id_of(job_id: str | None) -> str:
    """Return the id that a user named, else PROGRESS_JOB.

    Raises:
        click.UsageError: There is none, or it is invalid.
    """
    found = os.environ.get("PROGRESS_JOB", "") if job_id is None else job_id
    if not found:
        raise click.UsageError("no job: name its ID, or set PROGRESS_JOB")
    return name_of(found, "the id", _MOST_ID)


def name_of(text: str, what: str, most: int = 100) -> str:
    """Return a name without characters that control a terminal; raise click.UsageError if it is none."""
    name = clean(text)
    if not 1 <= len(name) <= most or "\n" in name or "\t" in name:
        shown = ascii(name if len(name) <= most else f"{name[:40]}…")
        raise click.UsageError(f"{what} is {shown}; allowed: 1 to {most} characters on one line")
    return name


def text_of(text: str) -> str:
    """Return a text for people without characters that control a terminal; raise click.UsageError if it is too long."""
    text = clean(text)
    if len(text) > _MOST_TEXT:
        raise click.UsageError(f"the text has {len(text)} characters; allowed: at most {_MOST_TEXT}")
    return text
