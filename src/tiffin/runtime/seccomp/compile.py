"""From the OCI spec's linux.seccomp to the BPF program that the kernel takes. A pure function; runs in the daemon.

libseccomp turns the rules into BPF; bpf.py's prologue goes in front. What both do to a rule is runc's behaviour, which
Docker's users know: names that this libseccomp does not know are skipped, rules that say what the default says anyway
are skipped, several conditions on one argument are alternatives, the errno that is left out is EPERM.
"""

from __future__ import annotations

from tiffin.errors import InvalidParameter
from tiffin.linux import libseccomp as scmp
from tiffin.runtime.seccomp.bpf import ARM_PRIVATE, X32_BIT, X32_PRIVATE, Block, prologue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

EPERM = 1

AUDIT_ARCH_X86_64, AUDIT_ARCH_I386 = 0xC000003E, 0x40000003
AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM = 0xC00000B7, 0x40000028
SCMP_ARCH_X32 = 0x4000003E  # libseccomp's own token: to the kernel x32 is x86_64 with a bit in the number

ARCHES = {
    "SCMP_ARCH_X86_64": AUDIT_ARCH_X86_64,
    "SCMP_ARCH_X86": AUDIT_ARCH_I386,
    "SCMP_ARCH_X32": SCMP_ARCH_X32,
    "SCMP_ARCH_AARCH64": AUDIT_ARCH_AARCH64,
    "SCMP_ARCH_ARM": AUDIT_ARCH_ARM,
}

ACTIONS = {
    "SCMP_ACT_KILL": scmp.SCMP_ACT_KILL_THREAD,
    "SCMP_ACT_KILL_THREAD": scmp.SCMP_ACT_KILL_THREAD,
    "SCMP_ACT_KILL_PROCESS": scmp.SCMP_ACT_KILL_PROCESS,
    "SCMP_ACT_TRAP": scmp.SCMP_ACT_TRAP,
    "SCMP_ACT_ERRNO": scmp.SCMP_ACT_ERRNO,
    "SCMP_ACT_TRACE": scmp.SCMP_ACT_TRACE,
    "SCMP_ACT_LOG": scmp.SCMP_ACT_LOG,
    "SCMP_ACT_ALLOW": scmp.SCMP_ACT_ALLOW,
}
WITH_ERRNO = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
PERMISSIVE = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG")

OPERATORS = {
    "SCMP_CMP_NE": scmp.SCMP_CMP_NE,
    "SCMP_CMP_LT": scmp.SCMP_CMP_LT,
    "SCMP_CMP_LE": scmp.SCMP_CMP_LE,
    "SCMP_CMP_EQ": scmp.SCMP_CMP_EQ,
    "SCMP_CMP_GE": scmp.SCMP_CMP_GE,
    "SCMP_CMP_GT": scmp.SCMP_CMP_GT,
    "SCMP_CMP_MASKED_EQ": scmp.SCMP_CMP_MASKED_EQ,
}


def compile(oci_seccomp: dict[str, Any]) -> bytes:
    """The BPF program of an OCI linux.seccomp document, an array of struct sock_filter (8 bytes each).

    InvalidParameter for actions, operators and architectures that do not exist, SystemFailure without libseccomp.
    """
    default = _action(oci_seccomp.get("defaultAction", ""), oci_seccomp.get("defaultErrnoRet"))
    rules: list[dict[str, Any]] = oci_seccomp.get("syscalls") or []
    with scmp.Filter(default) as filter_:
        arches = _choose_arches(filter_, oci_seccomp.get("architectures") or [])
        filter_.optimize()
        for rule in rules:
            _add(filter_, rule, default)
        program = filter_.export()
    return prologue(_blocks(oci_seccomp, rules, arches, default)) + program


def _action(name: str, errno: int | None) -> int:
    if name == "SCMP_ACT_NOTIFY":
        raise InvalidParameter("seccomp: action SCMP_ACT_NOTIFY needs a listener, which this engine does not offer")
    if name not in ACTIONS:
        raise InvalidParameter(f'seccomp: invalid action "{name}"')
    if name in WITH_ERRNO:
        return ACTIONS[name] | ((EPERM if errno is None else int(errno)) & 0xFFFF)
    return ACTIONS[name]


