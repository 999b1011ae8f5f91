"""The `tiffin` command: global flags, then a command from the table. Imports only what that command needs."""

from __future__ import annotations

import os
import sys

from tiffin.cli import table
from tiffin.cli.flags import Flag, Options, UsageError, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tiffin.cli.command import Command
    from tiffin.client.environment import Choice

GLOBAL = (
    Flag("config", "", "string", "Directory of the client's configuration files"),
    Flag("context", "c", "string", 'Accepted for compatibility; only "default" exists'),
    Flag("debug", "D", "bool", "Show a traceback when the client itself fails"),
    Flag("host", "H", "list", "Address of the daemon (unix://, tcp://, ssh://)"),
    Flag("log-level", "l", "string", "Accepted for compatibility", "info"),
    Flag("tls", "", "bool", "Speak TLS; --tlsverify implies it"),
    Flag("tlscacert", "", "string", "Trust certificates signed by this authority only"),
    Flag("tlscert", "", "string", "The client's certificate file"),
    Flag("tlskey", "", "string", "The client's key file"),
    Flag("tlsverify", "", "bool", "Speak TLS and check the daemon's certificate"),
    Flag("version", "v", "bool", "Print the version and quit"),
)


def main(argv: list[str] | None = None) -> int:
    """Run one command line; the exit code."""
    words = sys.argv[1:] if argv is None else argv
    debug = False
    try:
        options, rest, wants_help = parse(GLOBAL, words, interspersed=False)
        debug = options["debug"]
        code = _dispatch(options, rest, wants_help)
        sys.stdout.flush()
        return code
    except UsageError as error:
        return _fail(
            125, f"{error}\n\nUsage:  tiffin [OPTIONS] COMMAND [ARG...]\n\nRun 'tiffin --help' for more information"
        )
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _silence_stdout()
        return 1
    except Exception as error:
        if debug:
            raise
        from tiffin.cli.exit import text

        return _fail(1, text(error))


def _dispatch(options: Options, rest: list[str], wants_help: bool) -> int:
    if options["version"]:
        from tiffin.cli.system.version import one_line

        print(one_line())
        return 0
    if wants_help or not rest or rest[0] == "help":
        return _help(rest[1:] if rest else [])
    if rest[0] == "daemon":
        # The daemon is a house of its own: by name, so that nothing here depends on it.
        module = __import__("tiffin.daemon.main", fromlist=["main"])
        return int(module.main(rest[1:]) or 0)
    path, entry, arguments = table.find(rest)
    if entry is None:
        return _unknown(path, arguments)
    return _run(path, table.load(entry), arguments, _choice(options))


def _run(path: str, command: Command, words: list[str], choice: Choice) -> int:
    from tiffin.cli.command import Context, check_count, hint, usage_line

    try:
        options, arguments, wants_help = parse(command.flags, words, command.interspersed)
    except UsageError as error:
        return _fail(125, f"{error}\n\n{usage_line(path, command)}\n\n{hint(path)}")
    if wants_help:
        from tiffin.cli.help import command_help

        print(command_help(path, command))
        return 0
    wrong = check_count(path, command, arguments)
    if wrong:
        return _fail(1, wrong)
    try:
        return command.run(Context(choice, path), options, arguments)
    except (KeyboardInterrupt, BrokenPipeError):
        raise
    except Exception as error:
        from tiffin.cli.exit import Exit, text

        if isinstance(error, Exit):
            return _fail(error.code, error.message)
        if isinstance(error, (ArithmeticError, LookupError, TypeError, AttributeError, AssertionError)):
            raise  # a fault of ours, not the user's
        if command.wrap_errors:
            return _fail(125, f"tiffin: {text(error)}\n\n{hint(path)}")
        return _fail(1, text(error))


def _choice(options: Options) -> Choice:
    from tiffin.client.environment import Choice

    choice = Choice()
    hosts = options["host"]
    if len(hosts) > 1:
        raise UsageError("specify only one -H")
    choice.host = hosts[0] if hosts else None
    choice.tls = options["tls"]
    choice.tlsverify = options.given.get("tlsverify")
    choice.tlscacert, choice.tlscert = options.given.get("tlscacert"), options.given.get("tlscert")
    choice.tlskey = options.given.get("tlskey")
    return choice


def _help(words: list[str]) -> int:
    from tiffin.cli import help

    path, entry, rest = table.find(words) if words else ("", None, [])
    if entry is not None:
        print(help.command_help(path, table.load(entry)))
    elif path in table.NOUNS and not rest:
        print(help.noun_help(path))
    elif rest:
        return _unknown(path, rest)
    else:
        print(help.overview(GLOBAL))
    return 0


def _unknown(path: str, rest: list[str]) -> int:
    """A noun alone, a noun's help, or a word that is no command."""
    if not rest or rest[0] in ("--help", "-h", "help"):
        return _help(path.split())
    program = f"tiffin {path}".rstrip()
    if rest[0].startswith("-"):
        return _fail(
            125, f"unknown flag: {rest[0]}\n\nUsage:  {program} COMMAND\n\nRun '{program} --help' for more information"
        )
    from tiffin.cli.nearest import nearest

    near = nearest(rest[0], table.names(path))
    message = f"tiffin: '{' '.join([*path.split(), rest[0]])}' is not a tiffin command.\n"
    message += f"Did you mean '{program} {near}'?\n" if near else ""
    return _fail(1, f"{message}See '{program} --help'")


def _fail(code: int, message: str) -> int:
    if message:
        from tiffin.cli.exit import complain

        try:
            sys.stdout.flush()
        except BrokenPipeError:
            _silence_stdout()
        complain(message)
    return code


def _silence_stdout() -> None:
    """The reader went away: let the interpreter's last flush go nowhere."""
    null = os.open("/dev/null", os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
