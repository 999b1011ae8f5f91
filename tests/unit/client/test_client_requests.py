"""client/: addresses, requests and replies, versions, transports, the start of a daemon."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from fake_daemon import Exchange, FakeDaemon

from tiffin.client import autostart, connection, endpoint, environment, ssh
from tiffin.client.client import Client
from tiffin.client.reply import ApiError, BrokenReply
from tiffin.errors import InvalidParameter, Unavailable


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("unix:///run/x.sock", ("unix", "/run/x.sock", "", "")),
        ("/run/x.sock", ("unix", "/run/x.sock", "", "")),
        ("unix://", ("unix", "/run/tiffin/tiffin.sock", "", "")),
        ("tcp://h", ("tcp", "", "h", "2375")),
        ("tcp://[::1]:99", ("tcp", "", "::1", "99")),
        ("ssh://u@h:22/run/x.sock", ("ssh", "/run/x.sock", "h", "22")),
    ],
)
def test_an_address_is_taken_apart(text: str, parts: tuple[str, str, str, str]) -> None:
    found = endpoint.parse(text)
    assert (found.scheme, found.path, found.host, found.port) == parts


@pytest.mark.parametrize("text", ["foo", "ftp://x", "tcp://h:x", "tcp://h:0", "tcp://::1", "tcp://[::1"])
def test_a_bad_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter):
        endpoint.parse(text)


def test_ssh_runs_dial_stdio_and_takes_no_option_for_a_host() -> None:
    assert ssh.command(endpoint.parse("ssh://u@h:22"))[-8:] == [
        "u",
        "-p",
        "22",
        "--",
        "h",
        "tiffin",
        "system",
        "dial-stdio",
    ]
    with pytest.raises(connection.CannotConnect):
        ssh.connect(endpoint.parse("ssh://-oProxyCommand=x"))


def test_an_ssh_host_is_reached_through_its_command(
    daemon: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    fake = tmp_path / "bin" / "ssh"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\nexec {sys.executable} -P -m tiffin -H {daemon.host} system dial-stdio\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    daemon.on("GET", "/x", {"a": 1})
    assert Client(endpoint.parse("ssh://u@h")).get("/x") == {"a": 1}
    os.wait()


def test_flags_come_before_the_environment() -> None:
    choice = environment.Choice()
    assert environment.client(choice, {}).endpoint.path == "/run/tiffin/tiffin.sock"
    assert environment.client(choice, {"DOCKER_HOST": "unix:///a"}).endpoint.path == "/a"
    choice.host = "tcp://h"
    chosen = environment.client(
        choice, {"DOCKER_HOST": "unix:///a", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c"}
    )
    assert chosen.endpoint.port == "2376"
    assert chosen.endpoint.tls is not None
    assert (chosen.endpoint.tls.ca, chosen.endpoint.tls.verify) == ("/c/ca.pem", True)
    assert environment.client(choice, {"DOCKER_API_VERSION": "1.40"}).api_version == "1.40"


def test_an_older_daemon_is_spoken_to_in_its_version(daemon: FakeDaemon) -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.versioned.startswith("/v1.51"):
            message = "client version 1.51 is too new. Maximum supported API version is 1.41"
            exchange.reply({"message": message}, 400)
        else:
            exchange.reply({"ok": exchange.versioned})

    daemon.on("GET", "/x", answer)
    client = Client(endpoint.parse(daemon.host))
    assert client.get("/x") == {"ok": "/v1.41/x"}
    assert client.get("/x") == {"ok": "/v1.41/x"}
    assert len(daemon.seen) == 3


def test_an_error_has_the_daemons_words(daemon: FakeDaemon) -> None:
    daemon.on("GET", "/x", {"message": "no such thing"}, 404)
    with pytest.raises(ApiError) as caught:
        Client(endpoint.parse(daemon.host)).get("/x")
    assert (caught.value.status, caught.value.message) == (404, "no such thing")


def test_a_reply_cut_short_is_an_error(daemon: FakeDaemon) -> None:
    def cut(exchange: Exchange) -> None:
        exchange.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        exchange.sock.shutdown(socket.SHUT_RDWR)

    daemon.on("GET", "/x", cut)
    with pytest.raises(BrokenReply):
        Client(endpoint.parse(daemon.host)).get("/x")


def test_an_early_refusal_of_an_upload_is_read(daemon: FakeDaemon) -> None:
    listener = socket.socket(socket.AF_UNIX)
    path = daemon.path + ".early"
    listener.bind(path)
    listener.listen()

    def refuse() -> None:
        sock, _ = listener.accept()
        sock.recv(1000)
        sock.sendall(b'HTTP/1.1 413 X\r\nContent-Length: 17\r\n\r\n{"message":"big"}')
        sock.shutdown(socket.SHUT_RD)
        sock.recv(1)
        sock.close()

    thread = threading.Thread(target=refuse)
    thread.start()
    with pytest.raises(ApiError, match="big"):
        Client(endpoint.parse(path)).request("POST", "/x", (), (b"x" * 65536 for _ in range(1000)))
    thread.join(10)
    listener.close()


def certificates(directory: Path) -> None:
    """A throw-away authority and a certificate for localhost, by openssl."""
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    files = ["-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem")]
    subprocess.run([*command, *files, *subject], check=True, capture_output=True)
    (directory / "ca.pem").write_bytes((directory / "cert.pem").read_bytes())


def test_a_daemon_behind_tls_is_checked_and_streams_both_ways(tmp_path: Path) -> None:
    certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    context.load_verify_locations(tmp_path / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))
    got: list[bytes] = []

    def serve() -> None:
        raw, _ = listener.accept()
        with context.wrap_socket(raw, server_side=True) as sock:
            head = b""
            while b"\r\n\r\n" not in head:
                head += sock.recv(65536)
            sock.sendall(b"HTTP/1.1 101 UPGRADED\r\n\r\nhello ")
            body = head.partition(b"\r\n\r\n")[2]
            while data := sock.recv(65536):
                body += data
            got.append(body)
            sock.sendall(b"o" * (4 << 20))

    thread = threading.Thread(target=serve)
    thread.start()
    files = endpoint.TlsFiles(*(str(tmp_path / name) for name in ("ca.pem", "cert.pem", "key.pem")), True)
    where = endpoint.parse(f"tcp://localhost:{listener.getsockname()[1]}", files)
    hijacked = Client(where).hijack("/x")
    hijacked.sock.sendall(b"i" * (2 << 20))
    hijacked.sock.shutdown(socket.SHUT_WR)
    out = hijacked.tail
    while data := hijacked.sock.recv(65536):
        out += data
    hijacked.sock.close()
    thread.join(20)
    listener.close()
    assert (len(got[0]), out) == (2 << 20, b"hello " + b"o" * (4 << 20))


def test_an_untrusted_certificate_is_refused(tmp_path: Path) -> None:
    certificates(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    certificates(other)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        raw, _ = listener.accept()
        try:
            context.wrap_socket(raw, server_side=True).close()
        except OSError:
            raw.close()

    thread = threading.Thread(target=serve)
    thread.start()
    files = endpoint.TlsFiles(str(other / "ca.pem"), "", "", True)
    where = endpoint.parse(f"tcp://localhost:{listener.getsockname()[1]}", files)
    with pytest.raises(connection.CannotConnect, match="certificate verify failed"):
        Client(where).get("/x")
    thread.join(10)
    listener.close()


def spawn_of(script: str):  # type: ignore[no-untyped-def]
    """A stand-in for the daemon's program: `python -c script socket`, its output in the log."""
    import sys

    def spawn(log: str) -> int:
        path = os.path.join(os.path.dirname(log), "d.sock")
        words = [sys.executable, "-I", "-c", script, path]
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        actions = [(os.POSIX_SPAWN_OPEN, 1, log, flags, 0o600), (os.POSIX_SPAWN_DUP2, 1, 2)]
        return os.posix_spawn(words[0], words, os.environ, file_actions=actions)

    return spawn


SERVE_ONCE = """
import socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()
for answer in (b"OK", b"{}"):
    c, _ = s.accept()
    c.recv(1000)
    c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n" + answer)
    c.close()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts a daemon")
def test_a_daemon_is_started_where_none_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autostart, "_spawn", spawn_of(SERVE_ONCE))
    client = Client(endpoint.parse(f"unix://{tmp_path}/d.sock"), revive=autostart.revive)
    assert client.get("/x") == {}
    os.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts a daemon")
def test_a_daemon_that_cannot_start_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autostart, "_spawn", spawn_of("import sys; sys.exit('the disk is on fire')"))
    client = Client(endpoint.parse(f"unix://{tmp_path}/d.sock"), revive=autostart.revive)
    with pytest.raises(Unavailable, match="the disk is on fire"):
        client.get("/x")


def test_nobody_but_root_starts_a_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    client = Client(endpoint.parse(f"unix://{tmp_path}/d.sock"), revive=autostart.revive)
    with pytest.raises(connection.CannotConnect, match="Is it running"):
        client.get("/x")
