"""Reports of what the progress bars of Python libraries count, from inside of a program, to `phaseline run`.

It is loaded when the program imports such a library. It never raises, never blocks, and changes nothing that the
library does. It is written for Python 3.7, because the program may run an old Python.
"""


class Process:
    """The process that has the pipe; forked children are silent."""

    number = -1
    """The pipe's descriptor."""
    inode = -1
    """The pipe's inode, to recognize the pipe."""
    pid = -1


def set_up(hook: str, pid: int) -> None:
    """Keep what `phaseline run` has sent.

    Args:
        hook: the pipe's descriptor and inode: `9:1234`.
        pid: the process that began with it.
    """
    number, _, inode = hook.partition(":")
    Process.number, Process.inode, Process.pid = int(number), int(inode), pid
