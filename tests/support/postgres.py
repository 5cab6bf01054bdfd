"""A real PostgreSQL server for tests, with a data directory, a port and a user of its own."""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.support.ports import free_port

__all__ = ["Postgres", "postgres_server"]

_numbers = itertools.count()
_START_S = 60
# Root may not run it.
_USER = "nobody" if os.geteuid() == 0 else None


def _found(program: str) -> str:
    """Return the path of a program; Debian's package leaves it out of the search path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(program, path=os.pathsep.join([os.environ["PATH"], *map(str, folders)])) or program


class Postgres:
    """A PostgreSQL server.

    Attributes:
        port: Its port on the loopback.
    """

    def __init__(self, folder: Path) -> None:
        """Create a database cluster in `folder`, which belongs to the user that runs the server."""
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "--no-sync")

    def _run(self, program: str, *arguments: str) -> None:
        command = [_found(program), "-D", str(self._folder / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=_USER, cwd=self._folder)

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        options = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self._folder),
            "max_connections": "50",
            "logging_collector": "off",
        }
        words = [f"--{name}={value}" for name, value in options.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_found("postgres"), "-D", str(self._folder / "data"), *words], stderr=log, user=_USER, cwd=self._folder
            )
        deadline = time.monotonic() + _START_S
        while True:
            try:
                self.query("SELECT 1")
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError((self._folder / "log").read_text()) from None
            else:
                return

    def stop(self, how: int = signal.SIGINT) -> None:
        """End it: cleanly and without waiting for clients; with SIGQUIT, as a crash would."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """Return the address of a database."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def query(self, text: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Return the rows of a query, which an administrator sends."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

    def set(self, **parameters: str) -> None:
        """Change parameters of the running server."""
        for name, value in parameters.items():
            self.query(f"ALTER SYSTEM SET {name} = '{value}'")
        self.query("SELECT pg_reload_conf()")

    def new_database(self) -> str:
        """Create a database that belongs to a role without other rights, and return its address."""
        name = f"log{next(_numbers)}"
        self.query(f"CREATE ROLE {name} LOGIN")
        self.query(f"CREATE DATABASE {name} OWNER {name}")
        return self.url(name, name)


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Run a PostgreSQL server for the length of the block."""
    # Not below pytest's directory, which only its own user may enter.
    folder = Path(tempfile.mkdtemp(prefix="phaseline-postgres-"))
    server = None
    try:
        if _USER is not None:
            shutil.chown(folder, _USER)
        server = Postgres(folder)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop(signal.SIGQUIT)  # at once, as nobody needs its files
        shutil.rmtree(folder)
