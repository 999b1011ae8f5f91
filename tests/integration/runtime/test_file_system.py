"""What a container sees as its file system: layers, mounts, devices, masks; and what the host sees of it: nothing."""

from __future__ import annotations

import os
import stat

import pytest
from container_house import House, bind, mount

from tiffin.linux.mount import AT_FDCWD, move_mount, umount2
from tiffin.runtime import overlay
from tiffin.runtime.shim_handle import StartError
from tiffin.spec.masked_paths import masked_paths, readonly_paths

LAYERS = 300


async def test_what_is_written_stays_in_the_upper_layer(house: House) -> None:
    running = await house.start(["sh", "-c", "echo new >/etc/new; rm /etc/group; echo x >>/etc/passwd"])
    assert (await running.finish()).code == 0
    upper = f"{running.directory}/upper"
    assert sorted(os.listdir(f"{upper}/etc")) == ["group", "new", "passwd"]
    assert stat.S_ISCHR(os.stat(f"{upper}/etc/group").st_mode)  # a whiteout
    assert sorted(os.listdir(f"{house.image}/etc")) == ["group", "passwd"]


async def test_a_read_only_root_takes_no_writes_but_mounts_do(house: House) -> None:
    tmp = mount("/tmp", "tmpfs", "tmpfs", "nosuid", "size=65536")
    script = "echo x >/file; echo x >/tmp/file && cat /tmp/file; pwd"
    result = await house.sh(script, readonly=True, mounts=[tmp], cwd="/new")
    assert result.out.split() == [b"x", b"/new"]
    assert b"Read-only file system" in result.err


async def test_binds_of_directories_and_files_read_write_and_read_only(house: House) -> None:
    source = f"{house.root}/shared"
    os.makedirs(f"{source}/below", exist_ok=True)
    with open(f"{source}/file", "w", encoding="utf-8") as file:
        file.write("from the host\n")
    mounts = [
        bind(source, "/rw"),
        bind(source, "/ro", "ro"),
        bind(f"{source}/file", "/a/new/file", "ro"),
        bind(f"{source}/file", "/etc/passwd"),
    ]
    script = (
        "echo new >/rw/made; cat /ro/made /a/new/file /etc/passwd; "
        "echo x >/ro/no; echo x >/a/new/file; echo x>>/etc/passwd"
    )
    result = await house.sh(script, mounts=mounts)
    assert result.out == b"new\nfrom the host\nfrom the host\n"
    assert result.err.count(b"Read-only file system") == 2
    with open(f"{source}/file", encoding="utf-8") as file:
        assert file.read() == "from the host\nx\n"


async def test_a_bind_over_a_dangling_link_lands_at_the_links_target_inside(house: House) -> None:
    image = house.copy_image("dangling")
    os.symlink("../run/systemd/resolve/stub.conf", f"{image}/etc/resolv.conf")
    os.symlink("/nowhere/hosts", f"{image}/etc/hosts")
    source = f"{house.root}/resolv.conf"
    with open(source, "w", encoding="utf-8") as file:
        file.write("nameserver 127.0.0.11\n")
    mounts = [bind(source, "/etc/resolv.conf"), bind(source, "/etc/hosts")]
    result = await house.sh("cat /etc/resolv.conf /nowhere/hosts; ls -l /etc/resolv.conf", lower=[image], mounts=mounts)
    assert result.out.count(b"nameserver") == 2
    assert b"-> ../run/systemd" in result.out
    assert not os.path.exists("/nowhere")


async def test_links_in_the_image_that_point_up_stay_inside(house: House) -> None:
    image = house.copy_image("upward")
    os.symlink("../../../../../../tmp", f"{image}/data")
    source = f"{house.root}/source"
    os.makedirs(source, exist_ok=True)
    result = await house.sh("touch /tmp/sub/x", lower=[image], mounts=[bind(source, "/data/sub")])
    assert result.code == 0
    assert os.listdir(source) == ["x"]


