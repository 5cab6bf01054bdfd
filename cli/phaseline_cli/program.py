"""The entry point of `phaseline`. A command's module is imported only when it runs, so each starts fast."""

from importlib import import_module
from typing import Final

import click

COMMANDS: Final = {
    "adapters": ("adapters", "List the programs whose progress is understood."),
    "completion": ("completion", "Print a shell's completion script."),
    "run": ("run", "Run a command unchanged and report its progress."),
    "serve": ("programs", "Run the server (progress-server)."),
    "try": ("try_", "Show what is read from a log or a recording."),
    "tui": ("programs", "Open the terminal view (progress-tui)."),
}
"""Each command's module in `phaseline_cli.commands`, and its line of help."""


class _Commands(click.Group):
    """The commands, each imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        known = COMMANDS.get(cmd_name)
        if known is None:
            return None
        module = import_module(f"phaseline_cli.commands.{known[0]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001
    if wanted:
        from phaseline import __version__  # noqa: PLC0415

        click.echo(f"phaseline {__version__}")
        ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
def phaseline() -> None:
    """Follow long jobs from a shell."""


def main() -> None:
    """Run the program."""
    phaseline(prog_name="phaseline")
