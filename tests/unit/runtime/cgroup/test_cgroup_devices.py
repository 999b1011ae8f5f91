"""Device rules: the reduction is what the v1 kernel would do, and the v2 program decides as the reduction says."""

from __future__ import annotations

from struct import iter_unpack

from hypothesis import given
from hypothesis import strategies as st

from tiffin.runtime.cgroup.device_bpf import assemble
from tiffin.runtime.cgroup.devices import ALL, MKNOD, READ, WRITE, reduce, v1_writes

DENY_ALL = {"allow": False, "access": "rwm"}
NULL = {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"}


def run(program: bytes, kind: str, major: int, minor: int, access: int) -> bool:
    """A model of the kernel's BPF machine for the few instructions that the assembler uses."""
    code = list(iter_unpack("=BBhi", program))
    context = [access << 16 | {"b": 1, "c": 2}[kind], major, minor]
    register = [0] * 11
    at = 0
    for _ in range(len(code)):  # jumps only go forward
        opcode, registers, off, imm = code[at]
        dst, src = registers & 15, registers >> 4
        at += 1
        if opcode == 0x61:
            register[dst] = context[off // 4]
        elif opcode in (0xB4, 0xBC):
            register[dst] = imm if opcode == 0xB4 else register[src]
        elif opcode == 0x54:
            register[dst] &= imm
        elif opcode == 0x74:
            register[dst] >>= imm
        elif opcode == 0x95:
            return bool(register[0])
        else:
            other = register[src] if opcode == 0x5E else imm
            if (register[dst] == other) == (opcode == 0x16):
                at += off
    raise AssertionError("the program does not end")


def decides(
    default: bool, exceptions: dict[tuple[str, int, int], int], kind: str, major: int, minor: int, access: int
) -> bool:
    for (its_kind, its_major, its_minor), bits in exceptions.items():
        if its_kind == kind and its_major in (-1, major) and its_minor in (-1, minor):
            if default and bits & access:
                return False
            if not default and bits & access == access:
                return True
    return default


numbers = st.integers(0, 3)
rules = st.fixed_dictionaries(
    {"allow": st.booleans()},
    optional={
        "type": st.sampled_from(["a", "b", "c"]),
        "major": st.one_of(st.none(), st.just(-1), numbers),
        "minor": st.one_of(st.none(), numbers),
        "access": st.sampled_from(["r", "rw", "rwm", "m", "wm"]),
    },
)


@given(st.lists(rules, max_size=8), st.sampled_from("bc"), numbers, numbers, st.integers(1, 7))
def test_the_program_decides_as_the_reduced_rules_do(
    listed: list[dict[str, object]], kind: str, major: int, minor: int, access: int
) -> None:
    default, exceptions = reduce(listed)
    expected = decides(default, exceptions, kind, major, minor, access)
    assert run(assemble(default, exceptions), kind, major, minor, access) == expected


def test_a_whitelist_starts_by_denying_all() -> None:
    assert reduce([DENY_ALL, NULL]) == (False, {("c", 1, 3): ALL})
    assert v1_writes([DENY_ALL, NULL]) == [(b"devices.deny", b"a"), (b"devices.allow", b"c 1:3 rwm")]


def test_access_is_added_to_and_taken_from_a_node() -> None:
    read_only = {**NULL, "access": "r"}
    no_mknod = {**NULL, "allow": False, "access": "m"}
    assert reduce([DENY_ALL, read_only, {**NULL, "access": "w"}]) == (False, {("c", 1, 3): READ | WRITE})
    assert reduce([DENY_ALL, NULL, no_mknod]) == (False, {("c", 1, 3): READ | WRITE})
    assert reduce([no_mknod]) == (True, {("c", 1, 3): MKNOD})


def test_a_privileged_container_writes_nothing() -> None:
    everything = {"allow": True, "access": "rwm"}
    assert v1_writes([everything]) == []
    assert reduce([DENY_ALL, NULL, everything]) == (True, {})


def test_a_missing_type_or_number_is_any() -> None:
    terminals = {"allow": True, "type": "c", "major": 136, "access": "rw"}
    assert v1_writes([terminals]) == [(b"devices.allow", b"c 136:* rw")]
    assert reduce([DENY_ALL, {"allow": True, "access": "m"}])[1] == {("b", -1, -1): MKNOD, ("c", -1, -1): MKNOD}