async def test_a_file_does_not_go_onto_a_directory_nor_the_other_way_round(house: House) -> None:
    for source, destination in (("/etc/passwd", "/etc"), ("/etc", "/etc/passwd")):
        with pytest.raises(StartError, match="not a directory: Are you trying to mount a directory onto a file"):
            await house.start(["true"], mounts=[bind(source, destination)])


async def test_a_missing_bind_source_is_an_error_or_is_made_when_asked(house: House) -> None:
    source = f"{house.root}/made/by/request"
    with pytest.raises(StartError, match=r"[Nn]o such file or directory"):
        await house.start(["true"], mounts=[bind(source, "/data")])
    result = await house.sh("stat -c %a /data", mounts=[bind(source, "/data")], create_sources=[source])
    assert result.out == b"755\n"


async def test_an_empty_volume_is_filled_from_the_image_once(house: House) -> None:
    volume = f"{house.root}/volume"
    os.makedirs(volume, exist_ok=True)
    options = {"mounts": [bind(volume, "/home")], "copy_up": [{"source": volume, "destination": "/home"}]}
    result = await house.sh("stat -c %u:%g /home/cook; rmdir /home/cook; touch /home/mine", **options)
    assert result.out == b"1000:1001\n"
    result = await house.sh("ls /home", **options)
    assert result.out == b"mine\n"


async def test_tmpfs_options_are_kept(house: House) -> None:
    tmp = mount("/scratch", "tmpfs", "tmpfs", "nosuid", "nodev", "noexec", "size=1m", "mode=1700")
    script = "stat -c %a /scratch; mount | grep ' /scratch '; head -c 2000000 /dev/zero >/scratch/x; wc -c </scratch/x"
    result = await house.sh(script, mounts=[tmp])
    assert result.out.startswith(b"1700\n")
    for word in (b"nosuid", b"nodev", b"noexec", b"size=1024k"):
        assert word in result.out
    assert int(result.out.split()[-1]) <= 1 << 20


async def test_an_unknown_mount_option_is_an_error(house: House) -> None:
    with pytest.raises(StartError, match=r"mount tmpfs: Invalid argument: \w+"):
        await house.start(["true"], mounts=[mount("/scratch", "tmpfs", "tmpfs", "nonsense=1")])


async def test_dev_has_dockers_nodes_and_links(house: House) -> None:
    result = await house.sh(
        "cd /dev; for n in null zero full random urandom tty; do stat -c '%n %t:%T %a' $n; done; "
        "for l in fd stdin stdout stderr core ptmx; do echo $l $(readlink $l); done; "
        "ls; echo x >null; head -c 4 zero | wc -c"
    )
    text = result.out.decode()
    for line in ("null 1:3 666", "zero 1:5 666", "full 1:7 666", "random 1:8 666", "urandom 1:9 666", "tty 5:0 666"):
        assert line in text
    for line in ("fd /proc/self/fd", "stdin /proc/self/fd/0", "core /proc/kcore", "ptmx pts/ptmx"):
        assert line in text
    names = set(text.split("ptmx pts/ptmx\n")[1].split())
    assert names == {
        "null", "zero", "full", "random", "urandom", "tty", "fd", "stdin", "stdout", "stderr", "core", "ptmx",
        "pts", "shm", "mqueue", "4",
    }  # fmt: skip


async def test_a_device_that_was_asked_for_is_there(house: House) -> None:
    fuse = {"path": "/dev/sub/mine", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 5, "gid": 6}
    result = await house.sh("stat -c '%t:%T %a %u:%g' /dev/sub/mine", linux={"devices": [fuse]})
    assert result.out == b"1:5 640 5:6\n"


async def test_every_masked_path_is_empty_and_every_read_only_path_refuses(house: House) -> None:
    script = (
        "for p in $MASKED; do if [ -d $p ]; then ls -A $p; touch $p/x 2>/dev/null && echo written $p; "
        "elif [ -e $p ]; then cat $p; stat -c %t:%T $p | grep -v ^1:3$; fi; done; "
        "for p in $READONLY; do [ -e $p ] || continue; "
        'grep -q " $p ro," /proc/self/mountinfo || echo writable $p; done; true'
    )
    env = ["PATH=/bin", f"MASKED={' '.join(masked_paths())}", f"READONLY={' '.join(readonly_paths())}"]
    result = await house.sh(script, process={"env": env})
    assert (result.out, result.code) == (b"", 0), result


