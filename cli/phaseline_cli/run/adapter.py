"""An adapter: how one program prints its progress, as data.

An adapter is a TOML file. `docs/run.md` describes each key, `phaseline try` shows what an adapter reads from a log.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import msgspec

from phaseline_cli.run.numbers import Unit
from phaseline_cli.run.spoken import spoken

GROUPS: Final = frozenset(
    {"percent", "fraction", "done", "each", "total", "left", "step", "steps", "phase", "text", "name"}
)
"""The names of groups that a rule's pattern may have."""


class BadAdapter(Exception):
    """An adapter's file can't be used; its text says where and why."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """The meaning of one kind of line. The pattern's named groups contain the values."""

    find: str
    """Regular expression, searched in each line. Its groups: see `GROUPS`; others can be used in `phase`."""
    phase: str = ""
    """The phase that such a line belongs to; may name groups: `pass {pass}`. Empty: the present one."""
    of: Literal["", "phase", "run", "both"] = ""
    """The scope of percent, fraction and done/total. [both if the adapter has one phase, else the phase]"""
    unit: Unit = ""
    """How `done`, `total` and `left` are written: counts, sizes in bytes, or times."""
    label: str = ""
    """The unit that people read beside the counts: `frames`, `files`."""
    fact: str = ""
    """The name of the fact that `total` is reported as; estimates learn its effect on the duration."""
    first: int = 1
    """The number of the first `step`: the run is at (step - first + fraction of the phase) / steps."""
    names: dict[str, str] = {}  # msgspec copies it for each instance
    """Plain names for what the group `phase` matches."""
    restart: bool = False
    """Whether such a line begins its phase anew, at 0."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The compiled `find`."""
        return re.compile(self.find)


class Inject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments and variables that make a program write its progress to a descriptor without other changes.

    Only built-in adapters have them, because each needs a test that proves this.
    """

    match: str
    """Regular expression for the command, as in `match` of the adapter."""
    arguments: list[str] = []
    """Arguments behind the program's name; `{fd}` is the descriptor."""
    environment: dict[str, str] = {}
    """Variables, unless the user has set them; `{fd}` is the descriptor, `{folder}` that of the adapters."""
    unless: list[str] = []
    """User arguments that disable the injection."""
    descriptor: int | None = None
    """The only descriptor that it can use; None: any."""
    files: list[str] = []
    """The program's own settings, as patterns of files below `/`."""
    unless_set: str = ""
    """Regular expression for a setting that disables the injection."""


class Shows(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Descriptions of what a job shows of the program, where the other keys do not give them."""

    phases: str = ""
    """The phases, if `phases` does not name them: `one for each task`."""
    progress: str = ""
    """The scope of progress, with its condition: `phase`, or `job, with -v`. [unknown]"""
    counts: str = ""
    """What is counted, if no rule's `label` or `unit` tells it: `frames`."""


class Adapter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """How one program, or one library's bars, print their progress."""

    name: str
    match: list[str] = []
    """Regular expressions for the command, `ffmpeg` or `git (clone|fetch)`: program's base name, then words."""
    signs: list[str] = []
    """Regular expressions for lines that only this program prints: it was started by a script or as `python x.py`."""
    phases: list[str] = []
    """The phases of each run, in order, as far as they are known before it."""
    begin: str = ""
    """The phase that a run begins with, if it has begun before the first line."""
    rules: list[Rule] = []
    errors: list[str] = []
    """Regular expressions for the error line, the most informative first."""
    harmless: list[str] = []
    """Regular expressions for lines that look like errors but are not."""
    cancelled: list[str] = []
    """Regular expressions for lines that a program prints when it was interrupted."""
    bars: bool = False
    """Whether bars that match no rule are used, too."""
    inject: Inject | None = None
    """What makes the program write its progress to a descriptor of its own."""
    shows: Shows = Shows()
    """What a job shows of the program."""
    python: str = ""
    """The module of `phaseline_cli.adapters` that reads what rules can't."""

    @cached_property
    def command(self) -> re.Pattern[str] | None:
        """The pattern of the commands that this adapter is for."""
        return re.compile("|".join(f"(?:{m})" for m in self.match)) if self.match else None

    def matches(self, argv: Sequence[str]) -> bool:
        """Return whether this adapter is for the command."""
        return bool(argv) and self.command is not None and self.command.match(spoken(argv)) is not None


def own_folder() -> Path:
    """Return the folder of the user's own adapters."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "phaseline" / "adapters"


def load(folder: Path | None = None) -> Mapping[str, Adapter]:
    """Return all adapters by name: ours, then the user's own in `folder`, which replace ours of the same name.

    Raises:
        BadAdapter: a file can't be read, is not TOML, has an unknown key or a pattern that is not a regular expression.
    """
    ours = [msgspec.convert(tomllib.loads(text), Adapter) for text in _our_texts()]  # tests have checked their patterns
    found = {adapter.name: adapter for adapter in ours}
    for name, text in _own_texts(folder):
        adapter = parse(text, name)
        found[adapter.name] = adapter
    return found


def _our_texts() -> Iterator[str]:
    folder = Path(__file__).parents[1] / "adapters"
    for name in sorted(os.listdir(folder)):  # noqa: PTH208 - at each start of a command
        if name.endswith(".toml"):
            yield (folder / name).read_text("utf-8")


def _own_texts(folder: Path | None) -> Iterator[tuple[str, str]]:
    if folder is None:
        return
    try:
        paths = sorted(folder.glob("*.toml")) if folder.is_dir() else []
        texts = [(str(path), path.read_text("utf-8")) for path in paths]
    except (OSError, UnicodeError) as error:
        raise BadAdapter(f"adapters in {folder} can't be read: {error}") from error
    yield from texts


def parse(text: str, name: str) -> Adapter:
    """Return the adapter that a TOML file holds.

    Args:
        text: the file's contents.
        name: the file's name, for errors.

    Raises:
        BadAdapter: as `load`.
    """
    try:
        adapter = msgspec.convert(tomllib.loads(text), Adapter)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadAdapter(f"adapter {name}: {error}") from error
    patterns = [*adapter.match, *adapter.signs, *adapter.errors, *adapter.harmless, *adapter.cancelled]
    for pattern in [*patterns, *(rule.find for rule in adapter.rules)]:
        try:
            re.compile(pattern)
        except re.error as error:
            raise BadAdapter(f"adapter {name}: {pattern!r} is not a regular expression: {error}") from error
    return adapter
