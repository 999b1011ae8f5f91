"""The prologue, run by a small interpreter of the six instructions it may use."""

from __future__ import annotations

import struct

import pytest

from tiffin.runtime.seccomp.bpf import ARM_PRIVATE, INSTRUCTION, X32_BIT, Block, prologue

X86_64, I386, ARM = 0xC000003E, 0x40000003, 0x40000028
ENOSYS = 0x00050000 | 38
ALLOW = 0x7FFF0000
REST = INSTRUCTION.pack(0x06, 0, 0, ALLOW)  # stands for libseccomp's program


def run(program: bytes, arch: int, number: int) -> int:
    code = list(INSTRUCTION.iter_unpack(program + REST))
    data = struct.pack("=II", number, arch)
    at = accumulator = 0
    while True:
        operation, if_true, if_false, k = code[at]
        at += 1
        if operation == 0x20:
            accumulator = struct.unpack_from("=I", data, k)[0]
        elif operation == 0x05:
            at += k
        elif operation == 0x06:
            return int(k)
        else:
            holds = {0x15: accumulator == k, 0x25: accumulator > k, 0x35: accumulator >= k}[operation]
            at += if_true if holds else if_false


@pytest.fixture
def program() -> bytes:
    return prologue(
        [
            Block(X86_64, 451, x32_horizon=451),
            Block(I386, 450, refused=(102,)),
            Block(ARM, 451, ceiling=ARM_PRIVATE),
        ]
    )


@pytest.mark.parametrize("arch", [X86_64, I386, ARM, 0x12345678])
def test_known_numbers_fall_through_to_the_rest(program: bytes, arch: int) -> None:
    assert {run(program, arch, number) for number in (0, 1, 101, 103, 450)} == {ALLOW}


def test_numbers_above_an_architectures_horizon_do_not_exist(program: bytes) -> None:
    assert [run(program, X86_64, number) for number in (451, 452, 600, X32_BIT - 1)] == [ALLOW] + [ENOSYS] * 3
    assert [run(program, I386, number) for number in (450, 451, 600)] == [ALLOW, ENOSYS, ENOSYS]


def test_x32_has_a_horizon_and_a_private_range_of_its_own(program: bytes) -> None:
    numbers = (0, 451, 452, 511, 512, 547, 548, 600)
    expected = [ALLOW, ALLOW, ENOSYS, ENOSYS, ALLOW, ALLOW, ENOSYS, ENOSYS]
    assert [run(program, X86_64, X32_BIT | number) for number in numbers] == expected
    assert run(program, X86_64, 0xFFFFFFFF) == ENOSYS


def test_arms_private_numbers_are_left_alone(program: bytes) -> None:
    assert run(program, ARM, ARM_PRIVATE - 1) == ENOSYS
    assert run(program, ARM, ARM_PRIVATE + 2) == ALLOW


def test_refused_numbers_are_refused_on_their_architecture_only(program: bytes) -> None:
    assert run(program, I386, 102) == ENOSYS
    assert run(program, X86_64, 102) == ALLOW


def test_an_architecture_without_horizon_only_refuses() -> None:
    program = prologue([Block(I386, None, refused=(102,))])
    assert [run(program, I386, number) for number in (102, 103, 600)] == [ENOSYS, ALLOW, ALLOW]


def test_no_blocks_say_nothing() -> None:
    assert run(prologue([]), X86_64, 600) == ALLOW


@pytest.mark.parametrize("horizon", range(440, 460, 3))
def test_every_jump_stays_inside_the_program(horizon: int) -> None:
    blocks = [Block(X86_64, horizon, x32_horizon=horizon, refused=(1, 2)), Block(I386, horizon, refused=(102,))]
    program = prologue(blocks)
    for number in (0, 1, 2, 102, horizon, horizon + 1, X32_BIT, X32_BIT | horizon + 1, 0xFFFFFFFF):
        for arch in (X86_64, I386, ARM):
            assert run(program, arch, number) in (ENOSYS, ALLOW)
