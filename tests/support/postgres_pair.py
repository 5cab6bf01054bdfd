"""A primary database server and its synchronous standby, each of which can fail, and the failover between them."""

import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.postgres import USER, Postgres, postgres_folder

__all__ = ["PostgresPair", "postgres_pair_of"]

_WAIT_S = 60
# A commit is acknowledged when a standby has it, or not at all: Patroni calls this strict.
_STRICT = {"synchronous_standby_names": "*", "wal_keep_size": "512MB"}


class PostgresPair:
    """Two database servers, of which one replicates the other.

    Attributes:
        primary: The server that accepts writes, or would if it ran.
        standby: The other one.
    """

    def __init__(self, primary: Postgres, standby: Postgres) -> None:
        """Create the databases of both, and start them."""
        self.primary, self.standby = primary, standby
        self._both = (primary, standby)
        self._promoted = False  # whether the other server still has to follow the primary
        primary.create("--data-checksums")  # which pg_rewind needs
        primary.start()
        standby.copy(primary)
        standby.start()
        self.wait_replicated()

    def new_database(self) -> str:
        """Create a database as `Postgres.new_database` does, and return its address at both servers."""
        url = self.primary.new_database()
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self._both)
        return url.replace(f"127.0.0.1:{self.primary.port}", hosts)

    def wait_replicated(self) -> None:
        """Wait until the standby replicates the primary synchronously, and has all that the primary has."""
        deadline = time.monotonic() + _WAIT_S
        ready = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND replay_lsn = pg_current_wal_lsn()"
        while not self.primary.query(ready):
            assert time.monotonic() < deadline, self.primary.query("SELECT * FROM pg_stat_replication")
            time.sleep(0.02)

    def fail_over(self) -> None:
        """Kill the primary, and promote its standby, which then waits for its own standby."""
        self.primary.kill()
        self.standby.query("SELECT pg_promote()")
        self.primary, self.standby = self.standby, self.primary
        self._promoted = True

    def rejoin(self) -> None:
        """Restart the former primary as the standby of the promoted server."""
        self.standby.rewind(self.primary)
        self.standby.start()
        self._promoted = False
        self.wait_replicated()

    def repair(self) -> None:
        """Start what does not run."""
        if not self.primary.running:
            self.primary.start()
        if self._promoted:
            self.rejoin()
        elif not self.standby.running:
            self.standby.start()
            self.wait_replicated()


@contextmanager
def postgres_pair_of(**parameters: str) -> Iterator[PostgresPair]:
    """Run a primary and a synchronous standby with these parameters for the length of the block."""
    with postgres_folder() as folder:
        servers = []
        for name in ("one", "other"):
            (folder / name).mkdir()
            if USER is not None:
                shutil.chown(folder / name, USER)
            servers.append(Postgres(folder / name, **(_STRICT | parameters)))
        try:
            yield PostgresPair(*servers)
        finally:
            for server in servers:
                server.stop(signal.SIGQUIT)
