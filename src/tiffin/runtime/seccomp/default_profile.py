"""The default seccomp profile: what a container may ask the kernel for. Data, and a function that gives it as JSON.

The rules are those of Docker's default profile (28): whatever is not named here is refused with EPERM. Where we differ
it is towards Docker's later fixes or tighter:

- socket(2) names the address families one by one from AF_ALG on: no AF_ALG (CVE-2026-31431), no AF_VSOCK. Comparing for
  "not 40" would let family 0x100000026 through, since BPF sees 64 bits of an argument that the kernel truncates to 32.
- socketcall(2), the 32-bit multiplexer whose arguments a filter cannot see, is ENOSYS. Linux 4.3 has direct calls.
- HORIZON: the profile ends with Linux 6.5. Everything newer, and clone3, whose flags lie behind a pointer, is ENOSYS:
  C libraries then take the older call.

Shape: Docker's (includes and excludes by capability, architecture, kernel), which resolve.py turns into OCI's.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

EPERM, ENOSYS = 1, 38
HORIZON = ("cachestat", 451, "Linux 6.5")

# For everybody, by topic. A name that an architecture lacks is skipped there.
ALWAYS = {
    "files: open, read, write": """
        open openat openat2 creat close close_range read readv pread64 preadv preadv2 write writev pwrite64 pwritev
        pwritev2 lseek _llseek sendfile sendfile64 splice tee vmsplice copy_file_range readahead fadvise64 fadvise64_64
        fallocate ftruncate ftruncate64 truncate truncate64 fsync fdatasync sync syncfs sync_file_range dup dup2 dup3
        fcntl fcntl64 flock ioctl pipe pipe2 cachestat name_to_handle_at fanotify_mark""",
    "files: names, attributes": """
        access faccessat faccessat2 stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64
        fstatfs fstatfs64 chdir fchdir getcwd mkdir mkdirat rmdir mknod mknodat link linkat symlink symlinkat readlink
        readlinkat rename renameat renameat2 unlink unlinkat chmod fchmod fchmodat chown chown32 fchown fchown32
        fchownat lchown lchown32 umask utime utimes futimesat utimensat utimensat_time64 getdents getdents64 getxattr
        lgetxattr fgetxattr setxattr lsetxattr fsetxattr listxattr llistxattr flistxattr removexattr lremovexattr
        fremovexattr inotify_init inotify_init1 inotify_add_watch inotify_rm_watch""",
    "waiting for events": """
        poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_create epoll_create1 epoll_ctl
        epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd signalfd4
        timerfd_create timerfd_settime timerfd_settime64 timerfd_gettime timerfd_gettime64 io_setup io_submit io_cancel
        io_destroy io_getevents io_pgetevents io_pgetevents_time64 restart_syscall""",
    "memory": """
        brk mmap mmap2 munmap mprotect mremap msync madvise mincore mlock mlock2 mlockall munlock munlockall
        remap_file_pages memfd_create memfd_secret membarrier pkey_alloc pkey_free pkey_mprotect""",
    "processes and threads": """
        fork vfork execve execveat exit exit_group wait4 waitid waitpid getpid getppid gettid getpgid getpgrp getsid
        setpgid setsid set_tid_address set_robust_list get_robust_list set_thread_area get_thread_area futex
        futex_time64 futex_waitv rseq kill tkill tgkill pidfd_open pidfd_send_signal process_mrelease prctl
        getpriority setpriority ioprio_get ioprio_set getrlimit setrlimit ugetrlimit prlimit64 getrusage times getcpu
        sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam sched_setparam
        sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min sched_rr_get_interval
        sched_rr_get_interval_time64""",
    "users and privileges": """
        getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getgroups getgroups32 getresuid
        getresuid32 getresgid getresgid32 setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32
        setresuid setresuid32 setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32
        capget capset seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self""",
    "signals and time": """
        rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
        rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack sigprocmask sigreturn pause alarm getitimer setitimer
        nanosleep clock_nanosleep clock_nanosleep_time64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
        clock_adjtime clock_adjtime64 adjtimex gettimeofday time timer_create timer_delete timer_getoverrun
        timer_gettime timer_gettime64 timer_settime timer_settime64""",
    "sockets": """
        accept accept4 bind connect getpeername getsockname getsockopt setsockopt listen recv recvfrom recvmsg recvmmsg
        recvmmsg_time64 send sendto sendmsg sendmmsg shutdown socketpair""",
    "System V and POSIX IPC": """
        ipc msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget
        mq_open mq_unlink mq_notify mq_getsetattr mq_timedreceive mq_timedreceive_time64 mq_timedsend
        mq_timedsend_time64""",
    "the system": "uname sysinfo getrandom",
}

# With the capability that the kernel asks for anyway.
WITH_CAPABILITY = {
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_SYS_ADMIN": """
        bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount
        open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare""",
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "init_module finit_module delete_module",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace",
    "CAP_SYS_RAWIO": "iopl ioperm",
    "CAP_SYS_TIME": "settimeofday stime clock_settime clock_settime64",
    "CAP_SYS_TTY_CONFIG": "vhangup",
    "CAP_SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    "CAP_SYSLOG": "syslog",
    "CAP_BPF": "bpf",
    "CAP_PERFMON": "perf_event_open",
}

ON_ARCHITECTURE = {
    ("amd64", "x32"): "arch_prctl",
    ("amd64", "x32", "x86"): "modify_ldt",
    ("arm", "arm64"): "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
}

# Before 4.8 a tracer could change the call after the filter had looked at it (man 2 seccomp).
SINCE_4_8 = "process_vm_readv process_vm_writev ptrace"

# PER_LINUX, PER_LINUX32, each with UNAME26, and the value that only asks.
PERSONALITIES = (0x0, 0x0008, 0x20000, 0x20008, 0xFFFFFFFF)

AF_ALG = 38
FAMILIES_ABOVE_AF_ALG = (39, 41, 42, 43, 44, 45)  # NFC, KCM, QIPCRTR, SMC, XDP, MCTP; 40 is VSOCK

# NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. NEWTIME shares its bit with clone's exit signal.
CLONE_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000

ARCHITECTURES = {
    "SCMP_ARCH_X86_64": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "SCMP_ARCH_AARCH64": ["SCMP_ARCH_ARM"],
}


def default_profile() -> dict[str, Any]:
    """The profile as a document of Docker's form."""
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": EPERM,
        "archMap": [
            {"architecture": arch, "subArchitectures": list(others)} for arch, others in ARCHITECTURES.items()
        ],
        "syscalls": [*_refused(), *_plain(), *_by_argument()],
    }


