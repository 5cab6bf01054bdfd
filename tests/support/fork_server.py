"""The program that forks others for `tests.support.forked`, after the imports that take most of their start.

Each request is a message on the socket with the descriptor in the argument: JSON, with the standard streams of the new
process and a pipe for its exit code. The answer is the id of the process, with its pidfd. All processes are killed when
the socket is closed.
"""

import atexit
import gc
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

LARGEST_REQUEST = 2**17
STREAMS = 3


class _Children(selectors.PollSelector):
    """Waits for requests and for the ends of processes; the data of a process is the pipe for its exit code.

    Not epoll, which is shared with forked processes: descriptors that they close would no longer be watched here.
    """

    def add(self, pid: int, exit_code: int) -> int:
        """Follow a process, and return its pidfd."""
        pidfd = os.pidfd_open(pid)
        self.register(pidfd, selectors.EVENT_READ, exit_code)
        return pidfd

    def ended(self, key: selectors.SelectorKey) -> None:
        """Report the exit code of a process that has ended, negative for a signal."""
        end = os.waitid(os.P_PIDFD, key.fd, os.WEXITED)
        assert end is not None
        code = end.si_status if end.si_code == os.CLD_EXITED else -end.si_status
        with suppress(BrokenPipeError):  # the test has ended without waiting for it
            os.write(key.data, str(code).encode())
        self._forget(key)

    def kill(self) -> None:
        """Kill all processes."""
        for key in self._processes():
            signal.pidfd_send_signal(key.fd, signal.SIGKILL)

    def forget(self) -> None:
        """Close the descriptors of all processes, in a new process."""
        for key in self._processes():
            self._forget(key)
        self.close()

    def _processes(self) -> list[selectors.SelectorKey]:
        return [key for key in self.get_map().values() if key.data is not None]

    def _forget(self, key: selectors.SelectorKey) -> None:
        self.unregister(key.fd)
        os.close(key.fd)
        os.close(key.data)


def fork_at_each_request(control: socket.socket) -> str:
    """Fork for each request; in the new process, return the program to run."""
    children = _Children()
    children.register(control, selectors.EVENT_READ)
    while True:
        for key, _ in children.select():
            if key.data is not None:
                children.ended(key)
                continue
            message, files, *_ = socket.recv_fds(control, LARGEST_REQUEST, STREAMS + 1)
            if not message:
                children.kill()
                sys.exit()
            *streams, exit_code = files
            pid = os.fork()
            if pid == 0:
                children.forget()
                control.close()
                os.close(exit_code)
                return _prepare(json.loads(message), streams)
            for stream in streams:
                os.close(stream)
            socket.send_fds(control, [str(pid).encode()], [children.add(pid, exit_code)])


def _prepare(request: dict[str, Any], streams: list[int]) -> str:
    """Give this process the arguments, the environment, the directory and the streams of a request."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    sys.argv = [request["program"], *request["arguments"]]
    return str(request["program"])


def run(program: Callable[[], None]) -> NoReturn:
    """Run a program, and end as the interpreter would, but without taking apart each module of the fork server."""
    code: object = 1
    try:
        program()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001 (as the interpreter)
        sys.excepthook(*sys.exc_info())
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    del sys.path[0]  # the directory of the tests
    import phaseline_cli.program
    import phaseline_server.cli.commands
    import phaseline_server.runtime.server  # noqa: F401 (the commands import it when they need it)
    from phaseline_server.cli.program import main
    from phaseline_server.http.routes import page
    from phaseline_server.pictures import studio

    for name, (module, _) in phaseline_cli.program.COMMANDS.items():
        if name not in {"serve", "tui"}:
            import_module(f"phaseline_cli.commands.{module}")
    page._documents()
    studio._tls()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the tests end their processes
    gc.freeze()  # a collection in a child would copy the memory that it shares
    chosen = fork_at_each_request(socket.socket(fileno=int(sys.argv[1])))
    if chosen == "phaseline":
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # as its module does when it is imported
        run(phaseline_cli.program.main)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run(main)
