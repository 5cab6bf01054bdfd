"""`phaseline try`: show the progress that an adapter reads from a log or a recording."""

import base64
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import click

from phaseline_cli.client.failures import Failure
from phaseline_cli.commands.adapters import all_adapters
from phaseline_cli.commands.options import adapter_name
from phaseline_cli.run.adapter import Adapter
from phaseline_cli.run.progress import Reading
from phaseline_cli.run.reader import End, Reader


def replay(
    file: BinaryIO, adapters: Mapping[str, Adapter], argv: Sequence[str], code: int | None, name: str | None
) -> Iterator[dict[str, Any]]:
    """Yield a JSON object for each change of progress, and one for the end.

    Args:
        file: A log as it was printed, or a recording (JSON lines, the first an object with `argv`).
        adapters: All adapters, by name.
        argv: The command; if empty, that of the recording.
        code: The exit code; None: that of the recording.
        name: The adapter to use; None: the one for the command.

    Raises:
        ValueError: A line of a recording is not `[seconds, stream, text]`.
    """
    first = file.readline()
    header = _header(first)
    interrupted = False
    if header is None:
        chunks: Iterator[tuple[float, str, bytes]] = _log(first, file)
    else:
        argv = argv or header["argv"]
        code = header.get("exit_code") if code is None else code
        interrupted = any(signal == "SIGINT" for _, signal in header.get("signals", ()))
        chunks = _recording(file)
    reader = Reader(adapters, argv, name)
    for time, stream, data in chunks:
        for at, reading in reader.feed(time, stream, data):
            yield _change(at, reading)
    before = reader.progress.now
    end = reader.end(code, interrupted=interrupted)
    if reader.progress.now != before:
        yield _change(reader.last, reader.progress.now)
    yield _end(end)


def _header(line: bytes) -> dict[str, Any] | None:
    try:
        header = json.loads(line)
    except ValueError:
        return None
    return header if isinstance(header, dict) and isinstance(header.get("argv"), list) else None


def _log(first: bytes, file: BinaryIO) -> Iterator[tuple[float, str, bytes]]:
    yield 0.0, "stdout", first
    while chunk := file.read(65536):
        yield 0.0, "stdout", chunk


def _recording(file: BinaryIO) -> Iterator[tuple[float, str, bytes]]:
    for row, line in enumerate(file, 2):
        if not line.strip():
            continue
        try:
            time, stream, text = json.loads(line)
            data = base64.b64decode(text["b64"]) if isinstance(text, dict) else text.encode()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"line {row} of the recording is not [seconds, stream, text]: {line[:80]!r}") from error
        yield float(time), str(stream), data


def _change(time: float, now: Reading) -> dict[str, Any]:
    return {
        "t": round(time, 3),
        "phase": now.phase,
        "fraction": now.fraction,
        "run": now.run,
        "done": now.done,
        "total": now.total,
        "text": now.text,
    }


def _end(end: End) -> dict[str, Any]:
    return {"end": True, "outcome": end.outcome, "error": end.error, "phases": list(end.phases)}


@click.command("try")
@click.option("--as", "name", metavar="NAME", callback=adapter_name, help="Adapter to use. [the one for --argv]")
@click.option("--argv", help="Command that wrote the log, as one shell string.")
@click.option("--exit", "code", type=int, help="Exit code of the --argv command, negative for a signal. [0]")
@click.argument("file", type=click.File("rb"))
def try_command(file: BinaryIO, name: str | None, argv: str | None, code: int | None) -> None:
    """Show what an adapter reads from FILE, a log file; - is standard input.

    Prints one JSON line for each change of progress, then one for the end.

    \b
        phaseline try --as rsync backup.log
        rsync -a --info=progress2 in/ out/ | phaseline try --as rsync -
    """  # noqa: D301 - click reads the backspace
    adapters = all_adapters()
    try:
        for found in replay(file, adapters, shlex.split(argv or ""), code, name):
            click.echo(json.dumps(found))
    except ValueError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise Failure(f"the log can't be read: {error.strerror}") from error
