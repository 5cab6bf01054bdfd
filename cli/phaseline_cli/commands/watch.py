"""`phaseline watch`: report work that is already running. Each source is a subcommand, imported when used."""

import re
from importlib import import_module
from pathlib import Path
from signal import Signals
from typing import TYPE_CHECKING, Any, Final

import click

from phaseline_cli.client.durations import DURATION
from phaseline_cli.client.failures import Exit
from phaseline_cli.commands.options import adapter_name, server_options

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from phaseline.reporting import Reporter

__all__ = ["watch_command"]

_SOURCES: Final = {
    "log": "Follow a log file.",
    "comfyui": "Follow the prompts of a ComfyUI server.",
    "a1111": "Follow the images of a Stable Diffusion web UI (AUTOMATIC1111, Forge).",
    "tsp": "Follow the jobs of task-spooler.",
    "pueue": "Follow the tasks of pueue.",
    "slurm": "Follow your jobs in Slurm.",
    "opencue": "Follow your jobs in OpenCue.",
}
"""Each source and its line of help; `NAME_command` in this module takes its options."""


class _Sources(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_SOURCES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        command: click.Command | None = globals().get(f"{cmd_name}_command") if cmd_name in _SOURCES else None
        return command


def _job_options(command: Any) -> Any:
    """Add the options that name the job."""
    for option in (
        click.option(
            "--facts", metavar="NAMES", help="Facts to send, as for phaseline run. [PROGRESS_FACTS, else all]"
        ),
        click.option("--id", "job_id", metavar="ID", help="The job's id. [the name and a random suffix]"),
        click.option(
            "--series", metavar="NAME", help="Group of similar runs. [the command without its files and numbers]"
        ),
        click.option("--workflow", metavar="NAME", help="Kind of job, for which durations are learned. [the program]"),
        click.option("--name", metavar="TEXT", help="Display name. [the program or file]"),
    ):
        command = option(command)
    return server_options(command)


def _pattern(_context: click.Context, _parameter: click.Parameter, text: str | None) -> re.Pattern[str] | None:
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise click.BadParameter(f"{text!a} is not a regular expression: {error}") from error


@click.group("watch", cls=_Sources, invoke_without_command=True)
@click.option("--pid", type=click.IntRange(1), metavar="PID", help="The process to watch.")
@click.option("--no-tree", is_flag=True, help="Ignore the process's files and child processes.")
@_job_options
@click.pass_context
def watch_command(
    ctx: click.Context, /, *, pid: int | None, no_tree: bool, url: str | None, **wishes: str | None
) -> None:
    """Report work that is already running, until it ends.

    \b
        phaseline watch --pid 4711
        phaseline watch log render.log --as blender
        phaseline watch comfyui http://127.0.0.1:8188

    With --pid, progress is how far the process has read its input files. For a script, each program is a phase. The
    job ends when the process ends. Ctrl+C stops watching; the process continues.

    \b
    Exit code:
      0  the job is done     3  it was cancelled, or its end is unknown
      1  it failed, or it can't be watched
    """  # noqa: D301 - click reads the backspace
    if ctx.invoked_subcommand is not None:
        return
    if pid is None:
        raise click.UsageError("nothing to watch: use --pid, or one of the commands " + ", ".join(_SOURCES))
    from phaseline_cli.watch.pid import watch_pid  # noqa: PLC0415 - loads trio and the reporter
    from phaseline_cli.watcher import Wishes  # noqa: PLC0415

    chosen = Wishes(**wishes, tree=not no_tree, output=False)
    _watch(ctx, lambda reporter: watch_pid(pid, chosen, reporter), url, chosen.facts)


@click.command("log")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--as", "adapter", metavar="NAME", callback=adapter_name, help="Adapter that reads the log. [by what it prints]"
)
@click.option("--until", metavar="REGEX", callback=_pattern, help="Line that ends the job as done.")
@click.option("--fail-at", metavar="REGEX", callback=_pattern, help="Line that ends the job as failed.")
@click.option(
    "--idle", type=DURATION, metavar="TIME", help="Stop if nothing is written for this time: 90s, 5m, 2h. [never]"
)
@click.option(
    "--pid", type=click.IntRange(1), metavar="PID", help="Stop when this process, which writes the log, ends."
)
@click.option("--new", "from_now", is_flag=True, help="Skip the lines that are already in the file.")
@_job_options
@click.pass_context
def log_command(  # noqa: PLR0913 - one an option
    ctx: click.Context,
    /,
    *,
    file: Path,
    until: re.Pattern[str] | None,
    fail_at: re.Pattern[str] | None,
    idle: float | None,
    pid: int | None,
    from_now: bool,
    url: str | None,
    **wishes: str | None,
) -> None:
    """Report a job from its log FILE, which may be created later.

    The file is followed by name; it may be rotated or truncated.
    """
    from phaseline_cli.watch.log import Ending, watch_log  # noqa: PLC0415 - as above
    from phaseline_cli.watcher import Wishes  # noqa: PLC0415

    chosen = Wishes(**wishes, tree=False, output=False)
    ending = Ending(until, fail_at, idle, pid)
    _watch(ctx, lambda reporter: watch_log(file, chosen, ending, reporter, from_now=from_now), url, chosen.facts)


