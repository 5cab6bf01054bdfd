"""Start a command so that it behaves as it would without us, while its output can be read.

A stream of ours that is a terminal becomes a pseudo-terminal for the command; any other becomes a pipe. Standard input
is passed on untouched, unless it is the terminal too: then the command gets a session of its own with the
pseudo-terminal as its controlling terminal, so that Ctrl+C, Ctrl+Z, window sizes and full-screen programs work. A small
process leads that session. Without it, the command's process group would be orphaned, and the kernel would
drop Ctrl+Z.

This module loads nothing but the standard library, and forks before any thread exists.
"""

import errno
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NoReturn

from phaseline_cli.run.inject import Side

NOT_STARTED: Final = 125
NOT_EXECUTABLE: Final = 126
NOT_FOUND: Final = 127

OUT, ERR = 1, 2
PIPE: Final = 1 << 18
"""Bytes that a pipe holds."""
_OF_PYTHON: Final = (signal.SIGPIPE, getattr(signal, "SIGXFSZ", signal.SIGPIPE))
"""Signals that Python ignores; `exec` would keep them ignored."""
_OF_LEADER: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTOU)
"""Signals that the leader of a session ignores."""


class NotStarted(Exception):
    """The command can't be started."""

    def __init__(self, text: str, code: int) -> None:
        """Keep the exit code that shells and `env` give.

        Args:
            text: why, in words.
            code: 125, 126 or 127.
        """
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of the command's that is read."""

    name: str
    """`stdout`, `stderr`, `pty` or `side`."""
    source: int
    """The descriptor to read from."""
    target: int | None
    """Our own descriptor, where the bytes go; None: they are for us."""


@dataclass(slots=True)
class Child:
    """A running command."""

    pid: int
    """The process that we wait for: the command, or the leader of its session."""
    command: int
    """The command itself, which is also its process group in a session of its own."""
    own_session: bool
    streams: Sequence[Stream]
    master: int | None = None
    """Our side of the pseudo-terminal."""
    status: int | None = None
    """Where the leader of the session writes the command's wait status."""

    def send(self, number: int) -> None:
        """Send a signal to the command, or in a session of its own to its process group."""
        with suppress(ProcessLookupError):
            if self.own_session:
                os.killpg(self.command, number)
            else:
                os.kill(self.command, number)


def spawn(argv: Sequence[str], env: Mapping[str, str], *, pty: bool | None = None, side: Side | None = None) -> Child:
    """Start a command.

    Args:
        argv: the command; its first word is searched in PATH.
        env: its environment.
        pty: False: pipes, even for a terminal; True: a pseudo-terminal for standard output, even for a pipe.
        side: a pipe that the command gets as one more descriptor.

    Raises:
        NotStarted: it is not found, can't be executed, or there are no processes or descriptors left.
    """
    terminals = [fd for fd in (OUT, ERR) if os.isatty(fd)] if pty is not False else []
    if pty and OUT not in terminals:
        terminals.append(OUT)
    own_session = bool(terminals) and os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    opened: list[int] = [] if side is None else [side.writing, side.number]
    try:
        return _spawn(argv, env, terminals, opened, side, own_session=own_session)
    except OSError as error:
        raise NotStarted(f"{argv[0]} can't be started: {error.strerror}", NOT_STARTED) from error
    finally:
        for fd in opened:
            os.close(fd)


def _spawn(
    argv: Sequence[str],
    env: Mapping[str, str],
    terminals: Sequence[int],
    theirs: list[int],
    side: Side | None,
    *,
    own_session: bool,
) -> Child:
    """Fork; `theirs` collects the descriptors that only the child needs."""
    streams = [] if side is None else [Stream("side", side.reading, None)]
    replaced = {} if side is None else {side.number: side.writing}
    master: int | None = None
    if terminals:
        master, slave = os.openpty()
        theirs.append(slave)
        _make_alike(slave, terminals[0], interpret=own_session)
        replaced.update(dict.fromkeys(terminals, slave))
        if own_session:
            replaced[0] = slave
        streams.append(Stream("pty", master, terminals[0]))
    for fd, name in ((OUT, "stdout"), (ERR, "stderr")):
        if fd not in replaced and os.get_inheritable(fd):  # else it is closed
            reading, writing = os.pipe()
            _enlarge(writing)
            theirs.append(writing)
            replaced[fd] = writing
            streams.append(Stream(name, reading, fd))
    failed, failing = os.pipe()
    theirs.append(failing)
    if not own_session:
        pid = os.fork()
        if pid == 0:
            _exec(argv, env, replaced, failing)
        command, status = pid, None
    else:
        status, telling = os.pipe()
        theirs.append(telling)
        pid = os.fork()
        if pid == 0:
            for fd in (failed, status, *(stream.source for stream in streams)):
                os.close(fd)  # otherwise they would outlive this process
            _lead(argv, env, replaced, failing, telling)
        os.close(theirs.pop())
        command = struct.unpack("i", os.read(status, 4))[0]
    os.close(theirs.pop())
    _check(argv, os.read(failed, 4), pid)
    os.close(failed)
    return Child(pid, command, own_session, streams, master, status)


