"""The other commands against a canned daemon: what they ask, print and return."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from fake_daemon import Exchange, FakeDaemon, Run, frame

CONTAINER = {
    "Id": "a" * 64,
    "Names": ["/web"],
    "Image": "busybox",
    "ImageID": "sha256:" + "1" * 64,
    "Command": "sh -c 'sleep a very long time'",
    "Created": 0,
    "Ports": [],
    "Labels": {"b": "2", "a": "1"},
    "State": "running",
    "Status": "Up 2 hours",
    "NetworkSettings": {"Networks": {"bridge": {}}},
    "Mounts": [],
}


def test_ps_is_a_table(daemon: FakeDaemon, tiffin: Run) -> None:
    daemon.on("GET", "/containers/json", [{**CONTAINER, "Created": int(time.time()) - 7300}])
    assert tiffin("ps").stdout.decode().splitlines() == [
        "CONTAINER ID   IMAGE     COMMAND                  CREATED       STATUS       PORTS     NAMES",
        'aaaaaaaaaaaa   busybox   "sh -c \'sleep a very…"   2 hours ago   Up 2 hours             web',
    ]


def test_ps_passes_its_filters_on(daemon: FakeDaemon, tiffin: Run) -> None:
    daemon.on("GET", "/containers/json", [])
    tiffin("container", "ls", "-a", "-n", "3", "-f", "name=x", "-f", "name=y", "--filter", "status=exited")
    query = daemon.requests("GET", "/containers/json")[0].query
    assert (query["all"], query["limit"]) == (["1"], ["3"])
    assert json.loads(query["filters"][0]) == {"name": {"x": True, "y": True}, "status": {"exited": True}}


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("{{.Names}}", "web\n"),
        ('{{.ID}} {{.Label "a"}} {{.Labels}} {{.Networks}}', "aaaaaaaaaaaa 1 a=1,b=2 bridge\n"),
        (r"table {{.Names}}\t{{.State}}", "NAMES     STATE\nweb       running\n"),
    ],
)
def test_ps_prints_by_template(daemon: FakeDaemon, tiffin: Run, form: str, text: str) -> None:
    daemon.on("GET", "/containers/json", [CONTAINER])
    assert tiffin("ps", "--format", form).stdout.decode() == text


def test_a_command_without_a_daemon_says_so(tiffin: Run) -> None:
    done = tiffin("ps", DOCKER_HOST="unix:///nonexistent/s")
    assert done.returncode == 1
    assert done.stderr == b"Cannot connect to the tiffin daemon at unix:///nonexistent/s. Is it running?\n"


def test_an_unknown_flag_is_named_with_what_to_do(tiffin: Run) -> None:
    done = tiffin("run", "--foo", "busybox")
    assert done.returncode == 125
    assert done.stderr.decode() == (
        "unknown flag: --foo\n\nUsage:  tiffin run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\n"
        "Run 'tiffin run --help' for more information\n"
    )


def test_an_unknown_command_is_named_with_the_nearest(tiffin: Run) -> None:
    done = tiffin("pss")
    assert (done.returncode, done.stderr.decode()) == (
        1,
        "tiffin: 'pss' is not a tiffin command.\nDid you mean 'tiffin ps'?\nSee 'tiffin --help'\n",
    )


def test_the_number_of_arguments_is_checked(tiffin: Run) -> None:
    done = tiffin("tag", "a")
    assert done.returncode == 1
    assert done.stderr.startswith(b"tiffin: 'tiffin tag' requires 2 arguments\n")


def test_every_command_of_the_table_loads_and_has_help(tiffin: Run) -> None:
    from tiffin.cli import table
    from tiffin.cli.help import command_help

    for noun, entries in [("", table.TOP), *table.NOUNS.items()]:
        for name, entry in entries.items():
            if name == "daemon":
                continue
            path = f"{noun} {name}".strip()
            assert command_help(path, table.load(entry)).startswith(f"Usage:  tiffin {path}")


def test_failures_of_some_names_do_not_stop_the_others(daemon: FakeDaemon, tiffin: Run) -> None:
    daemon.on("POST", "/containers/gone/stop", {"message": "No such container: gone"}, 404)
    daemon.on("POST", "/containers/(a|b)/stop", None, 204)
    done = tiffin("stop", "-t", "3", "a", "gone", "b")
    assert (done.returncode, done.stdout) == (1, b"a\nb\n")
    assert done.stderr == b"Error response from daemon: No such container: gone\n"
    assert daemon.requests("POST", "/containers/a/stop")[0].query == {"t": ["3"]}


def test_rm_force_is_content_with_what_is_gone(daemon: FakeDaemon, tiffin: Run) -> None:
    daemon.on("DELETE", "/containers/gone", {"message": "No such container: gone"}, 404)
    assert tiffin("rm", "gone").returncode == 1
    assert tiffin("rm", "-fv", "gone").returncode == 0
    assert daemon.requests("DELETE", "/containers/gone")[1].query == {"force": ["1"], "v": ["1"]}


def test_wait_prints_the_codes(daemon: FakeDaemon, tiffin: Run) -> None:
    daemon.on("POST", "/containers/[ab]/wait", {"StatusCode": 3})
    assert tiffin("wait", "a", "b").stdout == b"3\n3\n"


def test_logs_go_to_their_streams(daemon: FakeDaemon, tiffin: Run) -> None:
    daemon.on("GET", "/containers/web/json", {"Id": "x", "Config": {"Tty": False}})
    daemon.on("GET", "/containers/x/logs", lambda e: e.reply(frame(1, b"out\n") + frame(2, b"err\n")))
    done = tiffin("logs", "-f", "-t", "--tail", "5", "--since", "1700000000", "web")
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")
    query = daemon.requests("GET", "/containers/x/logs")[0].query
    assert query == {
        "stdout": ["1"],
        "stderr": ["1"],
        "since": ["1700000000"],
        "timestamps": ["1"],
        "follow": ["1"],
        "tail": ["5"],
    }


def test_inspect_looks_through_the_kinds(daemon: FakeDaemon, tiffin: Run) -> None:
    daemon.on("GET", "/images/x/json", {"Id": "sha256:1", "Size": 3})
    done = tiffin("inspect", "-f", "{{.ID}} {{.Size}}", "x")
    assert (done.returncode, done.stdout) == (0, b"sha256:1 3\n")
    done = tiffin("inspect", "gone")
    assert (done.returncode, done.stdout, done.stderr) == (1, b"[]\n", b"Error: No such object: gone\n")


def test_inspect_keeps_the_daemons_order_of_keys(daemon: FakeDaemon, tiffin: Run) -> None:
    daemon.on("GET", "/containers/x/json", {"Z": 1, "A": [], "M": {"b": None}})
    expected = (
        '[\n    {\n        "Z": 1,\n        "A": [],\n        "M": {\n            "b": null\n        }\n    }\n]\n'
    )
    assert tiffin("container", "inspect", "x").stdout.decode() == expected


def test_load_sends_the_archive_and_shows_what_came(daemon: FakeDaemon, tiffin: Run, tmp_path: Path) -> None:
    daemon.on("POST", "/images/load", lambda e: e.reply(b'{"stream":"Loaded image: x:latest\\n"}\n'))
    (tmp_path / "a.tar").write_bytes(b"tar" * 300_000)
    assert tiffin("load", "-i", str(tmp_path / "a.tar")).stdout == b"Loaded image: x:latest\n"
    assert tiffin("load", stdin=b"piped").stdout == b"Loaded image: x:latest\n"
    assert [len(e.body) for e in daemon.requests("POST", "/images/load")] == [900_000, 5]


def test_an_error_in_progress_ends_the_command(daemon: FakeDaemon, tiffin: Run) -> None:
    daemon.on("POST", "/images/load", lambda e: e.reply(b'{"errorDetail":{"message":"bad tar"},"error":"bad tar"}\n'))
    done = tiffin("load", stdin=b"x")
    assert (done.returncode, done.stderr) == (1, b"bad tar\n")


def test_save_leaves_a_whole_file_or_none(daemon: FakeDaemon, tiffin: Run, tmp_path: Path) -> None:
    daemon.on("GET", "/images/get", lambda e: e.reply(b"archive"))
    assert tiffin("save", "-o", str(tmp_path / "out"), "x").returncode == 0
    assert (tmp_path / "out").read_bytes() == b"archive"

    def cut(exchange: Exchange) -> None:
        exchange.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
        exchange.sock.shutdown(2)

    daemon.on("GET", "/images/get", cut)
    assert tiffin("save", "-o", str(tmp_path / "cut"), "x").returncode == 1
    assert not [path for path in tmp_path.iterdir() if "cut" in path.name]


def test_import_names_its_source_and_target(daemon: FakeDaemon, tiffin: Run) -> None:
    daemon.on("POST", "/images/create", lambda e: e.reply(b'{"status":"sha256:1"}\n'))
    done = tiffin("import", "-m", "why", "-c", "CMD sh", "-", "reg:5000/x:1", stdin=b"tar")
    assert done.stdout == b"sha256:1\n"
    exchange = daemon.requests("POST", "/images/create")[0]
    assert exchange.query == {
        "fromSrc": ["-"],
        "changes": ["CMD sh"],
        "message": ["why"],
        "repo": ["reg:5000/x"],
        "tag": ["1"],
    }
    assert exchange.body == b"tar"


def test_events_are_printed_as_they_come(daemon: FakeDaemon, tiffin: Run) -> None:
    event = {
        "Type": "container",
        "Action": "start",
        "Actor": {"ID": "x", "Attributes": {"name": "web", "image": "busybox"}},
        "time": 1700000000,
        "timeNano": 1700000000123456789,
    }
    daemon.on("GET", "/events", lambda e: e.reply(json.dumps(event).encode() + b"\n"))
    done = tiffin("events", "--since", "0", "-f", "type=container")
    assert done.stdout == b"2023-11-14T22:13:20.123456789Z container start x (image=busybox, name=web)\n"


def test_explain_draws_the_trace(daemon: FakeDaemon, tiffin: Run) -> None:
    trace = {
        "id": "x" * 64,
        "name": "web",
        "steps": [{"step": "find", "who": "engine", "duration_us": 300, "facts": {}}],
    }
    daemon.on("GET", "/tiffin/containers/web/trace", trace)
    assert tiffin("explain", "web").stdout.decode().splitlines()[1] == "└─ find    0.30 ms  engine"


def test_dial_stdio_joins_the_socket(daemon: FakeDaemon, tiffin: Run) -> None:
    done = tiffin("system", "dial-stdio", stdin=b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
    assert done.stdout.endswith(b"\r\n\r\nOK")


@pytest.mark.parametrize("words", [["container", "prune"], ["image", "prune"], ["system", "prune"]])
def test_prune_asks_first(daemon: FakeDaemon, tiffin: Run, words: list[str]) -> None:
    done = tiffin(*words, stdin=b"n\n")
    assert done.returncode == 1
    assert daemon.seen == []