async def test_the_hosts_mount_table_never_shows_a_container(house: House) -> None:
    def table() -> str:
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            return "".join(line for line in file if house.root in line or "overlay" in line)

    before = table()
    running = await house.start(["sh", "-c", "echo up; sleep 100"])
    await running.client.line_with(b"up")
    assert table() == before
    await running.kill()


async def test_three_hundred_layers_mount_and_the_top_one_wins(house: House) -> None:
    layers = make_layers(house)
    result = await house.sh("ls /layers | wc -l; cat /same", lower=[*layers, house.image])
    assert result.out.split() == [str(LAYERS).encode(), b"0"]


async def test_three_hundred_layers_mount_by_option_string_too(house: House, tmp_path: object) -> None:
    layers = make_layers(house)
    for name in ("fallback", "fallback/upper", "fallback/work", "fallback/at"):
        os.makedirs(f"{house.root}/{name}", exist_ok=True)
    pid = os.fork()  # it changes the working directory and, for a moment, the mount namespace: a shim's privilege
    if pid == 0:
        status = 1
        try:
            base = f"{house.root}/fallback"
            fd = overlay._overlay_by_options(layers, f"{base}/upper", f"{base}/work")
            seen = os.listdir(os.open("layers", os.O_RDONLY, dir_fd=fd))
            os.close(os.open("written", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
            status = 0 if len(seen) == LAYERS and os.listdir(f"{base}/upper") == ["written"] else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


async def test_one_layer_too_many_for_the_option_string_is_a_clear_error(house: House) -> None:
    layers = [f"{house.root}/l/{'x' * 40}{number}" for number in range(400)]
    with pytest.raises(OSError, match="400 layers do not fit"):
        overlay._overlay_by_options(layers, None, None)


def make_layers(house: House) -> list[str]:
    """Top first, behind short links as the store has them."""
    base = f"{house.root}/l"
    if not os.path.isdir(base):
        os.mkdir(base)
        for number in range(LAYERS):
            path = f"{house.root}/layers/{number}/diff"
            os.makedirs(f"{path}/layers")
            for name, text in ((f"layers/{number}", ""), ("same", str(number))):
                with open(f"{path}/{name}", "w", encoding="utf-8") as file:
                    file.write(text)
            os.symlink(f"../layers/{number}/diff", f"{base}/{number:03x}")
    return [f"{base}/{number:03x}" for number in range(LAYERS)]


async def test_an_overlay_without_an_upper_layer_is_read_only(house: House) -> None:
    os.makedirs(f"{house.root}/look", exist_ok=True)
    fd = overlay.overlay([f"{house.image}/etc", f"{house.image}/home"], None, None)
    try:
        assert {"passwd", "cook"} <= set(os.listdir(f"/proc/self/fd/{fd}"))
        with pytest.raises(OSError, match="Read-only"):
            os.open("new", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
    finally:
        os.close(fd)


async def test_a_shared_bind_passes_later_mounts_on_and_a_private_one_does_not(house: House) -> None:
    shared = f"{house.root}/propagate"
    os.makedirs(f"{shared}/later", exist_ok=True)
    private = bind(shared, "/private")
    running = await house.start(["sh", "-c", "echo up; read x; ls /private/later"], mounts=[private], open_stdin=True)
    await running.client.line_with(b"up")
    tree = overlay.overlay([f"{house.image}/etc"], None, None)
    move_mount(tree, AT_FDCWD, f"{shared}/later")
    os.close(tree)
    try:
        await running.client.send(b"go\n")
        assert (await running.finish()).out == b""
    finally:
        umount2(f"{shared}/later")
