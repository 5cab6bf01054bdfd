import re

from click.testing import CliRunner, Result

from phaseline import __version__
from phaseline_server.cli.commands import progress_server
from phaseline_server.config.settings import SETTINGS


def progress(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(progress_server, arguments, env=environment, prog_name="progress-server", color=False)


def test_help_names_every_setting_under_its_heading_in_aligned_columns() -> None:
    text = progress("--help").stdout
    for setting in SETTINGS.values():
        flag = setting.flag if setting.metavar else f"--[no-]{setting.flag[2:]}"
        heading = re.escape(setting.group.split(" (", maxsplit=1)[0])
        assert re.search(rf"^{heading}.*?^  {re.escape(flag)}\b", text, re.DOTALL | re.MULTILINE), setting.name
    lines = text.splitlines()
    columns = {line.index(one.help[:9]) for one in SETTINGS.values() for line in lines if f"  {one.help[:9]}" in line}
    assert len(columns) == 1
    assert "PHASELINE_KEEP_JOBS" in text


def test_version_prints_the_version_of_the_package() -> None:
    assert progress("--version").stdout == f"progress-server {__version__}\n"


def test_print_config_shows_key_value_and_source_aligned_and_no_secret() -> None:
    result = progress(
        "--print-config", "--no-archive-runs", "--bind", "a:1", "--bind", "b:2", PHASELINE_CHAT_KEY="sk-1"
    )
    rows = [re.split(r"  +", line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [row[0] for row in rows] == list(SETTINGS)
    assert ["bind", "a:1, b:2", "--bind"] in rows
    assert ["archive_runs", "false", "--archive-runs"] in rows
    assert ["chat_key", "set (hidden)", "PHASELINE_CHAT_KEY"] in rows
    assert ["image_key", "not set", "default"] in rows
    assert ["done_ttl", "300", "default"] in rows
    assert "sk-1" not in result.output
    assert (
        len({line.index(row[2], len(row[0])) for line, row in zip(result.stdout.splitlines(), rows, strict=True)}) == 1
    )


def test_each_wrong_setting_is_one_line_and_exit_code_2() -> None:
    result = progress("--painters", "0", "--print-config", PHASELINE_QUEU="1")
    first, second = result.stderr.splitlines()
    assert result.exit_code == 2
    assert first == "progress-server: error: variable 'PHASELINE_QUEU' is unknown; did you mean PHASELINE_QUEUE?"
    assert second.startswith("progress-server: error: painters is '0' (from --painters); allowed: ")
    assert result.stdout == ""


def test_the_error_for_an_unknown_flag_names_the_nearest() -> None:
    result = progress("--painter", "3")
    assert result.exit_code == 2
    assert "--painters" in result.stderr


def test_the_error_for_an_unknown_command_lists_the_commands() -> None:
    result = progress("serve", "--painters", "3")
    assert result.exit_code == 2
    assert "unknown command 'serve'; allowed: token, log, eta-report, eta-backtest" in result.stderr
