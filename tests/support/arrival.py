"""Waiting for data on loopback, which usually arrives during the send, but later on a busy machine."""

import fcntl
import struct
import termios

import trio
from trio.testing import wait_all_tasks_blocked

__all__ = ["wait_arrived", "wait_read"]


async def wait_arrived(stream: trio.SocketStream) -> None:
    """Wait until the other side of `stream` has received all that was sent, or its task has read it."""
    while struct.unpack("i", fcntl.ioctl(stream.socket.fileno(), termios.TIOCOUTQ, bytes(4))) != (0,):
        await trio.lowlevel.checkpoint()


async def wait_read(stream: trio.SocketStream) -> None:
    """Wait until the other side of `stream`, which is in this process too, has read all that was sent, and waits."""
    await wait_arrived(stream)
    await wait_all_tasks_blocked()
