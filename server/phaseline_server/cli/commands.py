"""The command `progress-server`: its flags, built from the settings, and its grouped help.

Slow imports are deferred until the server starts, so that `--help` and `--version` respond at once.
"""

import sys
from typing import Any

import click

from phaseline import __version__
from phaseline_server.cli.configuration import CONFIG_HELP, Given, errors_printed
from phaseline_server.cli.eta_commands import eta_backtest, eta_report
from phaseline_server.cli.log_commands import log
from phaseline_server.cli.token_commands import token
from phaseline_server.config.merge import DEFAULT, Configuration
from phaseline_server.config.option import Setting
from phaseline_server.config.settings import SETTINGS

__all__ = ["progress_server"]

_EPILOG = (
    "Every flag can also be set by an environment variable or in the TOML file: --keep-jobs is PHASELINE_KEEP_JOBS and "
    "keep_jobs. Flags override variables, which override the file."
)


class _Group(click.Group):
    """A group with options under headings and a helpful error for unknown commands."""

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Return the usage; the command is optional."""
        return ["[OPTIONS]", "[COMMAND]"]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by group, in aligned columns, then the commands."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx)
            if record is not None:
                group = option.setting.group if isinstance(option, _SettingOption) else "Other"
                groups.setdefault(group, []).append(record)
        width = max(len(flag) for records in groups.values() for flag, _ in records)
        for group, records in groups.items():
            with formatter.section(group):
                formatter.write_dl([(flag.ljust(width), text) for flag, text in records])
        self.format_commands(ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command; fail with the known commands if it is unknown."""
        if args[0] not in self.commands:
            commands = ", ".join(self.commands)
            ctx.fail(
                f"unknown command {args[0]!r}; allowed: {commands}; settings are flags, e.g. --bind 127.0.0.1:8080"
            )
        return super().resolve_command(ctx, args)


class _SettingOption(click.Option):
    """The flag of one setting. It passes its text unchanged to `load`, which converts values from every source."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        switch = not setting.metavar
        super().__init__(
            [f"{setting.flag}/--no-{setting.flag[2:]}" if switch else setting.flag],
            type=None if switch else str,
            default=None,
            help=setting.help,
            metavar=setting.metavar or None,
            multiple=setting.several,
        )

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the flag and its help, with the default in brackets."""
        record = super().get_help_record(ctx)
        if record is None:
            return None
        flag = record[0].replace(f"{self.setting.flag} / --no-", "--[no-]")
        default = f"  [{self.setting.display(self.setting.default)}]" if self.setting.default else ""
        return flag, record[1] + default


def _print_configuration(configuration: Configuration) -> None:
    """Print each key with its value and source, one per line, in aligned columns."""
    rows = [
        (name, setting.display(getattr(configuration.settings, name)), configuration.sources[name])
        for name, setting in SETTINGS.items()
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for key, value, source in rows:
        click.echo(f"{key:<{widths[0]}}  {value:<{widths[1]}}  {source}")


def _start(given: Given, *, print_config: bool) -> None:
    with errors_printed():
        configuration = given.load()
        if print_config:
            _print_configuration(configuration)
            return
        from phaseline_server.runtime.server import run  # noqa: PLC0415 (slow import)

        sources = configuration.sources
        code = run(
            configuration.settings,
            explicit_bind=sources["bind"] != DEFAULT,
            explicit_data_dir=sources["data_dir"] != DEFAULT,
        )
    sys.exit(code)


@click.group(
    cls=_Group,
    invoke_without_command=True,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, message="%(prog)s %(version)s", help="Print the version.")
@click.option("--config", metavar="FILE", help=CONFIG_HELP)
@click.option("--print-config", is_flag=True, help="Print every setting with its value and source, then exit.")
@click.pass_context
def progress_server(context: click.Context, /, config: str | None, *, print_config: bool, **given: Any) -> None:
    """Run the Phaseline server."""
    context.obj = Given(config, {name: value for name, value in given.items() if value not in (None, ())})
    if context.invoked_subcommand is None:
        _start(context.obj, print_config=print_config)


for _command in (token, log, eta_report, eta_backtest):
    progress_server.add_command(_command)
progress_server.params[:0] = [_SettingOption(setting) for setting in SETTINGS.values()]
