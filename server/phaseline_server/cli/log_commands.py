"""`progress-server log copy`: moving a log from one engine to another."""

import click

from phaseline_server.cli.configuration import errors_printed

__all__ = ["log"]


@click.group()
def log() -> None:
    """Copy the events and jobs between SQLite and PostgreSQL."""


@log.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def copy(source: str, target: str) -> None:
    """Copy an event log, with its positions, what was learned, tokens and links.

    FROM and TO are data directories, or addresses such as postgresql://USER@HOST/DATABASE. TO must be empty, and no
    server may use either of them. Clients resume on the copy where they were, so stop using the original.
    """
    from phaseline_server.config.log_address import hide_password  # noqa: PLC0415 (`--help` needs none of it)
    from phaseline_server.log.engines import copy_log  # noqa: PLC0415

    with errors_printed():
        epoch, counts = copy_log(source, target)
    click.echo(
        f"copied {counts['jobs']} jobs, {counts['runs']} runs, {counts['packs']} packs of events of epoch {epoch}, "
        f"{counts['tokens']} tokens and {counts['links']} links from {hide_password(source)} to {hide_password(target)}"
    )
