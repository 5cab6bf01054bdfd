"""The errors as an interface: codes that stay, texts in one printable line."""

import ast
import inspect
import re
from types import ModuleType

import pytest

from phaseline import errors
from phaseline.errors import (
    IllegalEvent,
    InvalidAddress,
    InvalidField,
    InvalidSeries,
    PhaselineError,
    TooLarge,
    UnknownJob,
    UnknownType,
    shown,
)
from phaseline_server import errors as server_errors
from phaseline_server.errors import UnknownClient
from phaseline_server.pictures import errors as picture_errors
from phaseline_server.pictures.errors import NoPicture, NoRun, UnknownSeries


def all_of(kind: type[PhaselineError]) -> list[type[PhaselineError]]:
    return [each for child in kind.__subclasses__() for each in (child, *all_of(child))]


MODULES = (errors, server_errors, picture_errors)
KINDS = [kind for kind in all_of(PhaselineError) if kind.__module__ in {module.__name__ for module in MODULES}]
# Clients match on these: one may be added, none may change or be removed.
CODES = {
    "BadSeriesFile": "BAD_SERIES_FILE",
    "ConfigError": "CONFIG_ERROR",
    "DataDirError": "DATA_DIR_ERROR",
    "DiskFull": "DISK_FULL",
    "Forbidden": "FORBIDDEN",
    "ForbiddenOrigin": "FORBIDDEN_ORIGIN",
    "IllegalEvent": "ILLEGAL_EVENT",
    "NumberReused": "NUMBER_REUSED",
    "InvalidAddress": "INVALID_ADDRESS",
    "InvalidField": "INVALID_FIELD",
    "InvalidJSON": "INVALID_JSON",
    "InvalidSeries": "INVALID_SERIES",
    "Misdirected": "MISDIRECTED",
    "NoPicture": "NO_PICTURE",
    "NoRun": "NO_RUN",
    "OutsideDataDir": "OUTSIDE_DATA_DIR",
    "PictureError": "PICTURE_ERROR",
    "PortInUse": "PORT_IN_USE",
    "ProviderError": "PROVIDER_ERROR",
    "RateLimited": "RATE_LIMITED",
    "SlowSubscriber": "SLOW_SUBSCRIBER",
    "StartupFailed": "STARTUP_FAILED",
    "TooLarge": "TOO_LARGE",
    "TooMany": "TOO_MANY",
    "Unauthorized": "UNAUTHORIZED",
    "UnknownClient": "UNKNOWN_CLIENT",
    "UnknownJob": "UNKNOWN_JOB",
    "UnknownPath": "NOT_FOUND",
    "UnknownSeries": "UNKNOWN_SERIES",
    "UnknownType": "UNKNOWN_TYPE",
    "Unrecoverable": "UNRECOVERABLE",
}


def test_every_error_has_a_stable_code() -> None:
    assert CODES.items() <= {kind.__name__: kind.code for kind in KINDS}.items()


def test_no_two_errors_share_a_code() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(set(codes)) == len(codes)
    assert PhaselineError.code not in codes


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_is_complete(kind: type[PhaselineError]) -> None:
    assert "code" in vars(kind)
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", kind.code)
    assert 400 <= kind.status < 600
    assert isinstance(kind.temporary, bool)
    assert kind.__doc__


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_dunder_all_is_sorted_and_complete(module: ModuleType) -> None:
    defined = {name for name, kind in vars(module).items() if getattr(kind, "__module__", None) == module.__name__}
    assert module.__all__ == sorted(defined)


def test_errors_that_a_retry_can_solve_are_temporary() -> None:
    temporary = {kind.__name__ for kind in KINDS if kind.temporary}
    assert temporary >= {"DiskFull", "SlowSubscriber", "TooMany"}
    assert not temporary & {"IllegalEvent", "InvalidField", "InvalidJSON", "TooLarge", "UnknownJob"}


HOSTILE = "\x1b[31m\r\n\u202e" + "x" * 500


@pytest.mark.parametrize(
    "error",
    [
        InvalidField("progress", HOSTILE, "a number"),
        UnknownType(HOSTILE, "ping"),
        InvalidSeries(HOSTILE),
        InvalidAddress(HOSTILE),
        UnknownSeries(HOSTILE, ["simple"]),
        UnknownJob(HOSTILE),
        UnknownClient(HOSTILE),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_hostile_value_is_shown_short_and_printable(error: PhaselineError) -> None:
    assert r"'\x1b[31m\r\n\u202e" in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 250


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (InvalidField("progress", 150, "a number from 0 to 100"), "progress is 150; allowed: a number from 0 to 100"),
        (InvalidField.missing("stage", "a string"), "stage is missing; allowed: a string"),
        (TooLarge("the document", 70_000, 65_536), "the document has 70000 bytes; allowed: at most 65536"),
        (InvalidSeries("a b"), "series is 'a b'; allowed: 1 to 64 of A-Z a-z 0-9 _ -"),
        (InvalidAddress("0xg"), "address is '0xg'; allowed: 0x and 1 to 64 hexadecimal digits"),
        (
            NoRun("s", "0x1"),
            "s/0x1 has no run and no picture; start one with GET /dalle/s/0x1?generate=1 or POST /dalle/s/0x1",
        ),
        (
            NoPicture("simple", "0x1"),
            "simple/0x1 has no annotated picture yet; poll /dalle/simple/0x1 until done is true",
        ),
        (UnknownJob("j"), "job 'j' is not known; check the id, or start it with job_started (POST /progress/start)"),
        (IllegalEvent("as it is"), "as it is"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_text_has_the_failure_the_value_and_the_allowed_values(error: PhaselineError, text: str) -> None:
    assert str(error) == text


def test_an_error_for_a_field_has_the_name_of_the_field() -> None:
    assert InvalidField("progress", 150, "less").field == "progress"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("é\n", r"'\xe9\n'"),
        (None, "None"),
        (b"\xff", r"b'\xff'"),
        ({"a": [1]}, "{'a': [1]}"),
        ("x" * 200, "'" + "x" * 78 + "…"),
        (10**5000, "a value of type int that can't be shown"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_are_shown_in_one_short_printable_line(value: object, text: str) -> None:
    assert shown(value) == text


def test_endlessly_nested_values_are_shown() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert shown(deep) == "a value of type list that can't be shown"
    while deep:  # taken apart step by step, for the interpreter's sake
        (deep,) = deep  # type: ignore[assignment]


def test_the_errors_of_the_core_need_nothing_but_the_language() -> None:
    imported = [node for node in ast.walk(ast.parse(inspect.getsource(errors))) if isinstance(node, ast.ImportFrom)]
    assert {node.module for node in imported} == {"typing"}
