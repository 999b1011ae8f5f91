"""The lazy command table: name → module, object in it, one-line summary. Help needs no module but this one.

An entry with an empty summary is an alias: found, not listed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from tiffin.cli.command import Command

    Entry = tuple[str, str, str]

CONTAINER: dict[str, Entry] = {
    "attach": ("container.attach", "ATTACH", "Join a running container's standard streams"),
    "commit": ("container.files", "COMMIT", "Make an image of a container's changes"),
    "create": ("container.run", "CREATE", "Create a container"),
    "diff": ("container.files", "DIFF", "Show what changed on a container's file system"),
    "exec": ("container.exec", "EXEC", "Run a command in a running container"),
    "export": ("container.files", "EXPORT", "Write a container's file system as a tar archive"),
    "inspect": ("inspect", "CONTAINER_INSPECT", "Show all details of containers"),
    "kill": ("container.lifecycle", "KILL", "Send a signal to running containers"),
    "logs": ("container.logs", "LOGS", "Show the output of a container"),
    "ls": ("container.ls", "LS", "List containers"),
    "list": ("container.ls", "LS", ""),
    "ps": ("container.ls", "LS", ""),
    "pause": ("container.lifecycle", "PAUSE", "Pause all processes of containers"),
    "port": ("container.port", "PORT", "List the published ports of a container"),
    "prune": ("prune", "CONTAINER_PRUNE", "Remove all stopped containers"),
    "rename": ("container.lifecycle", "RENAME", "Rename a container"),
    "restart": ("container.lifecycle", "RESTART", "Restart containers"),
    "rm": ("container.lifecycle", "RM", "Remove containers"),
    "remove": ("container.lifecycle", "RM", ""),
    "run": ("container.run", "RUN", "Create a container from an image and run it"),
    "start": ("container.start", "START", "Start stopped containers"),
    "stats": ("container.stats", "STATS", "Show what resources containers use"),
    "stop": ("container.lifecycle", "STOP", "Stop running containers"),
    "top": ("container.port", "TOP", "Show the processes of a container"),
    "unpause": ("container.lifecycle", "UNPAUSE", "Let paused containers go on"),
    "update": ("container.update", "UPDATE", "Change the limits of containers"),
    "wait": ("container.lifecycle", "WAIT", "Wait until containers stop, print their exit codes"),
}
IMAGE: dict[str, Entry] = {
    "history": ("image.history", "HISTORY", "Show how an image was made"),
    "import": ("image.archive", "IMPORT", "Make an image of a tar archive of a file system"),
    "inspect": ("inspect", "IMAGE_INSPECT", "Show all details of images"),
    "load": ("image.archive", "LOAD", "Load images from a tar archive"),
    "ls": ("image.ls", "LS", "List images"),
    "list": ("image.ls", "LS", ""),
    "prune": ("prune", "IMAGE_PRUNE", "Remove unused images"),
    "pull": ("image.transfer", "PULL", "Download an image from a registry"),
    "push": ("image.transfer", "PUSH", "Upload an image to a registry"),
    "rm": ("image.rm", "RM", "Remove images"),
    "remove": ("image.rm", "RM", ""),
    "save": ("image.archive", "SAVE", "Write images to a tar archive"),
    "tag": ("image.rm", "TAG", "Give an image another name"),
}
SYSTEM: dict[str, Entry] = {
    "df": ("system.df", "DF", "Show what uses the disk"),
    "dial-stdio": ("system.dial", "DIAL_STDIO", ""),
    "events": ("system.events", "EVENTS", "Show what happens, as it happens"),
    "info": ("system.info", "INFO", "Show facts about the daemon and its host"),
    "prune": ("prune", "SYSTEM_PRUNE", "Remove unused data"),
}
NETWORK: dict[str, Entry] = {
    "connect": ("network", "CONNECT", "Connect a container to a network"),
    "create": ("network", "CREATE", "Create a network"),
    "disconnect": ("network", "DISCONNECT", "Disconnect a container from a network"),
    "inspect": ("inspect", "NETWORK_INSPECT", "Show all details of networks"),
    "ls": ("network", "LS", "List networks"),
    "list": ("network", "LS", ""),
    "prune": ("prune", "NETWORK_PRUNE", "Remove unused networks"),
    "rm": ("network", "RM", "Remove networks"),
    "remove": ("network", "RM", ""),
}
VOLUME: dict[str, Entry] = {
    "create": ("volume", "CREATE", "Create a volume"),
    "inspect": ("inspect", "VOLUME_INSPECT", "Show all details of volumes"),
    "ls": ("volume", "LS", "List volumes"),
    "list": ("volume", "LS", ""),
    "prune": ("prune", "VOLUME_PRUNE", "Remove unused volumes"),
    "rm": ("volume", "RM", "Remove volumes"),
    "remove": ("volume", "RM", ""),
}
NOUNS = {"container": CONTAINER, "image": IMAGE, "network": NETWORK, "system": SYSTEM, "volume": VOLUME}
NOUN_SUMMARY = {
    "container": "Manage containers",
    "image": "Manage images",
    "network": "Manage networks",
    "system": "Look at and tidy the engine",
    "volume": "Manage volumes",
}
SAME_AT_TOP = (
    "attach commit create diff exec export kill logs pause port ps rename restart rm run start stats stop top "
    "unpause update wait"
)
TOP: dict[str, Entry] = {
    **{name: CONTAINER[name] for name in SAME_AT_TOP.split()},
    **{name: IMAGE[name] for name in ("history", "import", "load", "pull", "push", "save", "tag")},
    **{name: SYSTEM[name] for name in ("events", "info")},
    "daemon": ("daemon", "", "Run the daemon"),
    "explain": ("system.explain", "EXPLAIN", "Show step by step how a container came about"),
    "images": ("image.ls", "LS", "List images"),
    "inspect": ("inspect", "INSPECT", "Show all details of objects of any kind"),
    "ps": ("container.ls", "LS", "List containers"),
    "rmi": ("image.rm", "RM", "Remove images"),
    "version": ("system.version", "VERSION", "Show the versions of client and daemon"),
}


def find(words: list[str]) -> tuple[str, Entry | None, list[str]]:
    """The command that words begin with: its path, its entry (None if there is none) and the other words."""
    first, rest = words[0], words[1:]
    if first in NOUNS:
        if rest and rest[0] in NOUNS[first]:
            return f"{first} {rest[0]}", NOUNS[first][rest[0]], rest[1:]
        return first, None, rest
    if first in TOP:
        return first, TOP[first], rest
    return "", None, words


def load(entry: Entry) -> Command:
    module = __import__(f"tiffin.cli.{entry[0]}", fromlist=[entry[1]])
    command: Command = getattr(module, entry[1])
    return command


def names(path: str) -> Iterable[str]:
    """What may follow `tiffin` or `tiffin <noun>`."""
    return NOUNS[path] if path else [*TOP, *NOUNS]
