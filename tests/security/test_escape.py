"""Escape through the runtime: each published attack, tried from inside a container, must find nothing to hold on to.

Named after the vulnerabilities of other engines. Seccomp and AppArmor have tests of their own.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from container_house import House, Running, bind, mount

import tiffin
from tiffin.linux.libc import c_char_p, c_int, c_uint, libc
from tiffin.runtime.shim_handle import StartError
from tiffin.spawn.interpreter import real_interpreter
from tiffin.spec.capabilities import DEFAULT
from tiffin.spec.capabilities import known as names_known

RENAME_EXCHANGE = 2
BOUNDING = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "CapBnd" in line)


def known() -> list[str]:
    """Every capability that this machine has to give."""
    return [name for number, name in enumerate(names_known()) if int(BOUNDING, 16) >> number & 1]


AT_FDCWD = -100


def fingerprint() -> str:
    """The interpreter and every file of ours."""
    digest = hashlib.sha256(Path(real_interpreter()).read_bytes())
    for file in sorted(Path(tiffin.__path__[0]).rglob("*.py")):
        digest.update(str(file.stat().st_ino).encode() + file.read_bytes()[:64])
    return digest.hexdigest()


def compile_static(source: str, target: str) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc with a static C library")
    subprocess.run(["gcc", "-O1", "-static", "-x", "c", "-o", target, "-"], input=source, text=True, check=True)


async def sleeper(house: House, **options: object) -> Running:
    running = await house.start(["sh", "-c", "echo up; while :; do sleep 1000 & wait; done"], **options)
    await running.client.line_with(b"up")
    return running


# -- CVE-2019-5736: the runtime's binary through /proc/<pid>/exe -------------------------------------------------------

LOADER = r"""
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
/* stands where the interpreter expects its dynamic loader: whatever runs the interpreter runs this instead */
int main(void) {
    char path[64]; int fd = open("/proc/self/exe", O_RDONLY); int parent;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int direct = open("/proc/self/exe", O_WRONLY), by_fd = open(path, O_WRONLY), e = errno;
    if (direct >= 0 || by_fd >= 0) { printf("WRITABLE\n"); return 1; }
    printf("refused: %s\n", strerror(e));
    parent = fork();
    if (parent == 0) { execl("/bin/sleep", "sleep", "0", (char *)0); _exit(9); }
    int again = open(path, O_WRONLY);
    printf(again >= 0 ? "WRITABLE\n" : "refused: %s\n", strerror(errno));
    return 0;
}
"""


async def test_cve_2019_5736_an_entrypoint_that_is_the_runtime_itself_cannot_write_it(house: House) -> None:
    before = fingerprint()
    image = house.copy_image("self-exe")
    with open(f"{image}/evil", "w", encoding="utf-8") as file:
        file.write("#!/proc/self/exe\n")
    os.chmod(f"{image}/evil", 0o755)
    os.makedirs(f"{image}/lib64")
    loader = subprocess.run(
        ["readelf", "-p", ".interp", real_interpreter()], capture_output=True, text=True, check=False
    ).stdout
    name = next((word for word in loader.split() if word.startswith("/lib")), "/lib64/ld-linux-x86-64.so.2")
    os.makedirs(os.path.dirname(f"{image}{name}"), exist_ok=True)
    compile_static(LOADER, f"{image}{name}")
    try:
        result = await house.run(["/evil"], lower=[image], caps=known())
    except StartError:
        pass  # refused before it ran: as good
    else:
        assert b"WRITABLE" not in result.out
        assert b"refused" in result.out, result
    assert fingerprint() == before


RACER = r"""
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* for ever: open what every process in sight is made of, for writing */
int main(void) {
    long seen = 0, tries = 0; int self = getpid();
    printf("up\n"); fflush(stdout);
    fcntl(0, F_SETFL, O_NONBLOCK);
    char byte;
    while (read(0, &byte, 1) != 0) {
        DIR *proc = opendir("/proc"); struct dirent *entry;
        while ((entry = readdir(proc))) {
            int pid = atoi(entry->d_name); char path[300], link[300]; int fd; ssize_t n;
            if (pid < 1 || pid == self) continue;
            snprintf(path, sizeof path, "/proc/%d/exe", pid);
            tries++;
            n = readlink(path, link, sizeof link - 1);
            if (n > 0) { link[n] = 0; if (!strstr(link, "busybox") && !strstr(link, "racer")) seen++; }
            fd = open(path, O_RDONLY);
            if (fd >= 0) {
                char again[64]; int w; snprintf(again, sizeof again, "/proc/self/fd/%d", fd);
                n = readlink(again, link, sizeof link - 1); link[n > 0 ? n : 0] = 0;
                w = strstr(link, "busybox") || strstr(link, "racer") ? -1 : open(again, O_WRONLY);
                if (w >= 0) { printf("WRITABLE %s\n", link); close(w); }
                close(fd);
            }
            snprintf(path, sizeof path, "/proc/%d/root/etc/hostname", pid);
            fd = open(path, O_RDONLY); if (fd >= 0) { printf("OUTSIDE %s\n", path); close(fd); }
            snprintf(path, sizeof path, "/proc/%d/status", pid);
            FILE *status = fopen(path, "r"); unsigned long caps = 0; char line[200];
            while (status && fgets(line, sizeof line, status)) sscanf(line, "CapPrm: %lx", &caps);
            if (status) fclose(status);
            if (caps >> 21 & 1) printf("ADMIN %lx\n", caps);
            snprintf(path, sizeof path, "/proc/%d/mem", pid);
            fd = open(path, O_RDWR);
            if (fd >= 0) {
                snprintf(path, sizeof path, "/proc/%d/exe", pid);
                n = readlink(path, link, sizeof link - 1); link[n > 0 ? n : 0] = 0;
                if (n > 0 && !strstr(link, "busybox") && !strstr(link, "racer")) printf("MEMORY %s\n", link);
                close(fd);
            }
        }
        closedir(proc);
    }
    printf("end tries %ld seen %ld\n", tries, seen);
    return 0;
}
"""


@pytest.mark.parametrize("more", [[], ["CAP_SYS_PTRACE"]], ids=["default", "tracing"])
async def test_cve_2019_5736_an_exec_race_never_gets_a_writable_file(house: House, more: list[str]) -> None:
    """Nor the host's root, nor sight of a process that has more privileges, for a container that may trace
    (CVE-2016-9962) would become that process."""
    before = fingerprint()
    image = house.copy_image("racer")
    compile_static(RACER, f"{image}/bin/racer")
    shutil.rmtree(f"{image}/etc/hostname", ignore_errors=True)
    running = await house.start(["racer"], lower=[image], open_stdin=True, caps=[*DEFAULT, *more])
    await running.client.line_with(b"up")
    for _ in range(40):
        await running.exec_result(["true"])
    running.client.end_input()
    result = await running.finish()
    assert b"end tries" in result.out
    for word in (b"WRITABLE", b"OUTSIDE", b"ADMIN", *([] if more else [b"MEMORY"])):
        assert word not in result.out, result.out[:500]
    assert fingerprint() == before


async def test_cve_2019_5736_not_even_root_of_the_host_can_open_the_shims_executable_for_writing(house: House) -> None:
    running = await sleeper(house)
    for pid in (running.shim_pid, house.spawner.pid):
        with pytest.raises(OSError, match=r"Read-only|Text file busy|not permitted"):
            os.open(f"/proc/{pid}/exe", os.O_WRONLY)
        with pytest.raises(OSError, match=r"Read-only|Text file busy|not permitted"):
            os.open(f"/proc/{pid}/exe", os.O_WRONLY | os.O_APPEND)
    await running.kill()


# -- CVE-2019-16884, CVE-2019-19921, CVE-2023-27561, CVE-2023-28642: /proc and /sys -----------------------------------


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
@pytest.mark.parametrize("target", ["/tmp", "../../../../../../tmp", "etc"])
async def test_cve_2019_19921_an_image_whose_proc_or_sys_is_a_link_does_not_start(
    house: House, name: str, target: str
) -> None:
    image = house.copy_image("linked")
    os.rmdir(f"{image}/{name}")
    os.symlink(target, f"{image}/{name}")
    with pytest.raises(StartError, match="must not be a symbolic link"):
        await house.start(["true"], lower=[image])
    assert [entry for entry in ("null", "pts", "self", "kernel") if entry in os.listdir("/tmp")] == []


@pytest.mark.parametrize("place", ["/proc", "/proc/", "/proc/self", "/proc/sys", "/proc/self/attr", "/p/sys", "/p"])
@pytest.mark.parametrize("kind", ["bind", "tmpfs"])
async def test_cve_2019_16884_nothing_is_mounted_over_proc(house: House, place: str, kind: str) -> None:
    image = house.copy_image("over-proc")
    os.symlink("proc", f"{image}/p")
    source = f"{house.root}/over-proc-volume"
    os.makedirs(f"{source}/self/attr", exist_ok=True)
    what = bind(source, place) if kind == "bind" else mount(place, "tmpfs", "tmpfs")
    with pytest.raises(StartError, match="inside /proc"):
        await house.start(["true"], lower=[image], mounts=[what])


async def test_a_file_of_proc_that_only_informs_may_be_replaced(house: House) -> None:
    source = f"{house.root}/meminfo"
    Path(source).write_text("MemTotal: 1 kB\n", encoding="utf-8")
    assert (await house.sh("cat /proc/meminfo", mounts=[bind(source, "/proc/meminfo")])).out == b"MemTotal: 1 kB\n"


async def test_the_hosts_procfs_may_be_bound_on_proc(house: House) -> None:
    result = await house.sh("test -e /proc/1/stat && echo yes", mounts=[bind("/proc", "/proc")])
    assert result.out == b"yes\n"


# -- CVE-2021-30465, CVE-2024-45310: a mount target is swapped for a link during set-up --------------------------------


@contextmanager
def swapping(directory: str, one: str, two: str) -> Iterator[None]:
    """Exchange two names below a directory as fast as it goes, in a process of its own."""
    renameat2 = libc["renameat2"]
    renameat2.argtypes = (c_int, c_char_p, c_int, c_char_p, c_uint)
    first, second = f"{directory}/{one}".encode(), f"{directory}/{two}".encode()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write)
        os.set_blocking(read, False)
        while True:
            for _ in range(1000):
                renameat2(AT_FDCWD, first, AT_FDCWD, second, RENAME_EXCHANGE)
            try:
                if os.read(read, 1) == b"":
                    os._exit(0)
            except BlockingIOError:
                pass
    os.close(read)
    try:
        yield
    finally:
        os.close(write)
        os.waitpid(pid, 0)


async def test_cve_2021_30465_a_target_that_is_swapped_for_a_link_leads_nowhere(house: House) -> None:
    shared = f"{house.root}/race"
    victim = f"{house.root}/victim"
    source = f"{house.root}/race-source"
    for path in (f"{shared}/a", victim, source):
        os.makedirs(path, exist_ok=True)
    Path(f"{source}/marker").write_text("mounted here", encoding="utf-8")
    os.symlink("/" + "../" * 20 + victim.lstrip("/"), f"{shared}/b")

    def table() -> list[str]:
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            return [line for line in file if house.root in line]

    before = table()
    script = "ls /shared/a/sub /shared/b/sub; cat /proc/self/mountinfo"
    outcomes = {"started": 0, "refused": 0}
    with swapping(shared, "a", "b"):
        for _ in range(25):
            batch = [
                house.sh(script, mounts=[bind(shared, "/shared"), bind(source, "/shared/a/sub")]) for _ in range(4)
            ]
            for outcome in await asyncio.gather(*batch, return_exceptions=True):
                if isinstance(outcome, StartError):
                    outcomes["refused"] += 1
                else:
                    assert not isinstance(outcome, BaseException), outcome
                    outcomes["started"] += 1
    assert sum(outcomes.values()) == 100
    assert table() == before
    assert os.listdir(victim) == []


# -- CVE-2024-21626: leaked descriptors and working directories through them ------------------------------------------


async def test_cve_2024_21626_the_first_process_holds_only_its_three_streams(house: House) -> None:
    result = await house.run(["ls", "/proc/1/fd"])
    assert set(result.out.split()) <= {b"0", b"1", b"2", b"3"}  # 3 is ls's own directory
    script = "exec sleep 1000"
    running = await house.start(["sh", "-c", script])
    code, out, _ = await running.exec_result(["sh", "-c", "while grep -q sh /proc/1/comm; do :; done; ls /proc/1/fd"])
    assert (code, out.split()) == (0, [b"0", b"1", b"2"])
    _, out, _ = await running.exec_result(["sh", "-c", "ls -l /proc/$$/fd"])
    assert [line.split()[-3] for line in out.decode().splitlines() if "->" in line] in (
        ["0", "1", "2"],
        ["0", "1", "2", "10"],
    )
    await running.kill()


async def test_cve_2024_21626_no_descriptor_is_a_way_out_as_working_directory_of_run(house: House) -> None:
    for first in range(3, 101, 14):
        starts = [
            house.run(["sh", "-c", "pwd; ls"], cwd=f"/proc/self/fd/{number}")
            for number in range(first, min(first + 14, 101))
        ]
        for outcome in await asyncio.gather(*starts, return_exceptions=True):
            assert isinstance(outcome, StartError), outcome


async def test_cve_2024_21626_no_descriptor_is_a_way_out_as_working_directory_of_exec(house: House) -> None:
    running = await sleeper(house)
    for number in range(3, 101):
        with pytest.raises(StartError):
            await running.exec(["sh", "-c", "pwd; ls"], cwd=f"/proc/self/fd/{number}")
    for place in ("/proc/self/root/proc/self/fd/8", "/proc/thread-self/fd/8", "/dev/fd/8", "/proc/self/cwd"):
        with pytest.raises(StartError):
            await running.exec(["true"], cwd=place)
    await running.kill()


async def test_cve_2024_21626_a_link_in_the_image_to_a_descriptor_is_no_way_out(house: House) -> None:
    image = house.copy_image("fd-links")
    for number in range(3, 20):
        os.symlink(f"/proc/self/fd/{number}", f"{image}/fd{number}")
    running = await sleeper(house, lower=[image])
    for number in range(3, 20):
        with pytest.raises(StartError):
            await running.exec(["true"], cwd=f"/fd{number}")
        with pytest.raises(StartError):
            await house.start(["true"], lower=[image], cwd=f"/fd{number}")
    await running.kill()


async def test_cve_2024_21626_a_program_named_through_a_descriptor_is_not_the_hosts(house: House) -> None:
    """The path of the program may not reach through an inherited descriptor either."""
    running = await sleeper(house)
    for number in range(3, 40):
        with pytest.raises(StartError):
            await running.exec([f"/proc/self/fd/{number}/../../../../../../bin/ls"])
    await running.kill()


# -- CVE-2025-31133, CVE-2025-52565, CVE-2025-52881: masks, console, procfs writes ------------------------------------


async def test_cve_2025_31133_a_false_null_device_in_the_image_masks_nothing_else(house: House) -> None:
    image = house.copy_image("null-link")
    os.symlink("/proc/sys/kernel/core_pattern", f"{image}/dev/null")
    before = Path("/proc/sys/kernel/core_pattern").read_text(encoding="utf-8")
    script = "stat -c %t:%T /dev/null /proc/keys /proc/interrupts; echo evil >/proc/sys/kernel/core_pattern"
    result = await house.sh(script, lower=[image])
    assert result.out.split() == [b"1:3"] * 3
    assert b"Read-only" in result.err
    assert Path("/proc/sys/kernel/core_pattern").read_text(encoding="utf-8") == before


async def test_cve_2025_31133_a_volume_over_dev_cannot_replace_the_mask(house: House) -> None:
    volume = f"{house.root}/dev-volume"
    os.makedirs(volume, exist_ok=True)
    for name, target in (("null", "/proc/sysrq-trigger"), ("console", "/proc/sys/kernel/core_pattern")):
        if not os.path.lexists(f"{volume}/{name}"):
            os.symlink(target, f"{volume}/{name}")
    result = await house.sh("stat -c %t:%T /proc/keys /proc/interrupts", mounts=[bind(volume, "/dev")])
    assert result.out.split() == [b"1:3"] * 2


@pytest.mark.parametrize("target", ["/proc/sys/kernel/core_pattern", "/etc/passwd", "pts/0", "/proc/sysrq-trigger"])
async def test_cve_2025_52565_the_console_lands_on_no_link(house: House, target: str) -> None:
    volume = f"{house.root}/console-volume"
    shutil.rmtree(volume, ignore_errors=True)
    os.makedirs(f"{volume}/pts")
    os.symlink(target, f"{volume}/console")
    with pytest.raises(StartError, match="must not be a symbolic link"):
        await house.start(["sh", "-c", "mount"], tty=True, mounts=[bind(volume, "/dev"), *devpts()])


def devpts() -> list[dict[str, object]]:
    return [mount("/dev/pts", "devpts", "devpts", "newinstance", "ptmxmode=0666", "mode=0620")]


async def test_cve_2025_52565_a_false_terminal_device_is_refused(house: House) -> None:
    """A devpts that is not one: what stands at /dev/pts/ptmx is the null device."""
    volume = f"{house.root}/false-pts"
    os.makedirs(volume, exist_ok=True)
    if not os.path.exists(f"{volume}/ptmx"):
        os.mknod(f"{volume}/ptmx", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    with pytest.raises(StartError):
        await house.start(["true"], tty=True, mounts=[bind(volume, "/dev/pts")])


async def test_cve_2025_52881_sysctls_are_written_to_procfs_and_nowhere_else(house: House) -> None:
    shared = f"{house.root}/sysctl-volume"
    os.makedirs(shared, exist_ok=True)
    settings = {"net.ipv4.ip_unprivileged_port_start": "99"}
    result = await house.sh("cat /proc/sys/net/ipv4/ip_unprivileged_port_start", linux={"sysctl": settings})
    assert result.out == b"99\n"
    for key in ("../../etc/passwd", "kernel.core_pattern/../../../self/oom_score_adj"):
        with pytest.raises(StartError):
            await house.start(["true"], linux={"sysctl": {key: "1"}})


async def test_core_pattern_sysrq_and_their_kin_cannot_be_written(house: House) -> None:
    files = (
        "/proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sysrq-trigger /proc/sys/vm/panic_on_oom "
        "/proc/sys/kernel/hotplug /sys/kernel/uevent_helper /sys/kernel/mm/transparent_hugepage/enabled "
        "/proc/irq/default_smp_affinity /proc/sys/fs/binfmt_misc/register"
    )
    script = f"for f in {files}; do [ -e $f ] && (echo x >$f) 2>/dev/null && echo written $f; done; true"
    for caps in (DEFAULT, [name for name in known() if name != "CAP_SYS_ADMIN"]):
        assert (await house.sh(script, caps=caps)).out == b""


# -- CVE-2026-41579, CVE-2026-47766: /dev of the image is a link -------------------------------------------------------


async def test_cve_2026_41579_a_linked_dev_creates_nothing_outside(house: House) -> None:
    outside = f"{house.root}/outside-dev"
    os.makedirs(outside, exist_ok=True)
    image = house.copy_image("dev-link")
    os.rmdir(f"{image}/dev")
    os.symlink(outside, f"{image}/dev")
    without_dev = [{"destination": "/dev", **entry} for entry in (bind(outside, "/unused"),)]
    for mounts in ([], [{**without_dev[0], "destination": "/other"}]):
        with pytest.raises(StartError):
            await house.start(["true"], lower=[image], mounts=mounts)
    assert os.listdir(outside) == []


async def test_a_device_that_is_asked_for_below_a_link_stays_inside(house: House) -> None:
    outside = f"{house.root}/outside-node"
    os.makedirs(outside, exist_ok=True)
    image = house.copy_image("node-link")
    os.symlink(outside, f"{image}/nodes")
    device = {"path": "/nodes/mine", "type": "c", "major": 1, "minor": 3}
    try:
        await house.sh("true", lower=[image], linux={"devices": [device]})
    except StartError:
        pass
    assert os.listdir(outside) == []


async def test_volumes_and_directories_through_absolute_links_stay_inside(house: House) -> None:
    outside = f"{house.root}/outside-volume"
    os.makedirs(outside, exist_ok=True)
    image = house.copy_image("volume-link")
    for name in ("data", "work"):
        os.symlink(outside, f"{image}/{name}")
    source = f"{house.root}/volume-source"
    os.makedirs(source, exist_ok=True)
    copy_up = [{"source": source, "destination": "/data"}]
    mounts = [bind(source, "/data/sub")]
    await house.sh("true", lower=[image], mounts=mounts, copy_up=copy_up, cwd="/work/a/b")
    assert os.listdir(outside) == []


# -- CVE-2022-29162, CVE-2022-24769, CVE-2022-27649: capabilities -----------------------------------------------------


def capability_sets(status: bytes) -> dict[str, int]:
    pairs = (line.split() for line in status.decode().splitlines() if line.startswith("Cap"))
    return {name.rstrip(":"): int(value, 16) for name, value in pairs}


@pytest.mark.parametrize("user", ["", "cook"])
@pytest.mark.parametrize("caps", [DEFAULT, known()], ids=["default", "privileged"])
async def test_cve_2022_24769_no_capability_is_inheritable_or_ambient(
    house: House, user: str, caps: list[str]
) -> None:
    result = await house.run(["cat", "/proc/self/status"], user=user, caps=caps)
    sets = [capability_sets(result.out)]
    running = await sleeper(house)
    sets.append(capability_sets((await running.exec_result(["cat", "/proc/self/status"], user=user, caps=caps))[1]))
    await running.kill()
    for found in sets:
        assert (found["CapInh"], found["CapAmb"]) == (0, 0)
        assert found["CapEff"] == (0 if user else found["CapBnd"])
        assert found["CapPrm"] == (0 if user else found["CapBnd"])
    if len(caps) == len(DEFAULT):
        assert sets[0]["CapBnd"] == 0xA80425FB  # Docker's fourteen


async def test_no_new_privileges_is_set_when_asked(house: House) -> None:
    result = await house.run(["cat", "/proc/self/status"], process={"noNewPrivileges": True}, user="cook")
    assert b"NoNewPrivs:\t1" in result.out


# -- CVE-2022-36109, CVE-2022-2989, CVE-2022-2990: supplementary groups -----------------------------------------------


async def test_cve_2022_36109_the_primary_group_is_among_the_supplementary_ones(house: House) -> None:
    running = await sleeper(house)
    for user, primary in (("cook", 1001), ("cook:audio", 29), ("5000:6000", 6000), ("5000", 0)):
        for out in (
            (await house.run(["cat", "/proc/self/status"], user=user)).out,
            (await running.exec_result(["cat", "/proc/self/status"], user=user))[1],
        ):
            groups = next(line for line in out.decode().splitlines() if line.startswith("Groups:"))
            assert str(primary) in groups.split()[1:]
    await running.kill()


async def test_cve_2022_36109_a_file_that_denies_a_group_stays_denied(house: House) -> None:
    """Mode 0604: everybody but the group may read. Leaving the group by setgid must not help."""
    image = house.copy_image("negative")
    path = f"{image}/denied"
    Path(path).write_text("secret\n", encoding="utf-8")
    os.chown(path, 0, 1001)
    os.chmod(path, 0o604)
    shutil.copy(f"{image}/bin/busybox", f"{image}/bin/asaudio")
    result = await house.sh("cat /denied", user="cook", lower=[image])
    assert b"Permission denied" in result.err
    shutil.copy(f"{image}/bin/busybox", f"{image}/cat")
    os.chown(f"{image}/cat", 0, 29)
    os.chmod(f"{image}/cat", 0o2755)
    result = await house.sh("/cat /denied", user="cook", lower=[image])
    assert (result.out, b"Permission denied" in result.err) == (b"", True)


# -- CVE-2016-3697, CVE-2026-46680, CVE-2026-30892: users ------------------------------------------------------------


async def test_cve_2016_3697_a_user_named_like_a_number_is_not_that_user(house: House) -> None:
    image = house.copy_image("numeric")
    with open(f"{image}/etc/passwd", "w", encoding="utf-8") as file:
        file.write("1000:x:0:0:root in disguise:/:/bin/sh\nroot:x:0:0::/root:/bin/sh\n")
    with open(f"{image}/etc/group", "w", encoding="utf-8") as file:
        file.write("50:x:0:\n")
    running = await sleeper(house, lower=[image])
    assert (await house.sh("id -u; id -g", user="1000:50", lower=[image])).out.split() == [b"1000", b"50"]
    assert (await running.exec_result(["id", "-u"], user="1000"))[1] == b"1000\n"
    await running.kill()


@pytest.mark.parametrize("user", ["4294967295", "4294967296", "18446744073709551616", "0:4294967296", "0x0", "+0"])
async def test_cve_2026_46680_numbers_out_of_range_never_wrap_to_root(house: House, user: str) -> None:
    running = await sleeper(house)
    for attempt in (house.run(["id"], user=user), running.exec_result(["id"], user=user)):
        with pytest.raises(StartError):
            await attempt
    await running.kill()


async def test_huge_numbers_in_the_images_passwd_do_not_wrap(house: House) -> None:
    image = house.copy_image("huge-passwd")
    with open(f"{image}/etc/passwd", "w", encoding="utf-8") as file:
        file.write("evil:x:4294967296:4294967296::/:/bin/sh\nneg:x:-1:0::/:\n" + "long:x:" + "9" * 6000 + ":0::/:\n")
    for user in ("evil", "neg", "long"):
        with pytest.raises(StartError, match="unable to find user"):
            await house.start(["id"], user=user, lower=[image])


@pytest.mark.parametrize("kind", ["fifo", "device", "directory", "link out", "endless"])
async def test_a_passwd_that_is_no_file_neither_blocks_nor_leads_out(house: House, kind: str) -> None:
    image = house.copy_image("odd-passwd")
    path = f"{image}/etc/passwd"
    os.unlink(path)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    elif kind == "directory":
        os.mkdir(path)
    elif kind == "link out":
        os.symlink("/proc/1/root/etc/passwd", path)
    else:
        os.symlink("/dev/zero", path)
    with pytest.raises(StartError, match="unable to find user daemon"):
        await house.start(["id"], user="daemon", lower=[image])


# -- CVE-2023-25809, CVE-2022-0492: cgroups ---------------------------------------------------------------------------


async def test_cve_2022_0492_the_cgroup_file_system_cannot_be_written(house: House) -> None:
    script = (
        "for f in $(find /sys/fs/cgroup -name release_agent -o -name notify_on_release -o -name cgroup.procs "
        "-o -name tasks -o -name devices.allow -o -name memory.limit_in_bytes); do "
        "(echo 1 >$f) 2>/dev/null && echo written $f; done; mkdir /sys/fs/cgroup/x 2>/dev/null && echo made; "
        "for d in /sys/fs/cgroup/*/; do mkdir $d/x 2>/dev/null && echo made $d; done; "
        "find /sys/fs/cgroup -name 'cgroup.procs' | wc -l"
    )
    running = await sleeper(house)
    for out in ((await house.sh(script)).out, (await running.exec_result(["sh", "-c", script]))[1]):
        assert len(out.split()) == 1, out
        assert int(out) > 0
    await running.kill()


async def test_cve_2022_0492_nothing_can_be_mounted_without_the_capability(house: House) -> None:
    caps = [name for name in known() if name != "CAP_SYS_ADMIN"]
    script = (
        "mkdir /m; mount -t tmpfs x /m; mount -t proc x /m; mount -t cgroup -o memory x /m; mount -o bind /bin /m; "
        "mount -o remount,rw /proc/sys; mount -o remount,rw /sys; umount /proc/keys; umount /proc/sys; "
        "unshare -m true && echo unshared; true"
    )
    result = await house.sh(script, caps=caps)
    assert result.out == b""
    assert len(result.err.splitlines()) >= 9, result.err


# -- CVE-2020-15257, and what a container could reach of ours ---------------------------------------------------------


async def test_cve_2020_15257_no_socket_of_ours_is_abstract_and_all_are_roots(house: House) -> None:
    running = await sleeper(house)
    inodes = set()
    for pid in (running.shim_pid, house.spawner.pid):
        for name in os.listdir(f"/proc/{pid}/fd"):
            link = os.readlink(f"/proc/{pid}/fd/{name}")
            if link.startswith("socket:["):
                inodes.add(link[8:-1])
    with open("/proc/net/unix", encoding="utf-8") as file:
        ours = [line.split() for line in file if line.split()[6] in inodes]
    assert ours
    assert [line for line in ours if len(line) > 7 and line[7].startswith("@")] == []
    run_dir = house.supervisor.run_dir(running.id)
    for name in os.listdir(run_dir):
        assert stat.S_IMODE(os.stat(f"{run_dir}/{name}").st_mode) & 0o077 == 0 or name == "config.json"
    assert stat.S_IMODE(os.stat(run_dir).st_mode) == 0o700
    await running.kill()


async def test_in_the_hosts_network_namespace_too_there_is_nothing_to_connect_to(house: House) -> None:
    namespaces = [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")]
    result = await house.sh("cat /proc/net/unix", linux={"namespaces": namespaces})
    assert b"@tiffin" not in result.out
    assert b"@shim" not in result.out


async def test_nothing_of_the_host_is_mapped_or_open_in_a_running_program(house: House) -> None:
    running = await sleeper(house)
    pid = running.shim.pid
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        mapped = {line.split()[-1] for line in file if "/" in line}
    assert mapped <= {"/bin/busybox"}
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    with open(f"/proc/{pid}/environ", "rb") as file:
        assert {entry.split(b"=")[0] for entry in file.read().split(b"\0") if entry} == {b"PATH", b"HOME"}
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as file:
        sources = file.read()
    assert "/run_dir" not in sources
    assert sys.prefix not in sources
    await running.kill()


async def test_no_thread_of_the_runtime_stays_in_the_container(house: House) -> None:
    running = await sleeper(house)
    _, out, _ = await running.exec_result(["sh", "-c", "cat /proc/[0-9]*/comm"])
    assert set(out.split()) <= {b"sh", b"sleep", b"cat"}
    await running.kill()


