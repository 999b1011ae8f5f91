"""What the default profile lets through, seen from inside a process that is under it."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
from confined_child import in_child, low_memory, native

from tiffin.linux import libseccomp
from tiffin.spec.capabilities import DEFAULT

EPERM, ENOSYS = -errno.EPERM, -errno.ENOSYS
AF_ALG, AF_VSOCK = 38, 40
I386 = 0x40000003
SYS_SOCKET = 1  # socketcall's first argument

ADMIN = (*DEFAULT, "CAP_SYS_ADMIN")


def nr(name: str) -> int:
    return libseccomp.resolve(name)


def nr32(name: str) -> int:
    if name == "socket":
        return 359  # libseccomp gives a number of its own for what socketcall can do as well
    return libseccomp.resolve(name, I386)


@pytest.mark.parametrize("family", [AF_ALG, AF_VSOCK, AF_ALG | 1 << 32, AF_VSOCK | 1 << 32, 46, 0x7FFFFFFF])
def test_the_kernels_crypto_and_host_sockets_are_refused(confined: Any, family: int) -> None:
    assert confined(lambda: native(nr("socket"), family, socket.SOCK_STREAM, 0)) == EPERM


def test_ordinary_sockets_are_allowed(confined: Any) -> None:
    families = [socket.AF_UNIX, socket.AF_INET, socket.AF_NETLINK]
    results = confined(lambda: [native(nr("socket"), family, socket.SOCK_DGRAM, 0) for family in families])
    assert all(result >= 0 for result in results)


@pytest.mark.parametrize("family", [AF_ALG, AF_VSOCK])
def test_they_are_refused_to_32_bit_code_too(confined: Any, int80: Callable[..., int], family: int) -> None:
    pointer = low_memory(struct.pack("=III", family, socket.SOCK_STREAM, 0))
    direct, multiplexed = confined(
        lambda: [int80(nr32("socket"), family, socket.SOCK_STREAM, 0), int80(nr32("socketcall"), SYS_SOCKET, pointer)]
    )
    assert direct == EPERM
    assert multiplexed == ENOSYS


def test_32_bit_code_still_gets_ordinary_sockets(confined: Any, int80: Callable[..., int]) -> None:
    assert confined(lambda: int80(nr32("socket"), socket.AF_UNIX, socket.SOCK_STREAM, 0)) >= 0


def test_without_a_filter_socketcall_would_reach_the_kernel(int80: Callable[..., int]) -> None:
    pointer = low_memory(struct.pack("=III", socket.AF_UNIX, socket.SOCK_STREAM, 0))
    assert in_child(lambda: int80(nr32("socketcall"), SYS_SOCKET, pointer)) >= 0


@pytest.mark.parametrize("number", [452, 453, 600, 0x3FFFFFFF])
def test_calls_newer_than_the_profile_do_not_exist(confined: Any, number: int) -> None:
    assert confined(lambda: native(number, 0, 0, 0)) == ENOSYS


@pytest.mark.parametrize("number", [452, 453, 600, 0x3FFFFFFF])
def test_calls_newer_than_the_profile_do_not_exist_for_32_bit_code(
    confined: Any, int80: Callable[..., int], number: int
) -> None:
    assert confined(lambda: int80(number, 0, 0, 0)) == ENOSYS


@pytest.mark.parametrize("number", [0x40000000 + 600, 0x40000000 + 452, 0xFFFFFFFF])
def test_calls_newer_than_the_profile_do_not_exist_for_x32(confined: Any, int80: Any, number: int) -> None:
    assert confined(lambda: native(number, 0, 0, 0)) == ENOSYS


def test_clone3_does_not_exist(confined: Any, int80: Callable[..., int]) -> None:
    assert confined(lambda: [native(435, 0, 0), int80(435, 0, 0)]) == [ENOSYS, ENOSYS]


_REFUSED = """
    unshare setns mount umount2 pivot_root move_mount open_tree fsopen fsmount mount_setattr keyctl add_key request_key
    bpf userfaultfd io_uring_setup io_uring_enter io_uring_register perf_event_open init_module finit_module
    delete_module kexec_load kexec_file_load reboot swapon swapoff acct settimeofday clock_settime syslog sethostname
    setdomainname open_by_handle_at quotactl iopl ioperm kcmp pidfd_getfd process_madvise vhangup mbind set_mempolicy
    move_pages migrate_pages nfsservctl lookup_dcookie fanotify_init uselib ustat sysfs _sysctl
"""
REFUSED = _REFUSED.split()


@pytest.mark.parametrize("name", REFUSED)
def test_what_docker_denies_is_denied(confined: Any, name: str) -> None:
    number = nr(name)
    if number < 0:
        pytest.skip(f"this architecture has no {name}")
    assert confined(lambda: native(number, 0, 0, 0, 0, 0)) == EPERM


@pytest.mark.parametrize("name", REFUSED)
def test_what_docker_denies_is_denied_to_32_bit_code(confined: Any, int80: Callable[..., int], name: str) -> None:
    number = nr32(name)
    if number < 0:
        pytest.skip(f"i386 has no {name}")
    assert confined(lambda: int80(number, 0, 0, 0)) == EPERM


def test_a_capability_opens_its_calls(confined: Any) -> None:
    def calls() -> list[int]:
        nowhere = ctypes.addressof(ctypes.create_string_buffer(b"/nonexistent"))
        clone3 = native(435, 0, 0)
        return [native(nr("mount"), nowhere, nowhere, 0, 0, 0), native(nr("unshare"), 0), clone3]

    assert confined(calls) == [EPERM, EPERM, ENOSYS]
    assert confined(calls, ADMIN) == [-errno.ENOENT, 0, -errno.EINVAL]


def test_chroot_needs_its_capability(confined: Any) -> None:
    path = ctypes.create_string_buffer(b"/nonexistent")
    without = [cap for cap in DEFAULT if cap != "CAP_SYS_CHROOT"]
    assert confined(lambda: native(nr("chroot"), ctypes.addressof(path))) == -errno.ENOENT
    assert confined(lambda: native(nr("chroot"), ctypes.addressof(path)), without) == EPERM


def test_clone_may_not_make_namespaces(confined: Any) -> None:
    clone_newuser, sigchld = 0x10000000, 17
    assert confined(lambda: native(nr("clone"), clone_newuser | sigchld, 0, 0, 0, 0)) == EPERM

    def fork() -> int:
        pid = native(nr("clone"), sigchld, 0, 0, 0, 0)
        if pid == 0:
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert confined(fork) == 0


def test_only_linux_personalities_are_allowed(confined: Any) -> None:
    number = nr("personality")
    asked, addr_no_randomize = confined(lambda: [native(number, 0xFFFFFFFF), native(number, 0x0040000)])
    assert asked >= 0
    assert addr_no_randomize == EPERM


def test_programs_still_run(confined: Any) -> None:
    def run() -> int:
        return os.spawnv(os.P_WAIT, "/bin/sh", ["sh", "-c", "ls / >/dev/null && echo x | cat >/dev/null"])

    assert confined(run) == 0


def test_the_filter_shows_in_the_process_status(confined: Any) -> None:
    def status() -> list[str]:
        with open("/proc/self/status", encoding="ascii") as file:
            return [line.split()[1] for line in file if line.startswith("Seccomp:")]

    assert confined(status) == ["2"]
