"""Flags and daemon.json: pflag's and dockerd's words, one Config, and what a reload may change."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tiffin.daemon import flags
from tiffin.daemon.config import Config, ConfigError
from tiffin.daemon.configure import configure, reload
from tiffin.daemon.options import OPTIONS


@pytest.fixture
def file(tmp_path: Path) -> Any:
    path = tmp_path / "daemon.json"

    def write(document: Any) -> list[str]:
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return ["--config-file", str(path)]

    return write


def test_flags_are_read_in_every_way_that_pflag_reads_them() -> None:
    line = (
        "-H tcp://[::1]:1 -Hunix:///a --host=fd:// -D --icc=false -l=warn --mtu 9000 --log-opt max-size=1m "
        "--log-opt max-file=3 --default-ulimit nofile=10:20 --default-address-pool base=10.0.0.0/8,size=24 "
        "--add-runtime crun=/usr/bin/crun --default-shm-size 128m --label a=b"
    )
    config = configure(shlex.split(line))
    assert config.hosts == ("tcp://[::1]:1", "unix:///a", "fd://")
    assert (config.debug, config.icc, config.log_level, config.mtu) == (True, False, "warn", 9000)
    assert config.log_opts == {"max-size": "1m", "max-file": "3"}
    assert config.default_ulimits == {"nofile": (10, 20)}
    assert config.default_address_pools == (("10.0.0.0/8", 24),)
    assert config.runtimes == {"crun": {"path": "/usr/bin/crun"}}
    assert (config.default_shm_size, config.labels) == (128 << 20, ("a=b",))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--frob"], "unknown flag: --frob"),
        (["-Dx"], "unknown shorthand flag: 'x' in -Dx"),
        (["--host"], "flag needs an argument: --host"),
        (["-H"], "flag needs an argument: 'H' in -H"),
        (["-D=x"], 'invalid argument "x" for "-D, --debug" flag: strconv.ParseBool: parsing "x": invalid syntax'),
        (["--mtu=x"], 'invalid argument "x" for "--mtu" flag: strconv.ParseInt: parsing "x": invalid syntax'),
        (["start"], '"tiffin daemon" accepts no arguments'),
        (["--log-level=loud"], "invalid logging level: loud"),
        (["--label=x"], "bad attribute format: x"),
        (["--bip=10.0.0.300/24"], "bip: "),
        (["--bip=10.0.0.1"], "not an address with a prefix length"),
        (["--exec-opt=native.cgroupdriver=systemd"], "native.cgroupdriver option systemd not supported"),
        (["--default-runtime=crun"], "specified default runtime 'crun' does not exist"),
        (["--log-driver=syslog"], "logger: no log driver named 'syslog' is registered"),
        (["--max-concurrent-downloads=-1"], "invalid max concurrent downloads: -1"),
        (["--config-file=/nonexistent/x.json"], "open /nonexistent/x.json: no such file or directory"),
        (["--data-root=relative"], "data-root must be an absolute path"),
    ],
)
def test_a_wrong_command_line_is_refused_in_familiar_words(arguments: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configure(arguments)
    assert words in str(caught.value)


def test_the_file_has_dockerds_keys(file: Any) -> None:
    config = configure(
        file(
            {
                "hosts": ["unix:///x.sock"],
                "log-opts": {"max-size": "2m"},
                "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 5, "Hard": 6}},
                "default-address-pools": [{"base": "10.0.0.0/8", "size": 24}],
                "runtimes": {"crun": {"path": "crun", "runtimeArgs": ["--x"]}},
                "proxies": {"http-proxy": "http://p"},
                "default-shm-size": "1g",
                "features": {"buildkit": True},
                "dns-opts": ["a"],
            }
        )
    )
    assert config.hosts == ("unix:///x.sock",)
    assert config.default_ulimits == {"nofile": (5, 6)}
    assert config.runtimes["crun"]["runtimeArgs"] == ["--x"]
    assert (config.http_proxy, config.default_shm_size, config.dns_opts) == ("http://p", 1 << 30, ("a",))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"frob": 1, "nicht": 2}, "the following directives don't match any configuration option: frob, nicht"),
        ({"log_driver": "json-file"}, "don't match any configuration option: log_driver"),
        ({"debug": "yes"}, "debug: must be true or false"),
        ({"mtu": True}, "mtu: must be a number"),
        ({"hosts": "unix:///x"}, "hosts: must be a list of strings"),
        ("{", "invalid JSON"),
        ("[]", "the file must hold an object"),
        ('{"debug": true, "debug": false}', "keys given twice: debug"),
        ({"proxies": {"ftp-proxy": "x"}}, "proxies.ftp-proxy"),
    ],
)
def test_a_wrong_file_is_refused_by_name(file: Any, document: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configure(file(document))
    assert words in str(caught.value)
    assert "unable to configure the daemon with file" in str(caught.value)


def test_what_is_said_twice_is_refused_but_runtimes_add_up(file: Any) -> None:
    arguments = file({"hosts": ["unix:///a"], "debug": True, "runtimes": {"a": {"path": "/a"}}})
    with pytest.raises(ConfigError) as caught:
        configure([*arguments, "-H", "unix:///b", "--debug=false"])
    assert (
        "the following directives are specified both as a flag and in the configuration file: "
        "hosts: (from flag: [unix:///b], from file: [unix:///a]), debug: (from flag: false, from file: true)"
    ) in str(caught.value)
    assert set(configure([*arguments, "--add-runtime", "b=/b"]).runtimes) == {"a", "b"}


def test_an_empty_or_missing_file_changes_nothing(file: Any) -> None:
    assert configure(file("  \n")).hosts == ()
    assert configure([]).listen == ("unix:///run/tiffin/tiffin.sock",)
    assert configure(["--exec-root", "/run/x"]).listen == ("unix:///run/x/tiffin.sock",)


def test_a_reload_takes_over_only_what_may_change(file: Any) -> None:
    arguments = file({"labels": ["a=1"], "mtu": 1400, "max-concurrent-downloads": 2})
    config = configure(arguments)
    file({"labels": ["a=2"], "mtu": 9000, "max-concurrent-downloads": 2, "debug": True})
    fresh, changed = reload(config, arguments)
    assert changed == {"labels": ("a=2",), "debug": True}
    assert (fresh.labels, fresh.mtu, fresh.debug) == (("a=2",), 1400, True)


def test_a_bad_file_on_reload_leaves_the_old_configuration(file: Any) -> None:
    arguments = file({"labels": ["a=1"]})
    config = configure(arguments)
    file("{")
    with pytest.raises(ConfigError):
        reload(config, arguments)
    assert config.labels == ("a=1",)


def test_every_option_has_a_field_and_is_in_the_help() -> None:
    text = flags.help_text()
    fields = set(Config.__dataclass_fields__)
    for option in OPTIONS:
        assert option.field in fields, option
        assert f"--{option.flag}" in text
    with pytest.raises(flags.HelpWanted):
        configure(["--help"])
    with pytest.raises(flags.VersionWanted):
        configure(["-v"])


def test_a_bridge_of_another_name_has_its_own_table() -> None:
    options = configure(["-b", "my-br.1", "--bip", "10.9.0.1/24"]).bridge_options()
    assert options["table"] == "tiffin_my_br_1"
    assert (str(options["subnet"]), str(options["gateway"])) == ("10.9.0.0/24", "10.9.0.1")
    assert configure([]).bridge_options()["table"] == "tiffin"


def test_insecure_tcp_is_told_by_info() -> None:
    config = configure(["-H", "tcp://0.0.0.0:2375", "-H", "unix:///x", "--tls=false"])
    assert config.system_settings("1").insecure_listeners == [("0.0.0.0:2375", False)]
