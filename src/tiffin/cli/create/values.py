"""Words of create flags to values: sizes, durations, cpus, limits, devices. ValueError says what is wrong."""

from __future__ import annotations

import _socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

UNITS = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
DURATION_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
ULIMITS = frozenset(
    (
        *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss"),
        *("rtprio", "rttime", "sigpending", "stack"),
    )
)


def size(word: str) -> int:
    """`64m`, `1.5GiB`, `100`: bytes, by powers of 1024."""
    text = word.strip()
    cut = len(text)
    while cut and not (text[cut - 1].isdigit() or text[cut - 1] == "."):
        cut -= 1
    number, unit = text[:cut], text[cut:].strip().lower()
    unit = unit.removesuffix("ib") if unit.endswith("ib") else unit[:-1] if len(unit) == 2 and unit[1] == "b" else unit
    if unit not in UNITS or not number or number.count(".") > 1 or number.startswith(("-", "+")):
        raise ValueError(f"invalid size: '{word}'")
    try:
        return int(float(number) * 1024 ** UNITS[unit])
    except ValueError:
        raise ValueError(f"invalid size: '{word}'") from None


def swap_size(word: str) -> int:
    return -1 if word == "-1" else size(word)


def duration(word: str) -> int:
    """Go's time.ParseDuration, in nanoseconds."""
    rest = word.lstrip("+-") if word[:1] in "+-" and len(word) > 1 else word
    sign = -1 if word.startswith("-") else 1
    if rest == "0":
        return 0
    total, at = 0.0, 0
    if not rest:
        raise ValueError(f'time: invalid duration "{word}"')
    while at < len(rest):
        start = at
        while at < len(rest) and (rest[at].isdigit() or rest[at] == "."):
            at += 1
        number, unit_start = rest[start:at], at
        if not number.strip(".") or number.count(".") > 1:
            raise ValueError(f'time: invalid duration "{word}"')
        while at < len(rest) and not (rest[at].isdigit() or rest[at] == "."):
            at += 1
        unit = rest[unit_start:at]
        if not unit:
            raise ValueError(f'time: missing unit in duration "{word}"')
        if unit not in DURATION_NS:
            raise ValueError(f'time: unknown unit "{unit}" in duration "{word}"')
        scale = DURATION_NS[unit]
        total += int(number) * scale if "." not in number else float(number) * scale
    return sign * int(total)


def cpus(word: str) -> int:
    """`1.5` or `3/2`: billionths of a processor."""
    top, slash, bottom = word.partition("/")
    digits = top.lstrip("+-") if top[:1] in ("+", "-") else top
    digits, _, exponent = digits.lower().partition("e")
    whole, _, fraction = digits.partition(".")
    if exponent.lstrip("+-").isdigit() and not slash and len(exponent) < 4:
        shift = int(exponent)
        fraction, whole = (fraction.ljust(shift, "0"), whole) if shift > 0 else (fraction, whole.rjust(1 - shift, "0"))
        cut = max(0, len(whole) + shift)
        whole, fraction = (whole + fraction)[:cut], (whole + fraction)[cut:]
    elif exponent:
        whole = "?"
    if not (whole + fraction).isdigit() or (slash and not (bottom.isdigit() and int(bottom))):
        raise ValueError(f"failed to parse {word} as a rational number")
    scaled = int(whole + fraction or "0") * 10**9
    divisor = 10 ** len(fraction) * (int(bottom) if slash else 1)
    if scaled % divisor:
        raise ValueError("value is too precise")
    value: int = scaled // divisor
    return -value if word.startswith("-") else value


