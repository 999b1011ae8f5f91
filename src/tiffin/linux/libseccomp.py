"""libseccomp by ctypes: from named rules to a BPF program. No policy; the rules come from runtime/seccomp.

The library is loaded at the first use, since only the daemon compiles: a machine without it gets a clear error then.
Prototypes: man 3 seccomp_init, seccomp_rule_add, seccomp_export_bpf (libseccomp >= 2.4).
"""

from __future__ import annotations

import ctypes
import os

from tiffin.errors import SystemFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

SCMP_ACT_KILL_PROCESS = 0x80000000
SCMP_ACT_KILL_THREAD = 0x00000000
SCMP_ACT_TRAP = 0x00030000
SCMP_ACT_ERRNO = 0x00050000
SCMP_ACT_TRACE = 0x7FF00000
SCMP_ACT_LOG = 0x7FFC0000
SCMP_ACT_ALLOW = 0x7FFF0000

SCMP_CMP_NE, SCMP_CMP_LT, SCMP_CMP_LE, SCMP_CMP_EQ, SCMP_CMP_GE, SCMP_CMP_GT, SCMP_CMP_MASKED_EQ = range(1, 8)

SCMP_FLTATR_CTL_OPTIMIZE = 8
OPTIMIZE_BINARY_TREE = 2  # libseccomp >= 2.5: log2(n) comparisons for a system call instead of n

NR_SCMP_ERROR = -1
EACCES, EEXIST, EINVAL = 13, 17, 22


class ScmpArgCmp(ctypes.Structure):
    """struct scmp_arg_cmp, 24 bytes: system call argument number, comparison, one or two values."""

    _fields_ = [
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    ]


class ScmpVersion(ctypes.Structure):
    """struct scmp_version, 12 bytes."""

    _fields_ = [("major", ctypes.c_uint), ("minor", ctypes.c_uint), ("micro", ctypes.c_uint)]


_library: ctypes.CDLL | None = None


def load() -> ctypes.CDLL:
    """The library with its prototypes declared once; SystemFailure names the package to install when it is missing."""
    global _library
    if _library is None:
        try:
            library = ctypes.CDLL("libseccomp.so.2")
        except OSError as error:
            raise SystemFailure(
                f"libseccomp is needed to compile seccomp profiles: install the Debian package libseccomp2 ({error})"
            ) from None
        _declare(library)
        _library = library
    return _library


def _declare(library: ctypes.CDLL) -> None:
    context, arch = ctypes.c_void_p, ctypes.c_uint32
    prototypes: tuple[tuple[str, Any, tuple[Any, ...]], ...] = (
        ("seccomp_version", ctypes.POINTER(ScmpVersion), ()),
        ("seccomp_init", context, (ctypes.c_uint32,)),
        ("seccomp_release", None, (context,)),
        ("seccomp_arch_native", arch, ()),
        ("seccomp_arch_add", ctypes.c_int, (context, arch)),
        ("seccomp_arch_remove", ctypes.c_int, (context, arch)),
        ("seccomp_attr_set", ctypes.c_int, (context, ctypes.c_int, ctypes.c_uint32)),
        ("seccomp_syscall_resolve_name", ctypes.c_int, (ctypes.c_char_p,)),
        ("seccomp_syscall_resolve_name_arch", ctypes.c_int, (arch, ctypes.c_char_p)),
        (
            "seccomp_rule_add_array",
            ctypes.c_int,
            (context, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(ScmpArgCmp)),
        ),
        ("seccomp_export_bpf", ctypes.c_int, (context, ctypes.c_int)),
    )
    for name, restype, argtypes in prototypes:
        function = getattr(library, name)
        function.restype, function.argtypes = restype, argtypes


def version() -> str:
    """The library's version, part of the key under which a compiled program is kept."""
    found = load().seccomp_version().contents
    return f"{found.major}.{found.minor}.{found.micro}"


def resolve(name: str, arch: int | None = None) -> int:
    """The number of a system call; below -1 where this architecture lacks it, NR_SCMP_ERROR where nobody knows it."""
    if arch is None:
        return int(load().seccomp_syscall_resolve_name(name.encode()))
    return int(load().seccomp_syscall_resolve_name_arch(arch, name.encode()))


def _check(result: int, call: str, what: object = None) -> None:
    if result < 0:
        raise OSError(-result, f"{call}: {os.strerror(-result)}", None if what is None else str(what))


class Filter:
    """A filter under construction (scmp_filter_ctx); use it as a context manager, it holds memory of the library's."""

    __slots__ = ("_context", "_library")

    def __init__(self, default_action: int) -> None:
        self._library = load()
        self._context = self._library.seccomp_init(default_action)
        if not self._context:
            raise OSError(EINVAL, f"seccomp_init: {os.strerror(EINVAL)}", hex(default_action))

    def __enter__(self) -> Filter:
        return self

    def __exit__(self, *exc: object) -> None:
        self._library.seccomp_release(self._context)
        self._context = None

    def add_arch(self, arch: int) -> None:
        """seccomp_arch_add(3); one that is there already is no error."""
        result = self._library.seccomp_arch_add(self._context, arch)
        if result != -EEXIST:
            _check(result, "seccomp_arch_add", hex(arch))

    def remove_arch(self, arch: int) -> None:
        """seccomp_arch_remove(3)."""
        _check(self._library.seccomp_arch_remove(self._context, arch), "seccomp_arch_remove", hex(arch))

    def native_arch(self) -> int:
        """The architecture that a new filter begins with."""
        return int(self._library.seccomp_arch_native())

    def optimize(self) -> None:
        """Ask for a binary tree; a library too old for it keeps its list."""
        self._library.seccomp_attr_set(self._context, SCMP_FLTATR_CTL_OPTIMIZE, OPTIMIZE_BINARY_TREE)

    def add_rule(self, action: int, number: int, args: Sequence[tuple[int, int, int, int]] = ()) -> None:
        """seccomp_rule_add(3) for every architecture of the filter; args are (argument, comparison, value, value)."""
        array = (ScmpArgCmp * len(args))(*[ScmpArgCmp(*arg) for arg in args])
        result = self._library.seccomp_rule_add_array(self._context, action, number, len(args), array)
        _check(result, "seccomp_rule_add_array", number)

    def export(self) -> bytes:
        """seccomp_export_bpf(3) as bytes: an array of struct sock_filter."""
        fd = os.memfd_create("seccomp", os.MFD_CLOEXEC)
        try:
            _check(self._library.seccomp_export_bpf(self._context, fd), "seccomp_export_bpf")
            size = os.fstat(fd).st_size
            return os.pread(fd, size, 0)
        finally:
            os.close(fd)
