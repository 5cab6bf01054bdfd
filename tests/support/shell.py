"""A real shell in a real pseudo-terminal, for tests of keys, job control and window sizes."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

PROMPT = "ready> "
PATIENCE_S = 60.0


class Shell:
    """bash with job control, whose output is recorded."""

    def __init__(self, pid: int, fd: int) -> None:
        self.pid = pid
        self.fd = fd
        self.printed = ""
        self._seen = 0

    def type(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait until something new that matches is printed."""
        until = time.monotonic() + PATIENCE_S
        while (match := re.compile(pattern).search(self.printed, self._seen)) is None:
            ready, _, _ = select.select([self.fd], [], [], max(0.0, until - time.monotonic()))
            assert ready, f"{pattern!r} is not in {self.printed[self._seen :]!r}"
            self.printed += os.read(self.fd, 65536).decode(errors="replace")
        self._seen = match.end()
        return match

    def run(self, command: str) -> str:
        """Run a command to its end, up to the next prompt; return what it printed and then its exit code.

        Before the prompt, the terminal would echo what is typed, and the shell would print it again.
        """
        self.type(f"{command}; echo code=$?=\n")
        begin = self._seen
        end = self.expect(r"code=\d+=\r?\n").end()
        self.expect(PROMPT)
        return self.printed[begin:end].split("\n", 1)[1]

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@contextmanager
def shell(env: Mapping[str, str]) -> Iterator[Shell]:
    """Run a shell for the length of the block, in a terminal of 100x30."""
    pid, fd = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a build machine may ignore it
        os.execvpe(  # noqa: S606 # its own tests need no other
            "bash", ["bash", "--norc", "--noprofile", "-i"], {**env, "PS1": PROMPT, "TERM": "xterm"}
        )
    here = Shell(pid, fd)
    try:
        here.resize(30, 100)
        here.expect(PROMPT)
        here.type("bind 'set enable-bracketed-paste off'\n")
        here.expect(PROMPT)
        yield here
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(fd)
