"""`phaseline adapters`: list the supported programs."""

import click

from phaseline_cli.client.failures import Failure
from phaseline_cli.run.adapter import Adapter, BadAdapter, load, own_folder
from phaseline_cli.run.catalog import shown, table


def all_adapters() -> dict[str, Adapter]:
    """Return all adapters by name.

    Raises:
        Failure: one of the user's own can't be used.
    """
    try:
        return dict(load(own_folder()))
    except BadAdapter as error:
        raise Failure(str(error)) from error


@click.command("adapters")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
def adapters_command(as_json: bool) -> None:  # noqa: FBT001
    """List the supported programs, and the details that Phaseline reads from each.

    PROGRESS is that of the whole job or of its phase. ESTIMATE is the first run with an estimate of the remaining time.
    ERROR is yes if the program's own error lines are known. CHANNEL is a source of progress besides the output.

    Your own adapters are TOML files in ~/.config/phaseline/adapters; they replace built-in ones of the same name.

    \b
        phaseline adapters --json | jq -r '.[].name'
    """  # noqa: D301 - click reads the backspace
    found = all_adapters()
    if as_json:
        import json  # noqa: PLC0415

        listed = [
            {"name": a.name, "match": a.match, "phases": a.phases, "shows": shown(a)._asdict()} for a in found.values()
        ]
        click.echo(json.dumps(listed, indent=2))
        return
    for row in table(shown(adapter) for _, adapter in sorted(found.items())):
        click.echo(row)
