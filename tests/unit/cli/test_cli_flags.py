"""cli/flags: the command line is read as pflag reads it."""

from __future__ import annotations

from typing import Any

import pytest

from tiffin.cli.flags import Flag, UsageError, parse

FLAGS = (
    Flag("all", "a", "bool", ""),
    Flag("tty", "t", "bool", ""),
    Flag("proxy", "", "bool", "", True),
    Flag("name", "n", "string", ""),
    Flag("env", "e", "list", ""),
    Flag("count", "c", "int", "", -1),
)


def read(*words: str, interspersed: bool = True) -> tuple[dict[str, Any], list[str]]:
    options, rest, _ = parse(FLAGS, list(words), interspersed)
    return options.given, rest


@pytest.mark.parametrize(
    ("words", "given", "rest"),
    [
        (["-at"], {"all": True, "tty": True}, []),
        (["-atn", "x"], {"all": True, "tty": True, "name": "x"}, []),
        (["-nx"], {"name": "x"}, []),
        (["-n=x"], {"name": "x"}, []),
        (["--name=x"], {"name": "x"}, []),
        (["--name", "x", "y"], {"name": "x"}, ["y"]),
        (["--name="], {"name": ""}, []),
        (["--name", "-x"], {"name": "-x"}, []),
        (["--all=false"], {"all": False}, []),
        (["-a=0"], {"all": False}, []),
        (["--all", "false"], {"all": True}, ["false"]),
        (["-e", "a", "--env=b"], {"env": ["a", "b"]}, []),
        (["x", "-a", "y"], {"all": True}, ["x", "y"]),
        (["x", "--", "-a"], {}, ["x", "-a"]),
        (["-"], {}, ["-"]),
        (["-c", "0x10"], {"count": 16}, []),
        (["-c", "-3"], {"count": -3}, []),
    ],
)
def test_words_become_options_and_arguments(words: list[str], given: dict[str, Any], rest: list[str]) -> None:
    assert read(*words) == (given, rest)


def test_flags_after_the_first_argument_may_belong_to_the_program() -> None:
    assert read("-a", "image", "-t", interspersed=False) == ({"all": True}, ["image", "-t"])


def test_defaults_hold_where_nothing_is_given() -> None:
    options, _, _ = parse(FLAGS, [])
    assert (options["all"], options["proxy"], options["name"], options["env"], options["count"]) == (
        False,
        True,
        "",
        [],
        -1,
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--foo"], "unknown flag: --foo"),
        (["-ax"], "unknown shorthand flag: 'x' in -x"),
        (["--name"], "flag needs an argument: --name"),
        (["-n"], "flag needs an argument: 'n' in -n"),
        (["-c", "x"], 'invalid argument "x" for "-c, --count" flag: strconv.ParseInt: parsing "x": invalid syntax'),
        (["--all=x"], 'invalid argument "x" for "-a, --all" flag: strconv.ParseBool: parsing "x": invalid syntax'),
        (["--=x"], "bad flag syntax: --=x"),
    ],
)
def test_a_wrong_word_is_named(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(*words)
    assert str(caught.value) == message
