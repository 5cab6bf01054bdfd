"""Choose the facts about a worker and its machine to send: the program's choice, else PROGRESS_FACTS, else all."""

from collections.abc import Iterable
from typing import Final

from phaseline.errors import ConfigError, shown

__all__ = ["FACTS", "chosen"]

FACTS: Final = ("command", "user", "pid", "host", "folder", "python", "program", "load")
"""The names of all facts. `host` is the job's host; `load` is the load of the machine, sent while a job runs."""


def chosen(setting: object, variable: str | None) -> frozenset[str]:
    """Return the names of the facts to send.

    Args:
        setting: The program's choice: names, False for none, True for all, or None to use the variable.
        variable: The value of PROGRESS_FACTS: names separated by commas, `none` or `all`; None if it is not set.

    Raises:
        ConfigError: A name is unknown.
    """
    if isinstance(setting, bool):
        return frozenset(FACTS if setting else ())
    where, names = "worker_facts", setting
    if setting is None:
        where, names = "PROGRESS_FACTS", "all" if variable is None else variable
    if isinstance(names, str):
        names = [name.strip().lower() for name in names.split(",")]
        if names in (["none"], ["all"], [""]):
            return frozenset(FACTS if names == ["all"] else ())
    wanted: set[str] = set()
    for name in names if isinstance(names, Iterable) else (names,):
        if name not in FACTS:
            raise ConfigError(f"{where} names {shown(name)}; allowed: none, all, or some of {', '.join(FACTS)}")
        wanted.add(name)
    return frozenset(wanted)
