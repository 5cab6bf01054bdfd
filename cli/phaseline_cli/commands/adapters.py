"""`phaseline adapters`: which programs' output is understood."""

import click

from phaseline_cli.client.failures import Failure
from phaseline_cli.run.adapter import Adapter, BadAdapter, load, own_folder


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
    """List the supported programs.

    Your own adapters are TOML files in ~/.config/phaseline/adapters; they replace built-in ones of the same name.

    \b
        phaseline adapters --json | jq -r '.[].name'
    """  # noqa: D301 - click reads the backspace
    found = all_adapters()
    if as_json:
        import json  # noqa: PLC0415

        listed = [{"name": a.name, "match": a.match, "phases": a.phases} for a in found.values()]
        click.echo(json.dumps(listed, indent=2))
        return
    width = max(map(len, found))
    for name, adapter in sorted(found.items()):
        click.echo(f"{name:{width}}  {', '.join(adapter.phases)}".rstrip())
