"""Real PostgreSQL servers for tests, each with its own data directory, port and user."""

import atexit
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import psycopg

from tests.support.ports import free_port

__all__ = ["USER", "Postgres", "postgres_folder", "postgres_server"]

_numbers = itertools.count()
_START_S = 60
# A cluster has a thousand files, and each database three hundred: in memory they cost a fifth of the processor time.
_MEMORY = Path("/dev/shm")  # noqa: S108 (mkdtemp creates a unique name in it)
_ROOM_BYTES = 4 * 2**30
_DATA = Path(__file__).resolve().parents[1] / "data"
# Root may not run it.
USER = "nobody" if os.geteuid() == 0 else None


def _found(program: str) -> str:
    """Return the path of a program; Debian's package does not add it to the search path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(program, path=os.pathsep.join([os.environ["PATH"], *map(str, folders)])) or program


def _run(program: str, *arguments: str, folder: Path) -> None:
    done = subprocess.run(
        [_found(program), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        user=USER,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode()


@cache
def _empty_cluster(arguments: tuple[str, ...]) -> Path:
    """Create an empty database cluster, of which servers get copies; `arguments` are those of `initdb`."""
    folder = _new_folder()
    atexit.register(shutil.rmtree, folder)
    usual = ("--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "--no-sync")
    _run("initdb", "-D", str(folder / "data"), *usual, *arguments, folder=folder)
    return folder / "data"


def _new_folder() -> Path:
    """Create a directory of the user that runs the servers."""
    # Not below pytest's directory, which only its own user may enter.
    roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES
    folder = Path(tempfile.mkdtemp(prefix="phaseline-postgres-", dir=_MEMORY if roomy else None))
    if USER is not None:
        shutil.chown(folder, USER)
    return folder


class Postgres:
    """A PostgreSQL server.

    Attributes:
        port: Its port on the loopback.
    """

    def __init__(self, folder: Path, **parameters: str) -> None:
        """Use the database cluster in `folder`, which belongs to the user that runs the server; then `create` it.

        Args:
            folder: The directory.
            parameters: Parameters that `create` configures; programs such as pg_rewind need them there too.
        """
        self.port = free_port()
        self._folder = folder
        self._parameters = parameters
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None

    def create(self, *arguments: str) -> None:
        """Create an empty database cluster; `arguments` are those of `initdb`."""
        _run("cp", "-R", str(_empty_cluster(arguments)), str(self._data), folder=self._folder)
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in self._parameters.items())

    def copy(self, primary: "Postgres") -> None:
        """Become a standby of `primary`: copy all that it has."""
        source = ("-d", f"host=127.0.0.1 port={primary.port} user=postgres")
        usual = ("-R", "-X", "stream", "-c", "fast", "--no-sync")
        _run("pg_basebackup", "-D", str(self._data), *usual, *source, folder=self._folder)

    def rewind(self, primary: "Postgres") -> None:
        """Become a standby of `primary`, which was promoted: undo what it does not have. This server is stopped."""
        primary.query("CHECKPOINT")  # so that its control file has the new timeline
        source = f"host=127.0.0.1 port={primary.port} user=postgres dbname=postgres"
        target = ("--target-pgdata", str(self._data))
        _run("pg_rewind", *target, "--source-server", source, "-R", "--no-sync", folder=self._folder)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

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
                [_found("postgres"), "-D", str(self._data), *words],
                stderr=log,
                user=USER,
                cwd=self._folder,
                start_new_session=True,  # so that `kill` finds all its processes
            )
        deadline = time.monotonic() + _START_S
        while True:
            try:
                self.query("SELECT 1")
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError((self._folder / "log").read_text()) from None
                time.sleep(0.02)
            else:
                return

    def stop(self, how: int = signal.SIGINT) -> None:
        """End it: cleanly and without waiting for clients; with SIGQUIT, as a crash would."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def kill(self) -> None:
        """End all its processes at once, as the loss of the machine does."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
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

    def new_database(self, options: str = "") -> str:
        """Create a database that belongs to a role without other rights, and return its address.

        Args:
            options: Further options of CREATE DATABASE.
        """
        name = f"log{next(_numbers)}"
        self.query(f"CREATE ROLE {name} LOGIN")
        self.query(f"CREATE DATABASE {name} OWNER {name} STRATEGY FILE_COPY {options}")
        return self.url(name, name)

    def require_password(self, user: str, password: str) -> None:
        """Require a password for the connections of a role."""
        self.query(f"ALTER ROLE {user} PASSWORD '{password}'")
        rules = self._data / "pg_hba.conf"
        rules.write_text(f"host all {user} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        self.query("SELECT pg_reload_conf()")

    def own(self, folder: Path) -> None:
        """Give a directory to the user that runs the server."""
        if USER is not None:
            shutil.chown(folder, USER)

    def old_log(self, version: int) -> str:
        """Create a database with a log that an old version wrote, and return its address."""
        url = self.new_database()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute((_DATA / f"postgres_v{version}.sql").read_bytes())
        return url


@contextmanager
def postgres_folder() -> Iterator[Path]:
    """Create a directory of the user that runs the servers, for the length of the block."""
    folder = _new_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def postgres_server(**parameters: str) -> Iterator[Postgres]:
    """Run a PostgreSQL server with these parameters for the length of the block."""
    with postgres_folder() as folder:
        server = Postgres(folder, **parameters)
        try:
            server.create()
            server.start()
            yield server
        finally:
            server.stop(signal.SIGQUIT)  # at once, because its files are no longer needed