def _refused() -> list[dict[str, Any]]:
    nosys = {"action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS}
    return [
        {"names": ["socketcall"], **nosys},
        {"names": ["clone3"], **nosys, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
    ]


def _plain() -> list[dict[str, Any]]:
    rules = [_allow(" ".join(ALWAYS.values())), _allow(SINCE_4_8, includes={"minKernel": "4.8"})]
    rules += [_allow(names, includes={"caps": [cap]}) for cap, names in WITH_CAPABILITY.items()]
    rules += [_allow(names, includes={"arches": list(arches)}) for arches, names in ON_ARCHITECTURE.items()]
    return rules


def _by_argument() -> list[dict[str, Any]]:
    def first(op: str, value: int, two: int = 0) -> dict[str, Any]:
        return {"args": [{"index": 0, "op": op, "value": value, "valueTwo": two}]}

    rules = [_allow("personality", **first("SCMP_CMP_EQ", value)) for value in PERSONALITIES]
    rules.append(_allow("socket", **first("SCMP_CMP_LT", AF_ALG)))
    rules += [_allow("socket", **first("SCMP_CMP_EQ", family)) for family in FAMILIES_ABOVE_AF_ALG]
    no_namespaces = first("SCMP_CMP_MASKED_EQ", CLONE_NAMESPACES, 0)
    rules.append(_allow("clone", **no_namespaces, excludes={"caps": ["CAP_SYS_ADMIN"]}))
    return rules


def _allow(names: str, **more: Any) -> dict[str, Any]:
    return {"names": sorted(names.split()), "action": "SCMP_ACT_ALLOW", **more}
