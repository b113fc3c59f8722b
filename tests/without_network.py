"""Runs a command in which every process that asks the kernel for a socket of a network is killed by SIGSYS.

    python -P without_network.py COMMAND ...

A seccomp filter does it: it needs no privilege, holds for whatever the command starts, and sees native code as well.
Sockets of the file system (AF_UNIX) pass; the line to a worker is one.
"""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import struct
import sys

_SYSTEM_CALLS = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""By processor: how the kernel names it, and the number of `socket`."""

_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def forbid_network() -> None:
    """Put the filter on this process and on all that it starts."""
    processor, call = _SYSTEM_CALLS[platform.machine()]
    steps = [
        (_LOAD, 0, 0, 4),  # the kind of processor that the call was made for
        (_EQUAL, 0, 4, processor),
        (_LOAD, 0, 0, 0),  # the number of the call
        (_EQUAL, 0, 3, call),
        (_LOAD, 0, 0, 16),  # its first argument, the family
        (_EQUAL, 1, 0, socket.AF_UNIX),
        (_RETURN, 0, 0, _KILL),
        (_RETURN, 0, 0, _ALLOW),
    ]
    content = b"".join(struct.pack("=HBBI", *step) for step in steps)
    program = _Program(length=len(steps), instructions=content)
    system = ctypes.CDLL(None, use_errno=True)
    for words in ((_NO_NEW_PRIVILEGES, 1, 0, 0, 0), (_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)):
        if system.prctl(*words):
            raise OSError(ctypes.get_errno(), "the kernel takes no filter")


if __name__ == "__main__":
    forbid_network()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - the command of the test, without a shell
