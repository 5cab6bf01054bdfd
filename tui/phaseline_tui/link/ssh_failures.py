"""Error texts for ssh: what ssh prints, what it means, and what the user can do."""

from collections.abc import Sequence
from typing import Final

from phaseline.text import one_line
from phaseline_tui.model.address import ServerAddress, SshTarget
from phaseline_tui.model.failures import LinkError

__all__ = ["ssh_failed", "ssh_refused"]

_PROBLEMS: Final = (
    # Part of ssh's output in lower case; the text for the user; whether only the user can fix it.
    ("remote host identification has changed", "its host key has changed: find out why, then run `{command}`", True),
    ("host key verification failed", "its host key is unknown: run `{command}` once to accept it", True),
    (
        "permission denied",
        "no key was accepted, and progress-tui can't ask for a password: use ssh-add or ssh-copy-id",
        True,
    ),
    ("too many authentication failures", "it rejected every key: set IdentityFile in ~/.ssh/config", True),
    ("unprotected private key file", "others can read your private key: set its mode to 0600", True),
    ("could not resolve hostname", "host name {host} not found: check the spelling and the network", False),
    ("connection refused", "connection refused: check that sshd runs there, on this port", False),
    ("no route to host", "no route to the host: check the network", False),
    ("network is unreachable", "network unreachable: check the network", False),
    ("connection timed out", "it does not answer: check the address and the firewall", False),
    ("timed out", "it does not answer: check the address and the firewall", False),
    ("could not request local forwarding", "a forward in ~/.ssh/config needs a local port that is in use", True),
    ("bad configuration option", "~/.ssh/config has an option that ssh does not know", True),
)


def ssh_failed(server: ServerAddress, target: SshTarget, output: Sequence[str], *, in_time: bool) -> LinkError:
    """Return the error for an ssh command that opened no forward.

    Args:
        server: Server to reach.
        target: SSH login to reach it through.
        output: Last lines that ssh wrote.
        in_time: Whether ssh ended by itself, not by the time-out.
    """
    text = "\n".join(output).casefold()
    for words, meaning, final in _PROBLEMS:
        if words in text:
            advice = meaning.format(command=target.command, host=target.host)
            return LinkError(f"ssh to {target.login}: {advice}", final=final)
    if not in_time:
        return LinkError(
            f"ssh to {target.login}: login timed out; check that `{target.command}` logs in without a prompt"
        )
    last = one_line(output[-1], 200) if output else "it exited without output"
    return LinkError(f"{server.url}: ssh: {last}")


def ssh_refused(server: ServerAddress, target: SshTarget, output: Sequence[str]) -> LinkError:
    """Return the error for a connection through the forward that ended at once; for the arguments see `ssh_failed`."""
    text = "\n".join(output).casefold()
    if "prohibited" in text:
        return LinkError(
            f"{target.login} does not allow forwarding to {target.far}: check AllowTcpForwarding there", final=True
        )
    if "refused" in text or "no such file" in text or "open failed" in text:
        return LinkError(f"no server at {target.far} on {target.host}: start one there with progress-server")
    return ssh_failed(server, target, output, in_time=True)
