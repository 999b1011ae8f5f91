"""Listening sockets and their rights, what systemd passes and hears, who may use TCP, the pid file."""

from __future__ import annotations

import os
import socket
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tiffin.daemon import listeners, sd_notify, tls
from tiffin.daemon.config import Config, ConfigError
from tiffin.daemon.pidfile import PidFile


@pytest.mark.parametrize(
    ("text", "tls_on", "shown"),
    [
        ("unix:///run/x.sock", False, "unix:///run/x.sock"),
        ("tcp://0.0.0.0:99", True, "tcp://0.0.0.0:99"),
        ("tcp://", False, "tcp://127.0.0.1:2375"),
        ("tcp://host", True, "tcp://host:2376"),
        (":2375", False, "tcp://127.0.0.1:2375"),
        ("tcp://[::1]", True, "tcp://[::1]:2376"),
        ("tcp://[::1]:5", True, "tcp://[::1]:5"),
        ("fd://", False, "fd://"),
        ("fd://web", False, "fd://web"),
    ],
)
def test_hosts_are_read_as_dockerd_reads_them(text: str, tls_on: bool, shown: str) -> None:
    assert str(listeners.parse_host(text, tls=tls_on)) == shown


@pytest.mark.parametrize("text", ["http://x", "unix://relative", "tcp://a:b", "tcp://a/b", "unix:///" + "x" * 200])
def test_other_hosts_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="invalid bind address"):
        listeners.parse_host(text, tls=False)


def unix_host(path: Path) -> listeners.Host:
    return listeners.Host("unix", path=str(path))


def test_a_unix_socket_is_for_root_and_its_group_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "x.sock"
    (sock,) = listeners.make(unix_host(path), group="0")
    with sock:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_a_stale_socket_is_replaced_but_a_live_one_and_a_file_are_not(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    (first,) = listeners.make(unix_host(path), group="0")
    with pytest.raises(ConfigError, match="another daemon listens on it"):
        listeners.make(unix_host(path), group="0")
    first.close()
    (second,) = listeners.make(unix_host(path), group="0")
    second.close()
    other = tmp_path / "file"
    other.write_text("precious")
    with pytest.raises(ConfigError, match="is not a socket"):
        listeners.make(unix_host(other), group="0")
    assert other.read_text() == "precious"


def test_an_unknown_group_is_an_error_only_when_asked_for() -> None:
    with pytest.raises(ConfigError, match="group nosuchgroup not found"):
        listeners.group_id("nosuchgroup")
    assert listeners.group_id("1234") == 1234
    assert listeners.group_id("") >= 0


def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host = listeners.Host("tcp", address="127.0.0.1", port=taken.getsockname()[1])
        with pytest.raises(ConfigError, match="bind: address already in use"):
            listeners.make(host)


def test_sockets_of_systemd_are_taken_over_by_name() -> None:
    """In a process of its own: descriptor 3 belongs to the test runner here."""
    script = """
import os, socket
os.environ["LISTEN_PID"] = str(os.getpid())
from tiffin.daemon import listeners, sd_notify
one, = listeners.passed("web")
assert one.fileno() == 3 and not os.get_inheritable(3)
one.detach()
assert [s.detach() for s in listeners.passed("")] == [3]
try:
    listeners.passed("other")
except Exception as error:
    assert "failed to find systemd socket activation fd other" in str(error)
else:
    raise SystemExit(1)
sd_notify.forget_environment()
assert sd_notify.passed_fds() == []
"""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        saved = os.dup(3) if _is_open(3) else -1
        os.dup2(sock.fileno(), 3, inheritable=True)
        try:
            environment = {**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"}
            subprocess.run([sys.executable, "-c", script], check=True, env=environment, pass_fds=[3])
        finally:
            if saved >= 0:
                os.dup2(saved, 3)
                os.close(saved)
            else:
                os.close(3)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not sd_notify.notify("READY=1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert sd_notify.notify("READY=1", "STATUS=well")
        assert systemd.recv(100) == b"READY=1\nSTATUS=well"


@pytest.mark.parametrize(
    "config",
    [Config(), Config(tls=True), Config(tls=None, tlsverify=False)],
    ids=["nothing said", "no client certificate", "verification off but TLS not mentioned"],
)
def test_tcp_is_refused_unless_clients_are_verified_or_insecurity_is_asked_for(config: Config) -> None:
    with pytest.raises(ConfigError, match="refusing to listen on TCP"):
        tls.server_context(config)


def test_tcp_without_tls_may_be_asked_for_by_name() -> None:
    assert tls.server_context(Config(tls=False)) is None


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys")
    files = ["-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem")]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command = ["openssl", "req", "-x509", *curve, "-days", "2", "-nodes", "-subj", "/CN=localhost", *files]
    subprocess.run(command, check=True, capture_output=True)
    return directory


def test_tlsverify_wants_a_clients_certificate(keys: Path) -> None:
    cert, key = str(keys / "cert.pem"), str(keys / "key.pem")
    verified = tls.server_context(Config(tlsverify=True, tlscacert=cert, tlscert=cert, tlskey=key))
    open_to_all = tls.server_context(Config(tls=True, tlsverify=False, tlscert=cert, tlskey=key))
    assert verified is not None and verified.verify_mode == ssl.CERT_REQUIRED
    assert open_to_all is not None and open_to_all.verify_mode == ssl.CERT_NONE
    assert verified.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_missing_keys_are_named(keys: Path) -> None:
    with pytest.raises(ConfigError, match=r'could not load X509 key pair \(cert: "/nope/c"'):
        tls.server_context(Config(tlsverify=True, tlscert="/nope/c", tlskey="/nope/k"))
    cert, key = str(keys / "cert.pem"), str(keys / "key.pem")
    with pytest.raises(ConfigError, match='could not read CA certificate "/nope/ca"'):
        tls.server_context(Config(tlsverify=True, tlscacert="/nope/ca", tlscert=cert, tlskey=key))


def test_a_second_daemon_on_one_pid_file_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "run" / "x.pid")
    first = PidFile(path)
    with pytest.raises(ConfigError, match=f"process with PID {os.getpid()} is still running"):
        PidFile(path)
    first.release()
    assert not os.path.exists(path)
    (tmp_path / "run" / "x.pid").write_text("99999999")
    PidFile(path).release()
