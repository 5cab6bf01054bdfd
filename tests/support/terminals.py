"""Commands run to their end, through pipes or in their own terminals."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["Ended", "in_pipes", "in_terminal"]

_PATIENCE_S = 120


class Ended(NamedTuple):
    """How a command ended.

    Attributes:
        code: Its exit code, negative for a signal.
        printed: What it wrote; through pipes, standard output and then standard error.
    """

    code: int
    printed: bytes


def in_pipes(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Ended:
    """Run a command without a terminal."""
    done = subprocess.run(
        argv, cwd=cwd, env=env, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PATIENCE_S, check=False
    )
    return Ended(done.returncode, done.stdout + done.stderr)


def in_terminal(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Ended:
    """Run a command in a terminal of 100x30, which is its controlling one."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    # setsid -c makes the terminal the controlling one of a new session.
    command = ["setsid", "-c", "-w", *argv]
    with subprocess.Popen(command, cwd=cwd, env=env, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        printed = bytearray()
        while True:
            try:
                piece = os.read(master, 65_536)
            except OSError:  # the end of a pseudo-terminal is EIO
                break
            printed += piece
        code = process.wait(_PATIENCE_S)
    os.close(master)
    return Ended(code, bytes(printed))
