"""The program that forks `progress-tui` for `tests.support.forked`, in terminals; see `tests.support.fork_server`."""

import gc
import os
import signal
import socket
import sys

from tests.support.fork_server import fork_at_each_request, run


def _in_a_terminal() -> None:
    """Begin a session, and reopen the standard streams, because those of the fork server are no terminal."""
    os.setsid()
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        stream = os.fdopen(number, mode, encoding="utf-8", closefd=False)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


if __name__ == "__main__":
    del sys.path[0]  # the directory of the tests
    import phaseline_tui.app.app
    import phaseline_tui.cli.command  # noqa: F401 (the program imports both when it needs them)
    from phaseline_tui.cli.program import main
    from phaseline_tui.terminal import graphics

    # Three seconds are enough for terminals, and not for tests on a busy machine.
    graphics._ANSWER_TIMEOUT_S = 60.0  # type: ignore[misc]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the tests end their processes
    gc.freeze()  # a collection in a child would copy the memory that it shares
    fork_at_each_request(socket.socket(fileno=int(sys.argv[1])))
    _in_a_terminal()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run(main)
