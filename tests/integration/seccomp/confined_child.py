"""A child process under a filter, and system calls made from it: natively, and as 32-bit code does through int 0x80."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
from collections.abc import Callable
from typing import Any

MAP_32BIT = 0x40

# long int80(long nr, long a, long b, long c):
#   push rbx; mov eax,edi; mov ebx,esi; xchg edx,ecx; int 0x80; pop rbx; cdqe; ret
INT80 = bytes.fromhex("53 89f8 89f3 87ca cd80 5b 4898 c3")

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def native(number: int, *args: int) -> int:
    """The system call's result, or minus its errno."""
    ctypes.set_errno(0)
    result = int(libc.syscall(ctypes.c_long(number), *[ctypes.c_ulong(arg & (2**64 - 1)) for arg in args]))
    return -ctypes.get_errno() if result == -1 else result


def compat() -> Callable[..., int]:
    """The same through int 0x80; made before the filter is there, and kept alive by the function itself."""
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(INT80)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    function = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long, ctypes.c_long, ctypes.c_long, ctypes.c_long)(address)

    def int80(number: int, *args: int) -> int:
        assert page
        return int(function(number, *(*args, 0, 0, 0)[:3]))

    return int80


def low_memory(content: bytes) -> int:
    """The address of `content` below 4 GiB, where 32-bit calls can point to."""
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 4)
    address = libc.mmap(None, 4096, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_32BIT, -1, 0)
    ctypes.memmove(address, content, len(content))
    return int(address)


def in_child(work: Callable[[], Any]) -> Any:
    """What `work` returns in a forked child, as JSON; the negative signal number if it was killed."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reader)
            os.write(writer, json.dumps(work()).encode())
            status = 0
        except BaseException as error:
            os.write(writer, json.dumps(f"{type(error).__name__}: {error}").encode())
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader, "rb") as pipe:
        answer = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return json.loads(answer) if answer else code
