"""`phaseline completion`: a shell's completion script."""

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(ctx: click.Context, shell: str) -> None:
    """Print a completion script for SHELL.

    \b
    bash: phaseline completion bash > ~/.local/share/bash-completion/completions/phaseline
    zsh:  phaseline completion zsh > "${fpath[1]}/_phaseline"
    fish: phaseline completion fish > ~/.config/fish/completions/phaseline.fish
    """  # noqa: D301 - click reads the backspace
    complete = get_completion_class(shell)
    if complete is None:
        raise click.UsageError(f"no completion for {shell}; allowed: bash, zsh or fish")
    click.echo(complete(ctx.find_root().command, {}, "phaseline", "_PHASELINE_COMPLETE").source())