def ulimit(word: str) -> dict[str, Any]:
    """`nofile=1024:2048`."""
    name, equals, limits = word.partition("=")
    if not equals:
        raise ValueError(f"invalid ulimit argument: {word}")
    if name not in ULIMITS:
        raise ValueError(f"invalid ulimit type: {name}")
    parts = limits.split(":")
    if len(parts) > 2:
        raise ValueError(f"too many limit value arguments - {limits}, can only have up to two, `soft[:hard]`")
    numbers = []
    for part in parts:
        try:
            numbers.append(int(part))
        except ValueError:
            raise ValueError(f'strconv.ParseInt: parsing "{part}": invalid syntax') from None
    soft, hard = numbers[0], numbers[-1]
    if hard != -1 and (soft == -1 or soft > hard):
        if soft == -1:
            raise ValueError(
                f"ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: {hard}"
            )
        raise ValueError(f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")
    return {"Name": name, "Hard": hard, "Soft": soft}


def device(word: str) -> dict[str, str]:
    """`/dev/a[:/dev/b[:rwm]]`."""
    parts = word.split(":")
    source, target, mode = parts[0], "", "rwm"
    if len(parts) > 3 or not source:
        raise ValueError(f"bad format for path: {word}")
    if len(parts) == 3:
        target, mode = parts[1], parts[2]
    elif len(parts) == 2:
        if _is_mode(parts[1]):
            mode = parts[1]
        else:
            target = parts[1]
    if len(parts) == 3 and not _is_mode(mode):
        raise ValueError(f"bad mode specified: {mode}")
    if not source.startswith("/"):
        raise ValueError(f"{source} is not an absolute path")
    if target and not target.startswith("/"):
        raise ValueError(f"{target} is not an absolute path")
    return {"PathOnHost": source, "PathInContainer": target or source, "CgroupPermissions": mode}


def is_cdi_name(word: str) -> bool:
    vendor_class, equals, name = word.partition("=")
    return bool(equals and name) and vendor_class.count("/") == 1 and not word.startswith("/")


def _is_mode(text: str) -> bool:
    return 0 < len(text) <= 3 and len(set(text)) == len(text) and not text.strip("rwm")


def cgroup_rule(word: str) -> str:
    """`c 1:3 mr`."""
    parts = word.split(" ")
    numbers = parts[1].split(":") if len(parts) == 3 else []
    fits = len(numbers) == 2 and parts[0] in ("a", "b", "c") and all(n == "*" or n.isdigit() for n in numbers)
    if not fits or not 0 < len(parts[2]) <= 3 or parts[2].strip("rwm"):
        raise ValueError(f"invalid device cgroup format '{word}'")
    return word


def _device_path(word: str) -> tuple[str, str]:
    path, colon, value = word.partition(":")
    if not colon:
        raise ValueError(f"bad format: {word}")
    if not path.startswith("/dev/"):
        raise ValueError(f"bad format for device path: {word}")
    return path, value


def weight_device(word: str) -> dict[str, Any]:
    path, value = _device_path(word)
    if not value.isdigit() or (int(value) and not 10 <= int(value) <= 1000):
        raise ValueError(f"invalid weight for device: {word}")
    return {"Path": path, "Weight": int(value)}


def throttle_bytes(word: str) -> dict[str, Any]:
    path, value = _device_path(word)
    try:
        return {"Path": path, "Rate": size(value)}
    except ValueError:
        raise ValueError(
            f"invalid rate for device: {word}. The correct format is <device-path>:<number>[<unit>]."
            " Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
        ) from None


def throttle_iops(word: str) -> dict[str, Any]:
    path, value = _device_path(word)
    if not value.isdigit():
        raise ValueError(
            f"invalid rate for device: {word}. The correct format is <device-path>:<number>."
            " Number must be a positive integer"
        )
    return {"Path": path, "Rate": int(value)}


def is_address(text: str) -> bool:
    """An IPv4 or IPv6 address, without a zone."""
    for family in (_socket.AF_INET, _socket.AF_INET6):
        try:
            _socket.inet_pton(family, text)
            return True
        except (OSError, ValueError):
            pass
    return False


def address(word: str) -> str:
    text = word.strip()
    if not is_address(text):
        raise ValueError(f"IP address is not correctly formatted: {word}")
    return text


def extra_host(word: str) -> str:
    """`host:address` or `host=address`; the API knows the first form only."""
    cut = word.find("=")
    if cut < 0:
        cut = word.find(":")
    host, ip = (word[:cut], word[cut + 1 :]) if cut >= 0 else ("", "")
    if not host:
        raise ValueError(f'bad format for add-host: "{word}"')
    if ip.startswith("[") and ip.endswith("]"):
        ip = ip[1:-1]
    if ip != "host-gateway" and not is_address(ip):
        raise ValueError(f'invalid IP address in add-host: "{ip}"')
    return f"{host}:{ip}"


def dns_search(word: str) -> str:
    text = word.strip()
    if text != "." and (not text.strip(".") or not all(c.isalnum() or c in "-._" for c in text)):
        raise ValueError(f"{word} is not a valid domain")
    return text


def stream(word: str) -> str:
    if word.lower() not in ("stdin", "stdout", "stderr"):
        raise ValueError("valid streams are STDIN, STDOUT and STDERR")
    return word.lower()


SYSCTLS = frozenset(
    f"kernel.{name}" for name in ["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"]
)


def sysctl(word: str) -> tuple[str, str]:
    """A kernel parameter that belongs to a namespace."""
    key, equals, value = word.partition("=")
    if not equals or not (key in SYSCTLS or key.startswith(("net.", "fs.mqueue."))):
        raise ValueError(f"sysctl '{word}' is not allowed")
    return key, value


def key_value(word: str) -> tuple[str, str]:
    """An entry of a map flag."""
    key, _, value = word.partition("=")
    return key, value