def _choose_arches(filter_: scmp.Filter, names: list[str]) -> list[int]:
    native = filter_.native_arch()
    tokens = []
    for name in names:
        if name not in ARCHES:
            raise InvalidParameter(f'seccomp: architecture "{name}" is not supported here')
        tokens.append(ARCHES[name])
    for token in tokens:
        filter_.add_arch(token)
    if tokens and native not in tokens:
        filter_.remove_arch(native)
    return tokens or [native]


def _add(filter_: scmp.Filter, rule: dict[str, Any], default: int) -> None:
    action = _action(rule.get("action", ""), rule.get("errnoRet"))
    conditions = [_condition(arg) for arg in rule.get("args") or []]
    if action == default:
        return
    indexes = [condition[0] for condition in conditions]
    repeated = len(set(indexes)) != len(indexes)
    alternatives = [[condition] for condition in conditions] if repeated else [conditions]
    for name in rule.get("names") or []:
        number = scmp.resolve(name)
        if number == scmp.NR_SCMP_ERROR:
            continue
        for alternative in alternatives:
            filter_.add_rule(action, number, alternative)


def _condition(arg: dict[str, Any]) -> tuple[int, int, int, int]:
    operator = arg.get("op", "")
    if operator not in OPERATORS:
        raise InvalidParameter(f'seccomp: invalid operator "{operator}"')
    index = int(arg.get("index", 0))
    if not 0 <= index <= 5:
        raise InvalidParameter(f"seccomp: argument index {index} is not between 0 and 5")
    limit = 0xFFFFFFFFFFFFFFFF
    return index, OPERATORS[operator], int(arg.get("value", 0)) & limit, int(arg.get("valueTwo", 0)) & limit


def _blocks(document: dict[str, Any], rules: list[dict[str, Any]], arches: list[int], default: int) -> list[Block]:
    restrictive = document.get("defaultAction") not in PERMISSIVE
    names = {name for rule in rules for name in rule.get("names") or []}

    def horizon(arch: int) -> int | None:
        if not restrictive or default == (scmp.SCMP_ACT_ERRNO | 38):
            return None
        bits, private = (X32_BIT, X32_PRIVATE[0]) if arch == SCMP_ARCH_X32 else (0, ARM_PRIVATE)
        numbers = [number & ~bits for name in names if (number := scmp.resolve(name, arch)) >= 0]
        return max((number for number in numbers if number < private), default=None)

    blocks = []
    hole = restrictive and _socketcall_is_a_hole(rules)
    for arch in arches:
        if arch == SCMP_ARCH_X32 and AUDIT_ARCH_X86_64 in arches:
            continue
        x32 = horizon(SCMP_ARCH_X32) if arch == AUDIT_ARCH_X86_64 and SCMP_ARCH_X32 in arches else None
        number = scmp.resolve("socketcall", arch)
        refused = (number,) if hole and number >= 0 else ()
        highest = horizon(arch)
        ceiling = ARM_PRIVATE if arch == AUDIT_ARCH_ARM else X32_BIT
        if arch != SCMP_ARCH_X32 and (highest is not None or x32 is not None or refused):
            blocks.append(Block(arch, highest, x32_horizon=x32, refused=refused, ceiling=ceiling))
    return blocks


def _socketcall_is_a_hole(rules: list[dict[str, Any]]) -> bool:
    """Whether this profile chooses among address families, which 32-bit x86 could evade through socketcall(2).

    Its arguments lie behind a pointer that BPF cannot follow, and libseccomp allows socketcall wherever it allows
    socket. Linux has direct calls on i386 since 4.3, so a profile that looks at socket's arguments gets socketcall
    refused, unless it allows socketcall by name. So does one that denies socketcall, whatever its errno.
    """
    chooses = denied = False
    for rule in rules:
        names = rule.get("names") or []
        allowed = rule.get("action") in PERMISSIVE
        if "socketcall" in names:
            if allowed:
                return False
            denied = denied or not rule.get("args")
        if "socket" in names and rule.get("args"):
            chooses = True
    return chooses or denied
