"""`phaseline run`: run a command unchanged and report its progress."""

import os
import resource
import signal
import sys
from contextlib import nullcontext
from typing import Any, NoReturn

import click

from phaseline_cli.client.durations import DURATION
from phaseline_cli.commands.options import adapter_name
from phaseline_cli.run.command import name_of, new_id
from phaseline_cli.run.inherited import inherited_environment, keep_lock
from phaseline_cli.run.inject import JOB, environment, injected, open_side
from phaseline_cli.run.orders import Orders
from phaseline_cli.run.spawn import NOT_STARTED, NotStarted, spawn
from phaseline_cli.run.tee import Tee
from phaseline_cli.run.terminal import Terminal
from phaseline_cli.run.wait import Ended, block, wait

TIMED_OUT = 124
_TURN_S = 0.0005
"""The threads that copy output need the interpreter often and briefly; by default, they would wait 5 ms each time."""


def _check_facts(_context: click.Context, _parameter: click.Parameter, names: str | None) -> str | None:
    """Check the names before the command starts."""
    if names is not None:
        from phaseline.client.facts import chosen  # noqa: PLC0415
        from phaseline.errors import ConfigError  # noqa: PLC0415 - most runs name none

        try:
            chosen(names, None)
        except ConfigError as error:
            raise click.BadParameter(str(error).replace("worker_facts", "--facts", 1)) from error
    return names


class _Run(click.Command):
    """A command whose usage errors exit with 125, which is not mistaken for an exit code of the program."""

    def make_context(self, *arguments: Any, **settings: Any) -> click.Context:
        """Read the arguments."""
        try:
            return super().make_context(*arguments, **settings)
        except click.ClickException as error:
            error.exit_code = NOT_STARTED  # type: ignore[misc] # click calls it a class's, and reads an instance's
            raise


@click.command("run", cls=_Run, context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@click.option("--name", metavar="TEXT", help="Display name. [the program and its last file]")
@click.option("--workflow", metavar="NAME", help="Kind of job, for which durations are learned. [the program]")
@click.option("--series", metavar="NAME", help="Group of similar runs. [the command without its files and numbers]")
@click.option("--id", "job_id", metavar="ID", help="The job's id. [the name and a random suffix]")
@click.option(
    "--as",
    "adapter",
    metavar="NAME",
    callback=adapter_name,
    help="Adapter that reads the output. [the one for the command]",
)
@click.option("--pty/--no-pty", default=None, help="Allocate a pseudo-terminal. [for streams that are terminals]")
@click.option(
    "--timeout",
    type=DURATION,
    metavar="TIME",
    help="End the command after this time, such as 90s, 5m or 2h; exit with 124. [never]",
)
@click.option(
    "--facts",
    metavar="NAMES",
    callback=_check_facts,
    help="Facts to send about the command and the machine: all, none or some of command, user, pid, host, folder, "
    "program, load. Secrets in the command are hidden. [PROGRESS_FACTS, else all]",
)
@click.option("--new-job", is_flag=True, help="Start a separate job, not a phase of the job in PROGRESS_JOB.")
@click.option("--queue", hidden=True)  # of `phaseline queue`
@click.option("--no-inject", is_flag=True, help="Add no arguments and no environment variables to the command.")
@click.option("--no-tree", is_flag=True, help="Do not report the programs of a script as phases.")
@click.option(
    "--kill-after",
    type=DURATION,
    default=10.0,
    metavar="TIME",
    help="Time between SIGTERM and SIGKILL for a command that is cancelled or times out. [10s]",
)
@click.option("--no-remote", is_flag=True, help="Accept no orders to cancel, pause or resume the command.")
@click.option("--no-output", is_flag=True, help="Do not send the end of the output to the server.")
@click.option("-v", "--verbose", is_flag=True, help="Print warnings, for example if the server is down.")
@click.argument("argv", nargs=-1, required=True, metavar="[--] COMMAND [ARG]...", type=click.UNPROCESSED)
def run_command(  # noqa: PLR0913 - one per option
    argv: tuple[str, ...],
    *,
    pty: bool | None,
    timeout: float | None,
    verbose: bool,
    new_job: bool,
    no_inject: bool,
    no_tree: bool,
    no_output: bool,
    no_remote: bool,
    kill_after: float,
    job_id: str | None,
    **wishes: str | None,
) -> NoReturn:
    """Run COMMAND unchanged and report its progress.

    The command's output, exit code, signals and terminal are unchanged, even while the server is down. Additional exit
    codes: 1 output can't be written, 124 time-out, 125 not started, 126 not executable, 127 not found. PROGRESS_URL is
    the server's address.

    \b
        phaseline run -- ffmpeg -i shot.mov -crf 20 shot.mp4
        phaseline run --name "nightly backup" -- tar -cf backup.tar examples
    """  # noqa: D301 - click reads the backspace
    block()
    keep_lock()
    sys.setswitchinterval(_TURN_S)
    of_job = None if new_job or job_id is not None else os.environ.get(JOB) or None
    job_id = job_id or of_job or new_id(wishes["name"] or name_of(argv))
    side = None if no_inject else open_side()
    own = inherited_environment()
    if not no_inject:
        own = environment(own, job_id, side, argv)
    given, env = (argv, own) if side is None else injected(argv, own, side)
    try:
        child = spawn(given, env, pty=pty, side=side)
    except NotStarted as error:
        click.echo(f"phaseline: {error}", err=True)
        sys.exit(error.code)
    terminal = Terminal(child.master) if child.own_session and child.master is not None else None
    with terminal or nullcontext():  # switch the terminal to raw mode before the first byte arrives
        tee = Tee(child.streams)
        # The imports below take 0.1 s; the command already runs, and its output is passed on meanwhile.
        from phaseline_cli.watcher import Watcher, Wishes  # noqa: PLC0415

        orders = None if no_remote else Orders()
        chosen = Wishes(**wishes, job_id=job_id, of_job=of_job, tree=not no_tree, output=not no_output)
        watcher = Watcher(tee, argv, chosen, pid=child.command, orders=orders, verbose=verbose)
        with watcher:
            ended = wait(child, terminal, timeout, kill_after, orders)
            tee.command_ended()
            if tee.unwritten:
                ended = ended.without_output(tee.unwritten)
                click.echo(f"phaseline: {tee.unwritten}", err=True)
            watcher.ended = ended
    _exit_as(ended)


def _exit_as(ended: Ended) -> NoReturn:
    """End as the command did: by its exit code, or by its signal."""
    sys.stdout.flush()
    sys.stderr.flush()
    if ended.timed_out:
        os._exit(TIMED_OUT)
    if ended.code < 0:
        number = -ended.code
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # only the command itself should dump core
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        os.kill(os.getpid(), number)
        os._exit(NOT_STARTED)  # a signal that does not terminate a process
    os._exit(ended.code)
