"""A very small assembler: the BPF program that decides, in cgroup v2, whether a device node may be used.

The kernel calls it on every open and mknod of a device with `struct bpf_cgroup_dev_ctx` in r1:

    u32 access_type     requested access (BPF_DEVCG_ACC_*) << 16 | type (BPF_DEVCG_DEV_*)
    u32 major
    u32 minor

and lets the call through where r0 is 1. One instruction is 8 bytes: opcode, src<<4|dst, s16 jump offset, s32 immediate
(the kernel's Documentation/bpf/standardization/instruction-set.rst). Pure functions; linux/bpf.py loads the result.
"""

from __future__ import annotations

from struct import pack

from tiffin.runtime.cgroup.devices import ALL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tiffin.runtime.cgroup.devices import Node

_LDX_W = 0x61  # dst = *(u32 *)(src + off)
_MOV_K, _MOV_X, _AND_K, _RSH_K = 0xB4, 0xBC, 0x54, 0x74  # 32-bit arithmetic
_JNE_K, _JNE_X, _JEQ_K = 0x56, 0x5E, 0x16  # 32-bit compare and jump
_EXIT = 0x95

_RESULT, _CTX, _TYPE, _ACCESS, _MAJOR, _MINOR, _SCRATCH = 0, 1, 2, 3, 4, 5, 1
_TYPES = {"b": 1, "c": 2}


def assemble(default: bool, exceptions: dict[Node, int]) -> bytes:
    """The program for `devices.reduce`'s result.

    An exception that allows must cover all of the requested access; one that denies needs to share one bit with it.
    """
    code = [
        _instruction(_LDX_W, _TYPE, _CTX, 0),
        _instruction(_MOV_X, _ACCESS, _TYPE),
        _instruction(_AND_K, _TYPE, imm=0xFFFF),
        _instruction(_RSH_K, _ACCESS, imm=16),
        _instruction(_LDX_W, _MAJOR, _CTX, 4),
        _instruction(_LDX_W, _MINOR, _CTX, 8),
    ]
    for (kind, major, minor), access in exceptions.items():
        code += _exception(default, _TYPES[kind], major, minor, access)
    code += _return(default)
    return b"".join(code)


def _exception(default: bool, kind: int, major: int, minor: int, access: int) -> list[bytes]:
    # Each test jumps past the block: (opcode, dst, src, imm), the offset is known once the block is complete.
    tests = [(_JNE_K, _TYPE, 0, kind)]
    if major >= 0:
        tests.append((_JNE_K, _MAJOR, 0, major))
    if minor >= 0:
        tests.append((_JNE_K, _MINOR, 0, minor))
    masked = []
    if access != ALL:
        masked = [_instruction(_MOV_X, _SCRATCH, _ACCESS), _instruction(_AND_K, _SCRATCH, imm=access)]
        tests.append((_JEQ_K, _SCRATCH, 0, 0) if default else (_JNE_X, _SCRATCH, _ACCESS, 0))
    ending = _return(not default)
    length = len(tests) + len(masked) + len(ending)
    block: list[bytes] = []
    for opcode, dst, src, imm in tests:
        if dst == _SCRATCH:
            block += masked
        block.append(_instruction(opcode, dst, src, length - len(block) - 1, imm))
    return block + ending


def _return(value: bool) -> list[bytes]:
    return [_instruction(_MOV_K, _RESULT, imm=int(value)), _instruction(_EXIT)]


def _instruction(opcode: int, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0) -> bytes:
    return pack("=BBhI", opcode, src << 4 | dst, off, imm & 0xFFFFFFFF)
