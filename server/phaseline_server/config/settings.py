"""Every setting of the server: its name, type, bounds, default, help and group stand here and nowhere else.

A setting `like_this` is the flag `--like-this`, the variable `PHASELINE_LIKE_THIS` and the key `like_this` of a TOML
file (`--config`, `PHASELINE_CONFIG`). `load` merges them: flags over variables over the file over defaults.
"""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from phaseline.errors import ConfigError, shown
from phaseline.model.events import MAX_PHASES
from phaseline.model.job import MAX_KEPT_BYTES
from phaseline_server.config.option import BIND, DIRECTORY, FILE, HOST, KEY, ORIGIN, SIZE, URL, about, settings_of

__all__ = ["DEFAULT", "SETTINGS", "Configuration", "Settings", "load"]

DEFAULT = "default"
"""The source of a value that nobody gave."""

_LISTENING = "Listening"
_DATA = "Data"
_ACCESS = "Access"
_PICTURES = "Pictures"
_IMAGES = "Images API (for provider openai)"
_CHAT = "Chat API (enhances prompts; skipped unless its address and model are given)"
_LIMITS = "Limits"
_LOGGING = "Logging"

_YEAR = 366 * 24 * 3600
_DAY = 24 * 3600
_GIB = 2**30


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the server runs with. Times are in seconds, sizes in bytes; an empty text is a value not given."""

    bind: Annotated[
        tuple[str, ...],
        about(
            _LISTENING, "HOST:PORT", "An address to listen on; give it again for more. Port 0 is any free one.", BIND
        ),
    ] = ("127.0.0.1:8080", "127.0.0.1:5100")

    data_dir: Annotated[str, about(_DATA, "DIR", "Where output/, series/ and metrics/ lie.", DIRECTORY)] = "."
    done_ttl: Annotated[
        float, about(_DATA, "SECONDS", "How long a finished run answers its pollers.", least=0, most=_YEAR)
    ] = 300.0
    retention: Annotated[
        float, about(_DATA, "SECONDS", "How long a finished job stays in memory.", least=0, most=_YEAR)
    ] = 3600.0
    keep_for: Annotated[
        float, about(_DATA, "SECONDS", "How long events and finished jobs stay in the journal.", least=1, most=_YEAR)
    ] = 604_800.0
    keep_events: Annotated[
        int, about(_DATA, "N", "Events in the journal, to resume from.", least=1, most=1_000_000_000)
    ] = 100_000
    keep_jobs: Annotated[int, about(_DATA, "N", "Finished jobs in the journal.", least=0, most=1_000_000_000)] = 20_000
    archive_runs: Annotated[
        bool, about(_DATA, "", "Keep each finished job in metrics/runs/ (as TB_DALLE_ARCHIVE_RUNS=1 does).")
    ] = False
    stall_after: Annotated[
        float,
        about(
            _DATA,
            "SECONDS",
            "A job silent for longer, and than its phase's habit, stalls.",
            least=1,
            most=_YEAR,
        ),
    ] = 30.0
    lease: Annotated[
        float, about(_DATA, "SECONDS", "A job that is silent for longer is lost.", least=1, most=_YEAR)
    ] = 21_600.0
    gone_after: Annotated[
        float,
        about(
            _DATA,
            "SECONDS",
            "Time for a worker whose connection was lost to come back, before its jobs stall.",
            least=1,
            most=_YEAR,
        ),
    ] = 15.0
    lost_after: Annotated[
        float,
        about(_DATA, "SECONDS", "The same, before its jobs are lost.", least=1, most=_YEAR),
    ] = 600.0

    allow_host: Annotated[
        tuple[str, ...],
        about(_ACCESS, "HOST", "Another name that the server is asked for by; again for more.", HOST),
    ] = ()
    allow_origin: Annotated[
        tuple[str, ...],
        about(_ACCESS, "ORIGIN", "A web page's origin that may use the server; again for more.", ORIGIN),
    ] = ()
    tls_cert: Annotated[
        str, about(_ACCESS, "FILE", "The certificate and those above it, PEM; read again at SIGHUP.", FILE)
    ] = ""
    tls_key: Annotated[str, about(_ACCESS, "FILE", "Its key, PEM, if it is not in the same file.", FILE)] = ""
    insecure: Annotated[bool, about(_ACCESS, "", "Listen to other machines even without tokens and TLS.")] = False

    eta_engine: Annotated[
        Literal["model", "ema"],
        about(_DATA, "NAME", "What estimates: model (learns, and says how sure it is), or ema (moving averages)."),
    ] = "model"

    provider: Annotated[
        Literal["painter", "openai"],
        about(_PICTURES, "NAME", "Who makes them: painter (within), or openai (an API compatible with OpenAI's)."),
    ] = "painter"
    painters: Annotated[int, about(_PICTURES, "N", "How many are painted at once.", least=1, most=256)] = 4
    picture_size: Annotated[str, about(_PICTURES, "SIZE", "Width and height in pixels.", SIZE)] = "1024x1024"
    max_picture_bytes: Annotated[
        int, about(_PICTURES, "BYTES", "A provider's larger picture is refused.", least=1024, most=2 * _GIB)
    ] = 33_554_432

    image_url: Annotated[str, about(_IMAGES, "URL", "Its base address, e.g. https://api.openai.com/v1.", URL)] = ""
    image_key: Annotated[
        str,
        about(_IMAGES, "KEY", "Its secret; in PHASELINE_IMAGE_KEY no list of processes shows it.", KEY, secret=True),
    ] = ""
    image_model: Annotated[str, about(_IMAGES, "NAME", "The model to ask for.")] = "gpt-image-1"
    image_timeout: Annotated[
        float, about(_IMAGES, "SECONDS", "How long an attempt may take.", least=0.01, most=_DAY)
    ] = 120.0
    image_retries: Annotated[int, about(_IMAGES, "N", "Attempts after the first.", least=0, most=100)] = 4

    chat_url: Annotated[str, about(_CHAT, "URL", "Its base address, e.g. https://api.openai.com/v1.", URL)] = ""
    chat_key: Annotated[
        str, about(_CHAT, "KEY", "Its secret; in PHASELINE_CHAT_KEY no list of processes shows it.", KEY, secret=True)
    ] = ""
    chat_model: Annotated[str, about(_CHAT, "NAME", "The model to ask for.")] = ""
    chat_timeout: Annotated[float, about(_CHAT, "SECONDS", "How long an attempt may take.", least=0.01, most=_DAY)] = (
        30.0
    )

    max_head: Annotated[int, about(_LIMITS, "BYTES", "A request's line and headers.", least=1024, most=_GIB)] = 16_384
    max_body: Annotated[int, about(_LIMITS, "BYTES", "A request's body.", least=1024, most=_GIB)] = 262_144
    max_message: Annotated[int, about(_LIMITS, "BYTES", "A WebSocket message.", least=1024, most=_GIB)] = 65_536
    max_fragments: Annotated[int, about(_LIMITS, "N", "Of a WebSocket message.", least=1, most=1_000_000)] = 64
    max_depth: Annotated[int, about(_LIMITS, "N", "JSON within JSON.", least=2, most=500)] = 16
    max_connections: Annotated[
        int, about(_LIMITS, "N", "Connections, and clients that poll.", least=1, most=1_000_000)
    ] = 10_000
    max_per_address: Annotated[
        int, about(_LIMITS, "N", "Those of one other machine; of this one, all.", least=1, most=1_000_000)
    ] = 256
    max_reports: Annotated[
        int, about(_LIMITS, "N", "Reports in a second with one token.", least=1, most=100_000_000)
    ] = 5000
    max_jobs: Annotated[int, about(_LIMITS, "N", "Jobs in memory.", least=1, most=10_000_000)] = 10_000
    max_phases: Annotated[int, about(_LIMITS, "N", "Phases of a job.", least=1, most=MAX_PHASES)] = MAX_PHASES
    max_job_bytes: Annotated[
        int, about(_LIMITS, "BYTES", "What is known of a job's photo, and its errors.", least=1024, most=_GIB)
    ] = MAX_KEPT_BYTES
    history: Annotated[
        int, about(_LIMITS, "N", "Messages kept for clients that resume.", least=0, most=100_000_000)
    ] = 10_000
    queue: Annotated[int, about(_LIMITS, "N", "Messages waiting for a subscriber.", least=1, most=10_000_000)] = 1000
    queue_bytes: Annotated[int, about(_LIMITS, "BYTES", "The same by size.", least=1024, most=_GIB)] = 8_388_608
    head_timeout: Annotated[
        float,
        about(_LIMITS, "SECONDS", "From a request's first byte to the end of its headers.", least=0.01, most=_DAY),
    ] = 5.0
    auth_timeout: Annotated[
        float, about(_LIMITS, "SECONDS", "Until a WebSocket has shown its token.", least=0.01, most=_DAY)
    ] = 5.0
    write_timeout: Annotated[
        float, about(_LIMITS, "SECONDS", "Without 64 KiB taken by a client that has to.", least=0.01, most=_DAY)
    ] = 10.0
    pong_timeout: Annotated[
        float, about(_LIMITS, "SECONDS", "Between two pings, the first of which is answered.", least=0.01, most=_DAY)
    ] = 20.0
    idle_timeout: Annotated[
        float, about(_LIMITS, "SECONDS", "Between two requests on a connection.", least=0.01, most=_DAY)
    ] = 65.0

    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        about(_LOGGING, "LEVEL", "The least that is logged: debug, info, warning or error."),
    ] = "info"
    log_format: Annotated[Literal["text", "json"], about(_LOGGING, "FORMAT", "text for people, json for programs.")] = (
        "text"
    )

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height of `picture_size`."""
        width, height = self.picture_size.split("x")
        return int(width), int(height)

    def __repr__(self) -> str:
        """Show every value but the secrets'."""
        return f"Settings({', '.join(f'{name}={value}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Show the same where Rich prints."""
        return [(name, setting.display(getattr(self, name))) for name, setting in SETTINGS.items()]


