"""The settings of the server; only this module defines their names, types, bounds, defaults, help and groups.

A setting `like_this` is the flag `--like-this`, the variable `PHASELINE_LIKE_THIS` and the key `like_this` of a TOML
file (`--config`, `PHASELINE_CONFIG`). The module `merge` loads them.
"""

from functools import partial
from typing import Annotated, Any, Literal

import msgspec

from phaseline.model.event_fields import MAX_PHASES
from phaseline.model.weight import MAX_KEPT_BYTES
from phaseline_server.config.option import (
    BIND,
    DIRECTORY,
    FILE,
    HOST,
    KEY,
    LOG,
    ORIGIN,
    SERVER,
    SIZE,
    URL,
    about,
    settings_of,
)

__all__ = ["SETTINGS", "Settings"]

_LISTENING = "Listening"
_DATA = "Data"
_ACCESS = "Access"
_PICTURES = "Pictures"
_IMAGES = "Image API (with --provider openai)"
_CHAT = "Chat API (enhances prompts if --chat-url and --chat-model are set)"
_LIMITS = "Limits"
_LOGGING = "Logging"

_YEAR = 366 * 24 * 3600
_DAY = 24 * 3600
_GIB = 2**30

_limit = partial(about, _LIMITS)
_limit_s = partial(about, _LIMITS, "SECONDS", least=0.01, most=_DAY)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The server's configuration. Times are in seconds, sizes in bytes; an empty string means not set."""

    bind: Annotated[
        tuple[str, ...],
        about(_LISTENING, "HOST:PORT", "Listen address; repeatable. Port 0 lets the system choose.", BIND),
    ] = ("127.0.0.1:8080", "127.0.0.1:5100")

    data_dir: Annotated[
        str,
        about(
            _DATA,
            "DIR",
            "Data directory; created if its parent exists. [the current directory if it contains a server's data, "
            "else ~/.local/share/phaseline]",
            DIRECTORY,
        ),
    ] = ""
    log: Annotated[
        str,
        about(
            _DATA,
            "ADDRESS",
            "Storage of events and jobs: sqlite (a file in the data directory), or postgresql://USER@HOST/DATABASE, "
            "which several servers share.",
            LOG,
        ),
    ] = "sqlite"
    advertise: Annotated[
        str,
        about(
            _DATA,
            "URL",
            "Address at which the other servers of the shared log reach this one. [the first listen address]",
            URL,
        ),
    ] = ""
    follow: Annotated[
        str, about(_DATA, "URL", "Address of another server, of which this one is a read-only mirror.", SERVER)
    ] = ""
    follow_token: Annotated[
        str,
        about(
            _DATA,
            "TOKEN",
            "Token for that server; set PHASELINE_FOLLOW_TOKEN to hide it from process lists. [PROGRESS_TOKEN, or "
            "~/.config/phaseline/token]",
            KEY,
            secret=True,
        ),
    ] = ""
    done_ttl: Annotated[
        float, about(_DATA, "SECONDS", "Retention of the final snapshot of a picture's run.", least=0, most=_YEAR)
    ] = 300.0
    retention: Annotated[
        float, about(_DATA, "SECONDS", "Retention of finished jobs in memory.", least=0, most=_YEAR)
    ] = 3600.0
    keep_for: Annotated[
        float, about(_DATA, "SECONDS", "Retention of events and finished jobs on disk.", least=1, most=_YEAR)
    ] = 604_800.0
    keep_events: Annotated[int, about(_DATA, "N", "Maximum number of events on disk.", least=1, most=1_000_000_000)] = (
        100_000
    )
    keep_jobs: Annotated[
        int, about(_DATA, "N", "Maximum number of finished jobs on disk.", least=0, most=1_000_000_000)
    ] = 20_000
    archive_runs: Annotated[
        bool, about(_DATA, "", "Write each finished job to metrics/runs/; TB_DALLE_ARCHIVE_RUNS=1 does the same.")
    ] = False
    stall_after: Annotated[
        float,
        about(
            _DATA,
            "SECONDS",
            "Minimum silence after which a job is stalled; longer in phases with longer or unknown pauses.",
            least=1,
            most=_YEAR,
        ),
    ] = 30.0
    lease: Annotated[float, about(_DATA, "SECONDS", "Silence after which a job is lost.", least=1, most=_YEAR)] = (
        21_600.0
    )
    gone_after: Annotated[
        float,
        about(
            _DATA, "SECONDS", "Time for a disconnected worker to reconnect before its jobs stall.", least=1, most=_YEAR
        ),
    ] = 15.0
    lost_after: Annotated[
        float,
        about(
            _DATA,
            "SECONDS",
            "Time for a disconnected worker to reconnect before its jobs are lost.",
            least=1,
            most=_YEAR,
        ),
    ] = 600.0

    allow_host: Annotated[
        tuple[str, ...], about(_ACCESS, "HOST", "Additional host name that the server answers to; repeatable.", HOST)
    ] = ()
    allow_origin: Annotated[
        tuple[str, ...], about(_ACCESS, "ORIGIN", "Origin of web pages that may use the server; repeatable.", ORIGIN)
    ] = ()
    tls_cert: Annotated[str, about(_ACCESS, "FILE", "Certificate chain in PEM; SIGHUP reloads it.", FILE)] = ""
    tls_key: Annotated[str, about(_ACCESS, "FILE", "Private key in PEM, if the certificate file has none.", FILE)] = ""
    insecure: Annotated[bool, about(_ACCESS, "", "Let other machines connect even without tokens and TLS.")] = False

    eta_engine: Annotated[
        Literal["model", "ema"],
        about(_DATA, "NAME", "Estimation engine: model (learns, and gives a range), or ema (moving averages)."),
    ] = "model"

    provider: Annotated[
        Literal["painter", "openai"],
        about(_PICTURES, "NAME", "Picture provider: painter (built in), or openai (an API compatible with OpenAI's)."),
    ] = "painter"
    painters: Annotated[int, about(_PICTURES, "N", "Number of pictures painted at once.", least=1, most=256)] = 4
    picture_size: Annotated[str, about(_PICTURES, "SIZE", "Width and height in pixels, each 64 to 8192.", SIZE)] = (
        "1024x1024"
    )
    max_picture_bytes: Annotated[
        int, about(_PICTURES, "BYTES", "Maximum size of a picture from a provider.", least=1024, most=2 * _GIB)
    ] = 33_554_432

    image_url: Annotated[
        str, about(_IMAGES, "URL", "Base address of the image API, such as https://api.openai.com/v1.", URL)
    ] = ""
    image_key: Annotated[
        str,
        about(
            _IMAGES,
            "KEY",
            "Secret of the image API; set PHASELINE_IMAGE_KEY to hide it from process lists.",
            KEY,
            secret=True,
        ),
    ] = ""
    image_model: Annotated[str, about(_IMAGES, "NAME", "Image model.")] = "gpt-image-1"
    allow_picture_host: Annotated[
        tuple[str, ...],
        about(_IMAGES, "HOST", "Host with a private address that pictures may come from; repeatable.", HOST),
    ] = ()
    image_timeout: Annotated[
        float, about(_IMAGES, "SECONDS", "Time-out of a request to the image API.", least=0.01, most=_DAY)
    ] = 120.0
    image_retries: Annotated[
        int, about(_IMAGES, "N", "Further attempts after a failed request.", least=0, most=100)
    ] = 4

    chat_url: Annotated[
        str, about(_CHAT, "URL", "Base address of the chat API, such as https://api.openai.com/v1.", URL)
    ] = ""
    chat_key: Annotated[
        str,
        about(
            _CHAT,
            "KEY",
            "Secret of the chat API; set PHASELINE_CHAT_KEY to hide it from process lists.",
            KEY,
            secret=True,
        ),
    ] = ""
    chat_model: Annotated[str, about(_CHAT, "NAME", "Chat model.")] = ""
    chat_timeout: Annotated[
        float, about(_CHAT, "SECONDS", "Time-out of a request to the chat API.", least=0.01, most=_DAY)
    ] = 30.0

    max_head: Annotated[
        int, _limit("BYTES", "Maximum size of a request line with its headers.", least=1024, most=_GIB)
    ] = 16_384
    max_body: Annotated[int, _limit("BYTES", "Maximum size of a request body.", least=1024, most=_GIB)] = 262_144
    max_message: Annotated[int, _limit("BYTES", "Maximum size of a WebSocket message.", least=1024, most=_GIB)] = 65_536
    max_fragments: Annotated[
        int, _limit("N", "Maximum number of fragments of a WebSocket message.", least=1, most=1_000_000)
    ] = 64
    max_depth: Annotated[int, _limit("N", "Maximum JSON nesting depth.", least=2, most=500)] = 16
    max_connections: Annotated[
        int, _limit("N", "Maximum number of connections, and separately of polling clients.", least=1, most=1_000_000)
    ] = 10_000
    max_per_address: Annotated[
        int,
        _limit("N", "Maximum number of connections per remote address; loopback is exempt.", least=1, most=1_000_000),
    ] = 256
    max_reports: Annotated[
        int, _limit("N", "Maximum number of reports per second with one token.", least=1, most=100_000_000)
    ] = 5000
    max_jobs: Annotated[int, _limit("N", "Maximum number of jobs in memory.", least=1, most=10_000_000)] = 10_000
    max_memory: Annotated[
        int,
        _limit(
            "BYTES",
            "Maximum memory: three quarters for jobs, one quarter for recent messages.",
            least=2**20,
            most=64 * _GIB,
        ),
    ] = 268_435_456
    max_phases: Annotated[int, _limit("N", "Maximum number of phases in a job.", least=1, most=MAX_PHASES)] = MAX_PHASES
    max_job_bytes: Annotated[
        int, _limit("BYTES", "Maximum size of each of a job's photo_info, errors and results.", least=1024, most=_GIB)
    ] = MAX_KEPT_BYTES
    history: Annotated[
        int, _limit("N", "Number of messages in memory for clients that resume.", least=0, most=100_000_000)
    ] = 10_000
    queue: Annotated[
        int, _limit("N", "Maximum number of messages queued for a subscriber.", least=1, most=10_000_000)
    ] = 1000
    queue_bytes: Annotated[
        int, _limit("BYTES", "Maximum size of the messages queued for a subscriber.", least=1024, most=_GIB)
    ] = 8_388_608
    answer_bytes: Annotated[
        int,
        _limit(
            "BYTES",
            "Maximum memory for lists, files and pictures that are being sent.",
            least=4_194_304,
            most=1024 * _GIB,
        ),
    ] = 67_108_864
    head_timeout: Annotated[float, _limit_s("Time-out of a request line with its headers.")] = 5.0
    auth_timeout: Annotated[float, _limit_s("Time for a WebSocket client to send its token.")] = 5.0
    write_timeout: Annotated[float, _limit_s("Time for a client to read 64 KiB, or less if less is waiting.")] = 10.0
    pong_timeout: Annotated[
        float, _limit_s("Ping interval; disconnect a client that does not answer before the next ping.")
    ] = 20.0
    idle_timeout: Annotated[float, _limit_s("Idle time-out between two requests on a connection.")] = 65.0

    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        about(_LOGGING, "LEVEL", "Lowest level to log: debug, info, warning or error."),
    ] = "info"
    log_format: Annotated[
        Literal["text", "json"], about(_LOGGING, "FORMAT", "Log format: text for users, json for programs.")
    ] = "text"

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height of `picture_size`."""
        width, height = self.picture_size.split("x")
        return int(width), int(height)

    def __repr__(self) -> str:
        """Show every value except secrets."""
        return f"Settings({', '.join(f'{name}={value}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return the same names and values for Rich."""
        return [(name, setting.display(getattr(self, name))) for name, setting in SETTINGS.items()]


SETTINGS = settings_of(Settings)
"""The settings by name, in the order of the help."""
