"""The entry point of `phaseline`. A command's module is imported only when it runs, so each starts fast."""

import os
import signal

# An interrupt must end a command as it ends any program, even during imports: a script may call many commands.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from importlib import import_module
from typing import Any, Final

import click

from phaseline_cli.standard_streams import prepare, written

_SECTIONS: Final = {
    "Run a program": {
        "run": ("run", "Run a command unchanged and report its progress."),
        "queue": ("queue", "Run commands one after the other."),
        "watch": ("watch", "Report work that is already running: a process, a log, a server."),
        "adapters": ("adapters", "List the supported programs."),
        "try": ("try_", "Test an adapter on a log file."),
    },
    "Report from a script": {
        "start": ("start", "Start a job, and print its id."),
        "report": ("report", "Report a job's progress."),
        "phase": ("phase", "Report that a job is in a phase."),
        "done": ("done", "End a job as completed."),
        "fail": ("fail", "End a job as failed."),
    },
    "Control jobs": {
        "cancel": ("cancel", "Cancel a job, or record that it is cancelled."),
        "pause": ("pause", "Pause a job."),
        "resume": ("resume", "Resume a paused job."),
    },
    "Show jobs": {
        "list": ("list", "List jobs."),
        "show": ("show", "Show one job."),
        "tail": ("tail", "Follow the events of jobs."),
        "wait": ("wait", "Wait until jobs are done, or reach a phase."),
    },
    "Other programs": {
        "serve": ("programs", "Run the server (progress-server)."),
        "tui": ("programs", "Open the terminal view (progress-tui)."),
        "completion": ("completion", "Print a shell's completion script."),
    },
}
COMMANDS: Final = {name: entry for section in _SECTIONS.values() for name, entry in section.items()}
"""Each command's module in `phaseline_cli.commands`, and its line of help."""
_HANDLE_INTERRUPTIONS: Final = frozenset({"run", "serve", "tui", "watch"})


class _Commands(click.Group):
    """The commands, each imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        known = COMMANDS.get(cmd_name)
        if known is None:
            return None
        if cmd_name in _HANDLE_INTERRUPTIONS and signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        module = import_module(f"phaseline_cli.commands.{known[0]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def make_context(self, *arguments: Any, **settings: Any) -> click.Context:
        """Read the arguments; --help and --version are printed here."""
        with written():
            return super().make_context(*arguments, **settings)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command."""
        with written():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for title, commands in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in commands.items()])


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001
    if wanted:
        from phaseline import __version__  # noqa: PLC0415

        click.echo(f"phaseline {__version__}")
        ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
@click.pass_context
def phaseline(ctx: click.Context) -> None:
    """Run, report and watch long jobs."""
    ctx.color = _wants_color()


def _wants_color() -> bool | None:
    """Return what the environment says about colors; None: only in a terminal."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return True if os.environ.get("FORCE_COLOR", "0") not in {"", "0"} else None


def main() -> None:
    """Run the program."""
    prepare()
    phaseline(prog_name="phaseline")
