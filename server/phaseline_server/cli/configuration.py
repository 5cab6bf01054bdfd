"""The configuration of one call of `progress-server`: its flags, and the printing of its errors."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from phaseline.errors import PhaselineError
from phaseline_server.atomic_files import make_data_dir
from phaseline_server.config.data_dir import default_data_dir
from phaseline_server.config.merge import DEFAULT, Configuration, load
from phaseline_server.config.settings import SETTINGS

__all__ = ["CONFIG_HELP", "Given", "errors_printed", "given", "with_location", "with_log"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

CONFIG_HELP: Final = "TOML file with settings. [PHASELINE_CONFIG]"

_LOG_HELP: Final = "Log that has the tokens, if servers share it. [PHASELINE_LOG, else the data directory]"


@dataclass
class Given:
    """The flags of a call, before and after the name of a subcommand.

    Attributes:
        config: The path of the TOML file, if one was given.
        flags: The raw values of the flags that were given, by the name of the setting.
    """

    config: str | None = None
    flags: dict[str, Any] = field(default_factory=dict)

    def load(self) -> Configuration:
        """Return the merged settings, with the data directory; raise ConfigError if they are invalid."""
        settings, sources = load(self.flags, os.environ, self.config)
        if sources["data_dir"] == DEFAULT:
            folder = default_data_dir(os.environ, Path())
            settings = msgspec.structs.replace(settings, data_dir=str(folder))
        return Configuration(settings, sources)

    def data_dir(self, *, make: bool = False) -> Path:
        """Return the data directory; with `make`, a missing default one is made; a given one may be misspelled.

        Raises:
            ConfigError: The settings are invalid.
            DataDirError: The directory can't be made, or not written to.
        """
        settings, sources = self.load()
        folder = Path(settings.data_dir)
        if make and sources["data_dir"] == DEFAULT:
            make_data_dir(folder, parents=True)
        return folder


given = click.make_pass_decorator(Given, ensure=True)
"""Pass the call's `Given` to a command."""


def _take_data_dir(context: click.Context, _: click.Parameter, text: str | None) -> None:
    if text is not None:
        context.ensure_object(Given).flags["data_dir"] = text


def _take_log(context: click.Context, _: click.Parameter, text: str | None) -> None:
    if text is not None:
        context.ensure_object(Given).flags["log"] = text


def _take_config(context: click.Context, _: click.Parameter, text: str | None) -> None:
    if text is not None:
        context.ensure_object(Given).config = text


def with_location(command: _Command) -> _Command:
    """Let a subcommand accept `--data-dir` and `--config` too. The value after its name overrides the one before."""
    setting = SETTINGS["data_dir"]
    text = f"Data directory of the server. [{setting.help.partition('[')[2]}"
    options = (
        click.option("--config", metavar="FILE", help=CONFIG_HELP, callback=_take_config, expose_value=False),
        click.option(setting.flag, metavar=setting.metavar, help=text, callback=_take_data_dir, expose_value=False),
    )
    for option in options:
        command = option(command)
    return command


def with_log(command: _Command) -> _Command:
    """Let a subcommand accept `--log` too, as `with_location` does."""
    setting = SETTINGS["log"]
    option = click.option(setting.flag, metavar=setting.metavar, help=_LOG_HELP, callback=_take_log, expose_value=False)
    return option(command)


def _problems(error: BaseException) -> list[str] | None:
    """Return the lines of a PhaselineError or a group of them; None if the group contains any other error."""
    if isinstance(error, PhaselineError):
        return str(error).splitlines()
    if isinstance(error, BaseExceptionGroup):
        each = [_problems(one) for one in error.exceptions]
        return None if None in each else [line for lines in each for line in lines or []]
    return None


@contextmanager
def errors_printed() -> Iterator[None]:
    """Print a PhaselineError, or a group of these, as one line for each problem, and exit with 2."""
    try:
        yield
    except (PhaselineError, BaseExceptionGroup) as error:
        lines = _problems(error)
        if lines is None:
            raise
        for line in lines:
            click.echo(f"progress-server: error: {line}", err=True)
        sys.exit(2)
