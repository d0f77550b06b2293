"""What a worker process gives up before it runs anybody's script.

The engine is the wall; this is the ditch behind it. The kernel bounds memory, files and core
dumps, and refuses every system call that computing does not need. The filter is a classic BPF
program given to ``prctl``; seccomp(2) describes the data it reads.
"""

import ctypes
import os
import resource
import signal
import struct
import sys
from typing import Final

from node.sandbox.errors import SandboxBroken

_DATA_BYTES: Final = 512 * 1024 * 1024
_ADDRESS_BYTES: Final = 16 * 1024 * 1024 * 1024
"""The engine sets 4 GiB of addresses aside for each memory."""
_OPEN_FILES: Final = 64

_SET_PARENT_DEATH_SIGNAL: Final = 1
_SET_SECCOMP: Final = 22
_SET_NO_NEW_PRIVILEGES: Final = 38
_FILTER: Final = 2

_LOAD_WORD: Final = 0x20
_JUMP_EQUAL: Final = 0x15
_JUMP_AT_LEAST: Final = 0x35
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050001
"""EPERM to the caller, which ends the worker if it needed the call."""
_KILL: Final = 0x80000000
_ARCHITECTURE_AT: Final = 4
_X32_BIT: Final = 0x40000000

_AUDIT: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# fmt: off
_NUMBERS: Final = {
    # read, write, readv, writev, close, fstat, lseek, mmap, mprotect, munmap, mremap, madvise,
    # brk, rt_sigaction, rt_sigprocmask, rt_sigreturn, sigaltstack, futex, sched_yield,
    # sched_getaffinity, clock_gettime, clock_nanosleep, gettimeofday, nanosleep, getpid, gettid,
    # getrandom, exit, exit_group, restart_syscall, rseq, poll, ppoll, membarrier, getrusage
    "x86_64": (0, 1, 19, 20, 3, 5, 8, 9, 10, 11, 25, 28, 12, 13, 14, 15, 131, 202, 24, 204, 228,
               230, 96, 35, 39, 186, 318, 60, 231, 219, 334, 7, 271, 324, 98),
    "aarch64": (63, 64, 65, 66, 57, 80, 62, 222, 226, 215, 216, 233, 214, 134, 135, 139, 132, 98,
                124, 123, 113, 115, 169, 101, 172, 178, 278, 93, 94, 128, 293, 73, 283, 165),
}
# fmt: on


def confine() -> None:
    """Give up what a run does not need; once, when everything is loaded.

    Raises SandboxBroken when the kernel refuses, rather than go on without a wall. On a system
    other than Linux on these processors only the limits hold.
    """
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_DATA, _DATA_BYTES),
        (resource.RLIMIT_AS, _ADDRESS_BYTES),
    ):
        resource.setrlimit(limit, (value, value))
    machine = os.uname().machine
    if sys.platform != "linux" or machine not in _NUMBERS:
        return
    _prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0)
    _prctl(_SET_NO_NEW_PRIVILEGES, 1, 0)
    program = _program(machine)
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    pointer = ctypes.create_string_buffer(header, len(header))
    _prctl(_SET_SECCOMP, _FILTER, ctypes.addressof(pointer))


def _prctl(option: int, first: int, second: int) -> None:
    call = ctypes.CDLL(None, use_errno=True).prctl
    if call(option, *map(ctypes.c_ulong, (first, second, 0, 0))):
        raise SandboxBroken(problem=f"prctl({option}) failed with {ctypes.get_errno()}")


def _program(machine: str) -> bytes:
    """Another architecture: the end. A number on the list: go on. Any other: refused."""
    allowed = _NUMBERS[machine]
    steps = [
        (_LOAD_WORD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_EQUAL, 1, 0, _AUDIT[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD_WORD, 0, 0, 0),
        (_JUMP_AT_LEAST, len(allowed), 0, _X32_BIT),
        *((_JUMP_EQUAL, len(allowed) - index, 0, number) for index, number in enumerate(allowed)),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
