"""Why ssh did not bring us to a server, in words: from what it writes to what a person can do about it."""

from collections.abc import Sequence
from typing import Final

from phaseline.text import one_line
from phaseline_tui.model.address import ServerAddress, SshTarget
from phaseline_tui.model.failures import Ended

__all__ = ["ssh_failed", "ssh_refused"]

_SEVERAL: Final = (
    # What ssh says, in lower case; what it means; whether only a person can change it.
    ("remote host identification has changed", "its key is another than before: check why, then `{command}`", True),
    ("host key verification failed", "its key is not known yet, and nothing is asked here: run `{command}` once", True),
    (
        "permission denied",
        "it wants a password or another key, and nothing is asked here: ssh-add your key, or ssh-copy-id it there",
        True,
    ),
    ("too many authentication failures", "it refused every key: name the right one in ~/.ssh/config", True),
    ("unprotected private key file", "ssh finds your key's file open to others: chmod 600 it", True),
    ("could not resolve hostname", "the name {host} is not known: check the spelling and the network", False),
    ("connection refused", "no sshd answers there: is it running, and on this port?", False),
    ("no route to host", "there is no way to it: check the network", False),
    ("network is unreachable", "there is no way to it: check the network", False),
    ("connection timed out", "it does not answer; is a firewall between?", False),
    ("timed out", "it does not answer; is a firewall between?", False),
    ("could not request local forwarding", "a forward in ~/.ssh/config takes a port that is taken here already", True),
    ("bad configuration option", "ssh stumbles over ~/.ssh/config", True),
)


def ssh_failed(server: ServerAddress, target: SshTarget, said: Sequence[str], *, in_time: bool) -> Ended:
    """Say why there was no forward.

    Args:
        server: whom to reach.
        target: through which login.
        said: the last lines that ssh wrote.
        in_time: whether ssh ended by itself; otherwise it took too long.
    """
    text = "\n".join(said).casefold()
    for words, meaning, final in _SEVERAL:
        if words in text:
            advice = meaning.format(command=target.command, host=target.host)
            return Ended(f"ssh to {target.login}: {advice}", final=final)
    if not in_time:
        return Ended(f"ssh to {target.login}: it takes too long; does `{target.command}` log in without a question?")
    last = one_line(said[-1], 200) if said else "it ended without a word"
    return Ended(f"{server.url}: ssh: {last}")


def ssh_refused(server: ServerAddress, target: SshTarget, said: Sequence[str]) -> Ended:
    """Say why a connection through the forward ended at once; for the arguments see `ssh_failed`."""
    text = "\n".join(said).casefold()
    if "prohibited" in text:
        return Ended(f"{target.login} allows no forwarding to {target.far}: see AllowTcpForwarding there", final=True)
    if "refused" in text or "no such file" in text or "open failed" in text:
        return Ended(f"no server at {target.far} of {target.host}: start one there with progress-server")
    return ssh_failed(server, target, said, in_time=True)
