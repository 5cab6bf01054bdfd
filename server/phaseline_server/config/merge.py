"""The merge of the sources of settings: flags over variables over the file over defaults."""

import difflib
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from phaseline.errors import ConfigError, shown
from phaseline_server.config.log_address import SQLITE
from phaseline_server.config.option import FILE, URL
from phaseline_server.config.settings import SETTINGS, Settings

__all__ = ["DEFAULT", "Configuration", "load"]

DEFAULT = "default"
"""The source of a default value."""


class Configuration(NamedTuple):
    """The settings and the source of each value: a flag, a variable, a file's path, or `DEFAULT`."""

    settings: Settings
    sources: Mapping[str, str]


def load(flags: Mapping[str, object], environment: Mapping[str, str], file: str | None = None) -> Configuration:
    """Merge flags, variables and the file into the settings.

    Args:
        flags: Raw values of the flags that were given, by the name of the setting.
        environment: The process's environment; only variables that start with `PHASELINE_` matter.
        file: The path of a TOML file. [PHASELINE_CONFIG]

    Raises:
        ConfigError: Keys or values are invalid; the text has a line for each, with its source and what is allowed.
    """
    merge = _Merge()
    file = file or environment.get("PHASELINE_CONFIG")
    if file:
        merge.file(file)
    merge.environment(environment)
    for name, raw in flags.items():
        merge.value(name, raw, SETTINGS[name].flag)
    return merge.result()


class _Merge:
    """Collects values, the weakest source first, and all problems with them."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.sources = dict.fromkeys(SETTINGS, DEFAULT)
        self.problems: list[str] = []

    def value(self, name: str, raw: object, source: str) -> None:
        setting = SETTINGS[name]
        try:
            value = setting.convert(raw)
        except ValueError:
            hide = setting.check.hide if setting.check else str
            seen = "invalid (hidden)" if setting.secret else shown(_hidden(_as_written(raw), hide))
            self.problems.append(f"{name} is {seen} (from {source}); allowed: {setting.allowed}")
            return
        self.values[name] = value
        self.sources[name] = source

    def unknown(self, what: str, seen: str, known: list[str]) -> None:
        nearest = difflib.get_close_matches(seen, known, n=1)
        advice = f"did you mean {nearest[0]}?" if nearest else f"known: {', '.join(known)}"
        self.problems.append(f"{what} {shown(seen)} is unknown; {advice}")

    def file(self, path: str) -> None:
        try:
            table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            self.problems.append(f"config is {shown(path)}, which can't be read: {error.strerror or error}")
            return
        except ValueError as error:  # not UTF-8, not TOML, or a NUL in the path
            self.problems.append(f"config is {shown(path)}, which is not TOML: {error}")
            return
        for key, raw in table.items():
            if key in SETTINGS:
                self.value(key, raw, path if path.isprintable() else ascii(path))
            else:
                self.unknown(f"{shown(path)}: key", key, list(SETTINGS))

    def environment(self, environment: Mapping[str, str]) -> None:
        variables = {setting.variable: name for name, setting in SETTINGS.items()}
        variables["TB_DALLE_ARCHIVE_RUNS"] = (
            "archive_runs"  # the picture API's name; PHASELINE_ARCHIVE_RUNS overrides it
        )
        for variable in sorted(environment, key=lambda name: name.startswith("PHASELINE_")):
            if variable in variables:
                self.value(variables[variable], environment[variable], variable)
            elif variable.startswith("PHASELINE_") and variable != "PHASELINE_CONFIG":
                self.unknown("variable", variable, [*variables, "PHASELINE_CONFIG"])

    def result(self) -> Configuration:
        if not self.problems:
            settings = Settings(**self.values)
            if settings.provider == "openai" and not settings.image_url:
                self.problems.append(
                    f"provider openai (from {self.sources['provider']}) needs image_url, which is not set; "
                    f"allowed: {URL.allowed}"
                )
            if settings.tls_key and not settings.tls_cert:
                self.problems.append(
                    f"tls_key (from {self.sources['tls_key']}) needs tls_cert, which is not set; "
                    f"allowed: {FILE.allowed}"
                )
            if settings.follow and settings.log != SQLITE:
                self.problems.append(
                    f"follow (from {self.sources['follow']}) and log (from {self.sources['log']}) are both set; "
                    "allowed: one of them, because a mirror has its own copy of the log"
                )
            if not self.problems:
                return Configuration(settings, self.sources)
        raise ConfigError("\n".join(self.problems))


def _hidden(raw: object, hide: Callable[[str], str]) -> object:
    return hide(raw) if isinstance(raw, str) else raw


def _as_written(raw: object) -> object:
    """Return a list of strings joined by commas, any other value as it is."""
    return ",".join(raw) if isinstance(raw, (list, tuple)) and all(isinstance(one, str) for one in raw) else raw
