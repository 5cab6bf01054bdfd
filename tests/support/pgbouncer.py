"""A real pgbouncer in front of a PostgreSQL server."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.support.ports import free_port
from tests.support.postgres import USER, Postgres

__all__ = ["pooled"]

_START_S = 60


@contextmanager
def pooled(server: Postgres, folder: Path, mode: str) -> Iterator[int]:
    """Pool the connections of `server` for the length of the block, and yield the pool's port.

    Args:
        server: The database server.
        folder: A directory of the user that runs the server.
        mode: `session` or `transaction`.
    """
    port = free_port()
    users = folder / "users"
    users.write_text("".join(f'"{name}" ""\n' for (name,) in server.query("SELECT rolname FROM pg_roles")))
    settings = folder / f"{mode}.ini"
    settings.write_text(
        f"[databases]\n* = host=127.0.0.1 port={server.port}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\n"
        f"auth_file = {users}\npool_mode = {mode}\n"
    )
    with subprocess.Popen(["pgbouncer", "-q", str(settings)], user=USER, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + _START_S
            while True:
                try:
                    psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres").close()
                    break
                except psycopg.OperationalError:
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
            yield port
        finally:
            process.kill()