SETTINGS = settings_of(Settings)
"""Each setting by its name, in the order of the help."""


class Configuration(NamedTuple):
    """The settings, and for each where its value came from: a flag, a variable, a file's path, or `DEFAULT`."""

    settings: Settings
    sources: Mapping[str, str]


def load(flags: Mapping[str, object], environment: Mapping[str, str], file: str | None = None) -> Configuration:
    """Merge what was given into the settings.

    Args:
        flags: Raw values by setting name, of those flags only that were given.
        environment: The process's variables; those that don't begin with `PHASELINE_` don't matter.
        file: The path of a TOML file; without it that of `PHASELINE_CONFIG`, if there is one.

    Raises:
        ConfigError: Keys or values are wrong: a line for each, with its source and what is allowed.
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
    """Takes values, the weaker source first, and gathers every problem on the way."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.sources = dict.fromkeys(SETTINGS, DEFAULT)
        self.problems: list[str] = []

    def value(self, name: str, raw: object, source: str) -> None:
        setting = SETTINGS[name]
        try:
            value = setting.convert(raw)
        except ValueError:
            seen = "not as it should be (hidden)" if setting.secret else shown(_as_written(raw))
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
        except ValueError as error:  # no UTF-8, no TOML, a NUL in the path
            self.problems.append(f"config is {shown(path)}, which is no TOML: {error}")
            return
        for key, raw in table.items():
            if key in SETTINGS:
                self.value(key, raw, path if path.isprintable() else ascii(path))
            else:
                self.unknown(f"{shown(path)}: key", key, list(SETTINGS))

    def environment(self, environment: Mapping[str, str]) -> None:
        variables = {setting.variable: name for name, setting in SETTINGS.items()}
        variables["TB_DALLE_ARCHIVE_RUNS"] = "archive_runs"  # the older name; ours is the stronger
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
                    f"image_url is empty (from {self.sources['image_url']}), and provider openai "
                    f"(from {self.sources['provider']}) needs it; allowed: {URL.allowed}"
                )
            if settings.tls_key and not settings.tls_cert:
                self.problems.append(
                    f"tls_cert is empty (from {self.sources['tls_cert']}), and tls_key "
                    f"(from {self.sources['tls_key']}) needs it; allowed: {FILE.allowed}"
                )
            if not self.problems:
                return Configuration(settings, self.sources)
        raise ConfigError("\n".join(self.problems))


def _as_written(raw: object) -> object:
    """Return a list of texts as one text with commas, anything else as it is."""
    return ",".join(raw) if isinstance(raw, (list, tuple)) and all(isinstance(one, str) for one in raw) else raw
