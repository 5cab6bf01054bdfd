"""Our own terminal while a command runs on a pseudo-terminal: raw, and every key passed on."""

import os
import select
import termios
import threading
import tty
from contextlib import suppress
from types import TracebackType
from typing import Self

from phaseline_cli.run.spawn import copy_size


class Terminal:
    """The user's terminal, passed through to a command."""

    def __init__(self, master: int) -> None:
        """Wrap standard input, which is a terminal.

        Args:
            master: our side of the command's pseudo-terminal.
        """
        self._master = master
        self._before = termios.tcgetattr(0)
        self._stop, self._stopping = os.pipe()
        self._thread = threading.Thread(target=self._copy, name="keys")

    def __enter__(self) -> Self:
        """Make the terminal raw and pass keys on."""
        self.pass_through()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back as it was."""
        os.close(self._stopping)
        self._thread.join()
        os.close(self._stop)
        self.give_back()

    def pass_through(self) -> None:
        """Switch the terminal to raw mode; the command's pseudo-terminal interprets the keys."""
        with suppress(termios.error):  # it was closed; SIGHUP comes
            tty.setraw(0, termios.TCSADRAIN)
        copy_size(0, self._master)

    def give_back(self) -> None:
        """Restore the terminal's settings, for the shell."""
        with suppress(termios.error):  # as above
            termios.tcsetattr(0, termios.TCSADRAIN, self._before)

    def resized(self) -> None:
        """Pass on the terminal's new size."""
        copy_size(0, self._master)

    def _copy(self) -> None:
        while True:
            ready, _, _ = select.select([0, self._stop], [], [])
            if self._stop in ready:
                return
            try:
                keys = os.read(0, 4096)
                if not keys:
                    return
                os.write(self._master, keys)
            except OSError:
                return
