"""`phaseline serve` and `phaseline tui`: aliases of progress-server and progress-tui."""

import sys

import click

_PASSED_ON = {"ignore_unknown_options": True, "help_option_names": []}


@click.command("serve", context_settings=_PASSED_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def serve_command(arguments: tuple[str, ...]) -> None:
    """Run the server; all options are those of progress-server."""
    from phaseline_server.cli.program import main  # noqa: PLC0415 # its dependencies are an extra

    sys.argv = ["progress-server", *arguments]
    main()


@click.command("tui", context_settings=_PASSED_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def tui_command(arguments: tuple[str, ...]) -> None:
    """Open the terminal view; all options are those of progress-tui."""
    from phaseline_tui.cli.program import main  # noqa: PLC0415

    sys.argv = ["progress-tui", *arguments]
    main()
