"""Variables, arguments and a descriptor that are added to a command, so that it can report more.

This module is loaded before the command starts, so it loads little itself.
"""

import os
import re
import resource
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from phaseline_cli.run.spoken import spoken

JOB: Final = "PROGRESS_JOB"
_URL: Final = "PROGRESS_URL"
_DEFAULT_URL: Final = "ws://127.0.0.1:5100/ws"
_FD: Final = "PROGRESS_FD"
_HOOK: Final = "PHASELINE_HOOK"
_PYTHONPATH: Final = "PYTHONPATH"
_HOOKS: Final = Path(__file__).parents[1] / "hook"
_ALONE: Final = re.compile(r"(?:python|pypy)[\d.]* (?:-[a-zA-Z]+ )?-[a-zA-Z]*[EIS]")
"""A Python that does not load what PYTHONPATH names, or no `sitecustomize`."""
_ADAPTERS: Final = Path(__file__).parents[1] / "adapters"
_FREE: Final = range(9, 2, -1)
"""Descriptors that may be used. A POSIX shell can only redirect to single-digit descriptors."""


class Side(NamedTuple):
    """A pipe from the command to us."""

    reading: int
    """Our end."""
    writing: int
    """The other one."""
    number: int
    """Its descriptor number in the command; the number is reserved in this process."""


def open_side() -> Side | None:
    """Return a new pipe; None if no descriptor is free for it."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    number = next((fd for fd in _FREE if fd < most and not _is_open(fd)), None)
    if number is None:
        return None
    try:
        reading, writing = os.pipe()
    except OSError:
        return None
    if number in (reading, writing):  # then all below are in use
        os.close(reading)
        os.close(writing)
        return None
    os.dup2(writing, number, inheritable=False)
    return Side(reading, writing, number)


def environment(env: Mapping[str, str], job_id: str, side: Side | None, argv: Sequence[str]) -> dict[str, str]:
    """Return the environment of a command.

    Args:
        env: ours.
        job_id: the job.
        side: the pipe that it may use.
        argv: the command.
    """
    added = {JOB: job_id} | ({_FD: str(side.number)} if side is not None else {})
    found = {_URL: _DEFAULT_URL} | {name: value for name, value in env.items() if name not in (_FD, _HOOK)} | added
    alone = _ALONE.match("".join(f"{word} " for word in [Path(argv[0]).name, *argv[1:3]]))
    # The hook could not restore an empty value.
    if side is not None and not alone and found.get(_PYTHONPATH) != "":
        before = [entry for entry in [found.get(_PYTHONPATH)] if entry]
        found[_PYTHONPATH] = os.pathsep.join([str(_HOOKS), *before])
        found[_HOOK] = f"{side.number}:{os.fstat(side.writing).st_ino}"
    return found


def injected(argv: Sequence[str], env: Mapping[str, str], side: Side) -> tuple[Sequence[str], Mapping[str, str]]:
    """Return the command and its environment with what makes it write its progress to the pipe.

    Args:
        argv: the command; it stays the same unless its adapter knows arguments for that.
        env: its environment; it stays the same unless its adapter knows variables for that.
        side: the pipe.
    """
    text = spoken(argv)
    name = re.split(r"[^a-z]", text.partition(" ")[0].lower())[0]
    path = _ADAPTERS / f"{name}.toml"
    if not name or not path.is_file():
        return argv, env
    import tomllib  # noqa: PLC0415 - most commands get nothing

    inject = tomllib.loads(path.read_text("utf-8")).get("inject")
    if inject is None or not re.match(inject["match"], text) or any(word in inject["unless"] for word in argv):
        return argv, env
    if inject.get("descriptor", side.number) != side.number or _is_set(inject):
        return argv, env
    words = [word.format(fd=side.number) for word in inject.get("arguments", ())]
    variables = {
        variable: value.format(fd=side.number, folder=_ADAPTERS)
        for variable, value in inject.get("environment", {}).items()
    }
    return [argv[0], *words, *argv[1:]], {**variables, **env}


def _is_set(inject: Mapping[str, Any]) -> bool:
    """Return whether the injection would override something in the user's settings."""
    for pattern in inject.get("files", ()):
        for path in Path("/").glob(pattern):
            try:
                found = re.search(inject["unless_set"], path.read_text(errors="replace"))
            except OSError:
                continue
            if found:
                return True
    return False


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