def _enlarge(pipe: int) -> None:
    """Let a pipe hold more, so that we take more with each read."""
    with suppress(OSError, AttributeError):  # the user may have too many pipes already; not on macOS
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE)


def _check(argv: Sequence[str], failure: bytes, pid: int) -> None:
    if not failure:
        return
    os.waitpid(pid, 0)
    number = struct.unpack("i", failure)[0]
    if number in (errno.ENOENT, errno.ENOTDIR):
        raise NotStarted(f"{argv[0]}: command not found", NOT_FOUND)
    raise NotStarted(f"{argv[0]} can't be executed: {os.strerror(number)}", NOT_EXECUTABLE)


def _make_alike(slave: int, ours: int, *, interpret: bool) -> None:
    """Give the pseudo-terminal the settings and the size of our terminal.

    Args:
        slave: the command's side.
        ours: our terminal, or what stands for it.
        interpret: whether the pseudo-terminal turns line feeds into line ends, as ours then doesn't.
    """
    if not os.isatty(ours):
        return
    settings = termios.tcgetattr(ours)
    if not interpret:
        settings[1] &= ~termios.OPOST
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    copy_size(ours, slave)


def copy_size(ours: int, theirs: int) -> None:
    """Copy a terminal's size; the kernel sends SIGWINCH to the programs on the other one."""
    with suppress(OSError):  # a terminal is closed, so its size no longer matters
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, fcntl.ioctl(ours, termios.TIOCGWINSZ, bytes(8)))


def _exec(argv: Sequence[str], env: Mapping[str, str], replaced: Mapping[int, int], failing: int) -> NoReturn:
    """Execute the command; called in the child."""
    try:
        for fd, source in replaced.items():
            os.dup2(source, fd)
        for number in _OF_PYTHON:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.execvpe(argv[0], list(argv), env)  # noqa: S606 # it is what the user asked for
    except OSError as error:
        os.write(failing, struct.pack("i", error.errno or 0))
    finally:
        os._exit(NOT_STARTED)


def _lead(
    argv: Sequence[str], env: Mapping[str, str], replaced: Mapping[int, int], failing: int, telling: int
) -> NoReturn:
    """Lead the command's session: start it, stop and continue with it, pass on how it ended."""
    try:
        os.setsid()
        fcntl.ioctl(replaced[0], termios.TIOCSCTTY, 0)
        # What was ignored before, as behind `trap '' INT`, stays ignored for the command.
        before = {number: signal.getsignal(number) == signal.SIG_IGN for number in (*_OF_LEADER, signal.SIGHUP)}
        for number in _OF_LEADER:
            signal.signal(number, signal.SIG_IGN)
        # When `phaseline run` ends, SIGHUP ends this leader, and the kernel then sends SIGHUP to the command.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        command = os.fork()
        if command == 0:
            os.close(telling)
            os.setpgid(0, 0)
            os.tcsetpgrp(replaced[0], os.getpid())
            for number, ignored in before.items():
                signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
            _exec(argv, env, replaced, failing)
        os.close(failing)
        os.write(telling, struct.pack("i", command))
        for fd in {*replaced, *replaced.values(), 0, 1, 2}:
            os.close(fd)
        while True:
            _, status = os.waitpid(command, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                os.write(telling, struct.pack("i", status))
                break
            os.kill(os.getpid(), signal.SIGSTOP)  # our parent waits for us, sees it, and continues us
    finally:
        os._exit(0)
