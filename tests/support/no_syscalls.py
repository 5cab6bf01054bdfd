"""Proof that a stretch of code makes no system call: the kernel ends the process at the first one.

A seccomp filter, for the calling thread alone, that only allows the end of the process.
"""

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Callable
from typing import Any, NoReturn

__all__ = ["PROVED", "UNAVAILABLE", "prove"]

PROVED = 42
UNAVAILABLE = 77

_EXIT_GROUP = {"x86_64": 231, "aarch64": 94}
_NO_NEW_PRIVS, _SECCOMP, _MODE_FILTER = 38, 22, 2
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _KILL_PROCESS = 0x7FFF0000, 0x80000000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def prove(code: Callable[[], Any]) -> NoReturn:
    """Call `code`, and end the process: with PROVED, or UNAVAILABLE, or, at a system call, by the signal SIGSYS.

    Other threads may be ready to run meanwhile; a switch to them would make system calls that are not the code's, so
    it is prevented.
    """
    number = _EXIT_GROUP.get(platform.machine())
    if number is None or sys.platform != "linux":
        os._exit(UNAVAILABLE)
    instructions = (
        (_LOAD, 0, 0, 0),
        (_JUMP_EQUAL, 0, 1, number),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _KILL_PROCESS),
    )
    packed = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in instructions))
    program = ctypes.byref(_Program(len(instructions), ctypes.addressof(packed)))
    prctl, leave = ctypes.CDLL(None).prctl, os._exit
    sys.setswitchinterval(1000)
    if prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or prctl(_SECCOMP, _MODE_FILTER, program, 0, 0):
        leave(UNAVAILABLE)
    code()
    leave(PROVED)
