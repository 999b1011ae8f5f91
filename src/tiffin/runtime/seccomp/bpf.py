"""The few classic BPF instructions that we write ourselves, in front of the program that libseccomp makes.

    ld  arch                       one block per architecture that the filter knows:
    jeq ARCH, 0, next block
    ld  nr
    jge X32_BIT, x32, native       only for x86_64: its numbers and x32's share one architecture
    jgt HORIZON -> ENOSYS
    jeq SOCKETCALL -> ENOSYS
    ja  end
    ...
    end: libseccomp's program, which loads all it needs again

A system call above the horizon is one that the profile's author could not know. It must look like an old kernel
(ENOSYS, and the C library takes its fallback), not like a refusal (EPERM, and programs break). libseccomp has no rule
for "every number above". Only instructions that the kernel's constant-action cache can emulate are used (ld of arch
and nr, jeq, jgt, jge, ja, ret: kernel/seccomp.c, seccomp_is_const_allow), so allowed calls stay free of BPF.
"""

from __future__ import annotations

import struct

INSTRUCTION = struct.Struct("=HBBI")  # struct sock_filter: code, jump if true, jump if false, k

LD_W_ABS, RET_K, JA, JEQ_K, JGT_K, JGE_K = 0x20, 0x06, 0x05, 0x15, 0x25, 0x35
OFFSET_NR, OFFSET_ARCH = 0, 4  # struct seccomp_data
SECCOMP_RET_ERRNO = 0x00050000
ENOSYS = 38

X32_BIT = 0x40000000
X32_PRIVATE = (512, 547)  # x32's own variants (execveat, preadv2), fixed for ever: neither newer nor older
ARM_PRIVATE = 0x000F0000  # ARM numbers its own calls (cacheflush, set_tls) from here on: not newer, just apart


class Block:
    """What is said about one AUDIT_ARCH: the highest number the profile knows, of x32 too, and numbers to refuse.

    `horizon` None: nothing is too new. `ceiling`: numbers from here on are left to libseccomp's program.
    """

    __slots__ = ("arch", "ceiling", "horizon", "refused", "x32_horizon")

    def __init__(
        self,
        arch: int,
        horizon: int | None,
        *,
        x32_horizon: int | None = None,
        refused: tuple[int, ...] = (),
        ceiling: int = X32_BIT,
    ) -> None:
        self.arch = arch
        self.horizon = horizon
        self.x32_horizon = x32_horizon
        self.refused = refused
        self.ceiling = ceiling


def prologue(blocks: list[Block]) -> bytes:
    """The program that answers ENOSYS for each block's unknown numbers and falls off its end for all others."""
    bodies = [_body(block) for block in blocks]
    total = sum(len(body) + 2 for body in bodies)  # each is preceded by jeq and ends in ja
    program = [_op(LD_W_ABS, 0, 0, OFFSET_ARCH)]
    for block, body in zip(blocks, bodies, strict=True):
        program.append(_op(JEQ_K, 0, len(body) + 1, block.arch))
        program.extend(body)
        program.append(_op(JA, 0, 0, total - len(program)))
    return b"".join(program)


def _body(block: Block) -> list[bytes]:
    code = [_op(LD_W_ABS, 0, 0, OFFSET_NR)]
    if block.x32_horizon is not None:
        first, last = (number | X32_BIT for number in X32_PRIVATE)
        x32 = [*_above(last), _op(JGE_K, 2, 0, first), *_above(block.x32_horizon | X32_BIT)]
        native = _native(block)
        # x32 first; it ends by jumping over the native part.
        code.append(_op(JGE_K, 0, len(x32) + 1, X32_BIT))
        code.extend(x32)
        code.append(_op(JA, 0, 0, len(native)))
        code.extend(native)
    else:
        native = _native(block)
        code.append(_op(JGE_K, len(native), 0, block.ceiling))
        code.extend(native)
    return code


def _native(block: Block) -> list[bytes]:
    code = [] if block.horizon is None else _above(block.horizon)
    for number in block.refused:
        code += [_op(JEQ_K, 0, 1, number), _op(RET_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS)]
    return code


def _above(horizon: int) -> list[bytes]:
    return [_op(JGT_K, 0, 1, horizon), _op(RET_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS)]


def _op(code: int, if_true: int, if_false: int, k: int) -> bytes:
    return INSTRUCTION.pack(code, if_true, if_false, k)