def _server_command(name: str, port: int, text: str) -> click.Command:
    """Return the command of a source that is the server of another program."""

    @click.command(name, help=text, short_help=_SOURCES[name])
    @click.argument("server", metavar="URL", default=f"http://127.0.0.1:{port}")
    @click.option("--until-idle", is_flag=True, help="Stop when no job is running or waiting.")
    @click.option("--facts", metavar="NAMES", help="Facts to send, as for phaseline run. [PROGRESS_FACTS, else all]")
    @server_options
    @click.pass_context
    def command(ctx: click.Context, *, server: str, until_idle: bool, facts: str | None, url: str | None) -> None:
        room = import_module(f"phaseline_cli.watch.{name}")
        _watch(ctx, lambda reporter: room.watch_server(server, port, reporter, until_idle=until_idle), url, facts)

    return command


comfyui_command: Final = _server_command(
    "comfyui",
    8188,
    """Report each prompt of the ComfyUI server at URL as a job.

    A job shows the prompt's place in the queue, its nodes, and its end. ComfyUI sends the progress of nodes only to the
    client that sent the prompt, unless that client gave no id. For prompts of other clients, a job only shows its place
    in the queue, start and end.
    """,
)
a1111_command: Final = _server_command(
    "a1111",
    7860,
    """Report each generation of the Stable Diffusion web UI at URL as a job.

    A job shows its images, its steps, and its end. Start the web UI with --api.
    """,
)


def _queue_command(name: str, text: str) -> click.Command:
    """Return the command of a source that is the queue of another program."""

    @click.command(name, help=text, short_help=_SOURCES[name])
    @click.option("--until-idle", is_flag=True, help="Stop when no job is running or waiting.")
    @click.option("--facts", metavar="NAMES", help="Facts to send, as for phaseline run. [PROGRESS_FACTS, else all]")
    @server_options
    @click.pass_context
    def command(ctx: click.Context, *, until_idle: bool, facts: str | None, url: str | None) -> None:
        room = import_module(f"phaseline_cli.watch.{name}")
        _watch(ctx, lambda reporter: room.watch_program(reporter, until_idle=until_idle), url, facts)

    return command


tsp_command: Final = _queue_command(
    "tsp",
    """Report each job of task-spooler: its place in the queue, its start, and its exit code.

    TS_SOCKET chooses the queue, as for `tsp` itself.
    """,
)
pueue_command: Final = _queue_command(
    "pueue", "Report each task of your pueue: its group, its place there, its start, and its exit code."
)
slurm_command: Final = _queue_command(
    "slurm", "Report each of your jobs in Slurm: its partition, its place there, its start, and its end."
)
opencue_command: Final = _queue_command(
    "opencue",
    """Report each of your jobs in OpenCue: its show, its place there, its frames, and its end.

    The `python3` in PATH needs OpenCue's library, pycue, and the settings with which `cueadmin` finds Cuebot.
    """,
)


def _watch(
    ctx: click.Context, source: "Callable[[Reporter], Awaitable[Exit]]", url: str | None, facts: str | None
) -> None:
    from phaseline_cli.watch.session import end_by, watch  # noqa: PLC0415 - as above

    ended = watch(source, url, facts)
    if isinstance(ended, Signals):
        end_by(ended)
    ctx.exit(ended)
