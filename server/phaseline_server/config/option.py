"""The definition of one setting: name, type, bounds and help, and the conversion of its values."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import inspect

from phaseline.client.address import Address
from phaseline.errors import ConfigError
from phaseline_server.config.bind import ALLOWED as ALLOWED_BIND
from phaseline_server.config.bind import parse_bind
from phaseline_server.config.log_address import ALLOWED as ALLOWED_LOG
from phaseline_server.config.log_address import hide_password, parse_log_address

__all__ = [
    "BIND",
    "DIRECTORY",
    "FILE",
    "HOST",
    "KEY",
    "LOG",
    "ORIGIN",
    "SERVER",
    "SIZE",
    "URL",
    "Check",
    "Setting",
    "about",
    "settings_of",
]

_SMALLEST_SIDE = 64
_LARGEST_SIDE = 8192


class Check(NamedTuple):
    """The format of a string setting."""

    parse: Callable[[str], str]
    """Returns the normalized string; raises ValueError if it is not allowed."""
    allowed: str
    """The allowed format, for error texts."""
    hide: Callable[[str], str] = str
    """Returns the string without its secret part, for output."""


def _bind(text: str) -> str:
    return str(parse_bind(text))


def _directory(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError(text)
    try:
        return str(Path(text).expanduser())
    except RuntimeError as error:  # no such user
        raise ValueError(text) from error


def _file(text: str) -> str:
    return _directory(text) if text else text


def _host(text: str) -> str:
    # A host is allowed with any port: the port is not a secret, so checking it would protect nothing.
    host = text.strip().lower().removesuffix(".")
    return str(parse_bind(f"{host}:0").host)


def _origin(text: str) -> str:
    parts = urlsplit(text)
    whole = parts.scheme in {"http", "https"} and parts.hostname and text == f"{parts.scheme}://{parts.netloc}"
    if text != "null" and (not whole or "@" in text or not text.isprintable() or text != text.lower()):
        raise ValueError(text)
    return text


def _size(text: str) -> str:
    sides = text.lower().split("x")
    width, height = (int(side) if side.isascii() and side.isdecimal() else 0 for side in sides)
    if not _SMALLEST_SIDE <= min(width, height) <= max(width, height) <= _LARGEST_SIDE:
        raise ValueError(text)
    return f"{width}x{height}"


def _url(text: str) -> str:
    parts = urlsplit(text)
    whole = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    if text and (not whole or "@" in parts.netloc or " " in text or not text.isprintable()):
        raise ValueError(text)
    return text


def _server(text: str) -> str:
    """Return the URL of a server as users open it: with http, and without the path of its WebSocket."""
    text = text.strip()
    if not text:
        return text
    try:
        address = Address.parse(text)
    except ConfigError as error:
        raise ValueError(text) from error
    return f"{'https' if address.tls else 'http'}://{address.authority}{address.path.removesuffix('/ws')}"


def _key(text: str) -> str:
    if not all("!" <= character <= "~" for character in text.strip()):
        raise ValueError(text)
    return text.strip()


BIND = Check(_bind, ALLOWED_BIND)
DIRECTORY = Check(_directory, "the path of a directory")
FILE = Check(_file, "the path of a file")
HOST = Check(_host, "a host name or IP address (IPv6 in brackets) without a port, e.g. box.example.org")
LOG = Check(parse_log_address, ALLOWED_LOG, hide_password)
KEY = Check(_key, "printable ASCII without spaces")
ORIGIN = Check(_origin, "an origin as browsers send it, e.g. https://dash.example.org or http://box:3000, or null")
SERVER = Check(_server, "http://host:port, https://host/path, ws://…, wss://… or host:port")
SIZE = Check(_size, f"WIDTHxHEIGHT in pixels, each {_SMALLEST_SIDE} to {_LARGEST_SIDE}, e.g. 1024x1024")
URL = Check(_url, "an http or https URL without user and password, e.g. https://api.openai.com/v1")


def about(
    group: str,
    metavar: str,
    text: str,
    check: Check | None = None,
    *,
    secret: bool = False,
    least: float | None = None,
    most: float | None = None,
) -> msgspec.Meta:
    """Return the annotation of a setting's type.

    Args:
        group: Its heading in `--help`.
        metavar: The placeholder of its value in `--help`; empty for a switch.
        text: Its help.
        check: The format of a string.
        secret: Whether to hide its value.
        least: The lowest allowed value.
        most: The highest allowed value.
    """
    extra = {"group": group, "metavar": metavar, "check": check, "secret": secret}
    return msgspec.Meta(description=text, ge=least, le=most, extra=extra)


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting. The values of `secret` settings are never shown."""

    name: str
    hint: Any
    type: inspect.Type
    default: Any
    help: str
    group: str
    metavar: str
    check: Check | None
    secret: bool

    @property
    def flag(self) -> str:
        """Its name on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return "PHASELINE_" + self.name.upper()

    @property
    def several(self) -> bool:
        """Whether its value is a list."""
        return isinstance(self.type, inspect.VarTupleType)

    @property
    def allowed(self) -> str:
        """A description of its allowed values."""
        match self.type:
            case inspect.BoolType():
                return "true or false"
            case inspect.IntType(ge=least, le=most):
                return f"an integer from {least} to {most}{' bytes' if self.metavar == 'BYTES' else ''}"
            case inspect.FloatType(ge=least, le=most):
                return f"{self.display(least)} to {self.display(most)} seconds"
            case inspect.LiteralType():
                return " or ".join(get_args(get_args(self.hint)[0]))  # msgspec sorts them; this keeps their order
        return self.check.allowed if self.check else "a text"

    def convert(self, raw: object) -> Any:
        """Return `raw`, a string or a TOML value, as a value of this setting's type.

        A list may be a string separated by commas.

        Raises:
            ValueError: The value is not allowed. `allowed` describes the allowed ones.
        """
        if self.several and isinstance(raw, str):
            raw = raw.split(",")
        value = msgspec.convert(raw, self.hint, strict=False)
        if self.several and not value:
            raise ValueError(raw)
        if self.check is None:
            return value
        return tuple(self.check.parse(one) for one in value) if self.several else self.check.parse(value)

    def display(self, value: Any) -> str:
        """Return `value` as one printable line; for a secret, only whether it is set."""
        if self.secret:
            return "set (hidden)" if value else "not set"
        match value:
            case bool():
                return "true" if value else "false"
            case float():
                return str(int(value)) if value.is_integer() else str(value)
            case tuple():
                text = ", ".join(value)
            case _:
                text = self.check.hide(str(value)) if self.check else str(value)
        return (text if text.isprintable() else ascii(text)) or "not set"


def settings_of(struct: type[msgspec.Struct]) -> Mapping[str, Setting]:
    """Return the settings described by the fields of `struct`, which are annotated with `about`, in order."""
    hints = get_type_hints(struct, include_extras=True)
    found = {}
    for field in msgspec.structs.fields(struct):
        described = inspect.type_info(hints[field.name])
        assert isinstance(described, inspect.Metadata)  # noqa: S101 (every field has its `about`)
        assert described.extra is not None  # noqa: S101
        assert described.extra_json_schema is not None  # noqa: S101
        found[field.name] = Setting(
            name=field.name,
            hint=hints[field.name],
            type=described.type,
            default=field.default,
            help=described.extra_json_schema["description"],
            **described.extra,
        )
    return found
