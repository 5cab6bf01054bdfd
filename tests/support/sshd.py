"""A real sshd on loopback, with its own keys, for one test."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from getpass import getuser
from pathlib import Path

from tests.support.ports import free_port

__all__ = ["SSHD", "SshBox", "ssh_box"]

SSHD = "/usr/sbin/sshd"  # it insists on an absolute path


@dataclass
class SshBox:
    """A box that one can log in to.

    Attributes:
        folder: The folder of its keys.
        port: On which sshd listens.
        settings: Lines of sshd_config, besides ours; used at the next start.
    """

    folder: Path
    port: int = 0
    settings: list[str] = field(default_factory=list)
    _process: subprocess.Popen[str] | None = None

    def url(self, far: int | str) -> str:
        """Return the address of a server that listens on port `far` of the box, or on that socket."""
        where = f"?socket={far}" if isinstance(far, str) else f"/{far}"
        return f"ssh://{getuser()}@127.0.0.1:{self.port}{where}"

    @property
    def client(self) -> str:
        """The ssh command that has the box's key, knows its host key, and reads no user configuration."""
        known = f"-o UserKnownHostsFile={self.folder}/known_hosts -o GlobalKnownHostsFile=/dev/null"
        return f"ssh -F none -i {self.folder}/id -o IdentitiesOnly=yes {known} -o StrictHostKeyChecking=yes"

    def start(self) -> None:
        """Run sshd; returns when it listens."""
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.port = self.port or free_port()
        host_key = (self.folder / "host.pub").read_text().split()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {host_key[0]} {host_key[1]}\n")
        lines = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.folder}/host",
            f"AuthorizedKeysFile {self.folder}/id.pub",
            "StrictModes no",
            "UsePAM no",
            "PidFile none",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin yes",
            *self.settings,
        ]
        config = self.folder / "sshd_config"
        config.write_text("\n".join(lines) + "\n")
        self._process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        message = [self._process.stderr.readline()]
        assert "listening" in message[0], [*message, self._process.stderr.read()]

    def stop(self) -> None:
        """End sshd and every login, as if the box was down."""
        process = self._process
        if process is None:
            return
        for child in self._children(process.pid):
            subprocess.run(["kill", "-KILL", *map(str, [*self._children(child), child])], check=False)
        process.kill()
        process.communicate()
        self._process = None

    def _children(self, pid: int) -> list[int]:
        found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
        return [int(each) for each in found.stdout.split()]

    def clients(self) -> list[str]:
        """Return the command lines of the ssh clients, and of their guards, that have this box's key."""
        found = subprocess.run(["ps", "-wweo", "stat=,args="], capture_output=True, text=True, check=True).stdout
        return [line for line in found.splitlines() if f"{self.folder}/id" in line and not line.startswith("Z")]


@contextmanager
def ssh_box(folder: Path, *settings: str) -> Iterator[SshBox]:
    """Run a box for the length of the block."""
    folder.mkdir(exist_ok=True)
    for name in ("host", "id"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    box = SshBox(folder, settings=list(settings))
    box.start()
    try:
        yield box
    finally:
        box.stop()
