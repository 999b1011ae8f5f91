"""bpf(2), as far as cgroup device filters need it: load a program, attach it to a group."""

from __future__ import annotations

import ctypes
from struct import pack

from tiffin.linux.libc import c_int, c_size_t, c_void_p, declare, raise_errno

BPF_PROG_LOAD = 5
BPF_PROG_ATTACH = 8

BPF_PROG_TYPE_CGROUP_DEVICE = 15
BPF_CGROUP_DEVICE = 6
BPF_F_ALLOW_MULTI = 2

_bpf = declare("bpf", c_int, c_void_p, c_size_t)


def prog_load(prog_type: int, instructions: bytes, name: bytes = b"") -> int:
    """Load a program, return its descriptor; the kernel frees it when nothing holds it."""
    code = ctypes.create_string_buffer(instructions, len(instructions))
    licence = ctypes.create_string_buffer(b"Apache-2.0")
    attr = pack(
        "=IIQQIIQII16s",
        prog_type,
        len(instructions) // 8,
        ctypes.addressof(code),
        ctypes.addressof(licence),
        *(0, 0, 0),  # verifier log: level, size, buffer
        *(0, 0),  # kernel version, flags
        name[:15],
    )
    return _call(BPF_PROG_LOAD, attr, "BPF_PROG_LOAD")


def prog_attach(target_fd: int, prog_fd: int, attach_type: int, flags: int) -> None:
    """Attach a loaded program to a cgroup's directory; it stays as long as the group."""
    _call(BPF_PROG_ATTACH, pack("=IIII", target_fd, prog_fd, attach_type, flags), "BPF_PROG_ATTACH")


def _call(command: int, attr: bytes, what: str) -> int:
    buffer = ctypes.create_string_buffer(attr, len(attr))
    result = _bpf(command, ctypes.addressof(buffer), len(attr))
    if result < 0:
        raise_errno(f"bpf({what})")
    return result
