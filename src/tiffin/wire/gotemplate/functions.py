"""Functions of a template: Go's own and those that Docker adds. Each takes plain values; ValueError says what is wrong.

Conditional `and` and `or` are the evaluator's business (they do not evaluate all arguments).
"""

from __future__ import annotations

from tiffin.wire import jsontext
from tiffin.wire.gotemplate.values import MISSING, go_float, kind, printed, truth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def plain(value: Any) -> Any:
    """What JSON can hold."""
    to_json = getattr(value, "template_json", None)
    if to_json is not None:
        return to_json()
    return None if value is MISSING else value


def _json(value: Any) -> str:
    text = jsontext.encode(plain(value))
    return jsontext.html_escaped(text) if hasattr(value, "template_json") else text


def _json_indented(value: Any) -> str:
    return jsontext.indented(plain(value), "  ")


def _strings(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError(f"wrong type for value; expected []string; got {type_name(value)}")
    return [printed(item) for item in value]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"wrong type for value; expected string; got {type_name(value)}")
    return value


def type_name(value: Any) -> str:
    """Go's name for the type of a plain value."""
    if isinstance(value, list):
        return "[]interface {}"
    if isinstance(value, dict):
        return "map[string]interface {}"
    return {"bool": "bool", "int": "int", "float": "float64", "string": "string"}.get(kind(value), "nil")


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if value is None or value is MISSING:
            raise ValueError("index of untyped nil")
        if isinstance(value, dict):
            # In a map of strings (labels, options) what is missing is Go's empty string.
            value = value.get(_text(key), "" if all(isinstance(one, str) for one in value.values()) else MISSING)
        elif isinstance(value, (list, str)):
            if not isinstance(key, int) or isinstance(key, bool):
                raise ValueError(f"cannot index slice/array with type {type_name(key)}")
            if not 0 <= key < len(value):
                raise ValueError(f"error calling index: index out of range: {key}")
            value = value[key] if isinstance(value, list) else value.encode()[key]
        else:
            raise ValueError(f"can't index item of type {type_name(value)}")
    return value


def _slice(value: Any, *bounds: Any) -> Any:
    if not isinstance(value, (str, list)):
        raise ValueError(f"can't slice item of type {type_name(value)}")
    if len(bounds) > 2:
        raise ValueError("too many slice indexes")
    start, end = [*bounds, *(0, len(value))[len(bounds) :]] if len(bounds) != 1 else [bounds[0], len(value)]
    if not 0 <= start <= end <= len(value):
        raise ValueError(f"index out of range: {end}")
    return value[start:end]


def _len(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, (list, dict)):
        return len(value)
    raise ValueError(f"len of type {type_name(value)}")


def _same(a: Any, b: Any) -> bool:
    if (kind(a) or "?") != (kind(b) or "?") and None not in (a, b):
        raise ValueError("incompatible types for comparison")
    return bool(a == b)


def _eq(first: Any, *others: Any) -> bool:
    if not others:
        raise ValueError("missing argument for comparison")
    return any(_same(first, other) for other in others)


def _less(a: Any, b: Any) -> bool:
    if kind(a) != kind(b) or kind(a) in ("", "bool"):
        raise ValueError("incompatible types for comparison")
    return bool(a < b)


def _print(*values: Any) -> str:
    out = ""
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            out += " "
        out += printed(value, False)
    return out


def _println(*values: Any) -> str:
    return " ".join(printed(value, False) for value in values) + "\n"


def _quote(value: Any) -> str:
    return jsontext.quote(value) if isinstance(value, str) else printed(value, False)


def _printf(form: str, *values: Any) -> str:
    out, at, used = [], 0, 0
    while at < len(form):
        start = form.find("%", at)
        if start < 0:
            out.append(form[at:])
            break
        out.append(form[at:start])
        end = start + 1
        while end < len(form) and form[end] in "+-# 0123456789.":
            end += 1
        verb, at = form[end : end + 1], end + 1
        if verb == "%":
            out.append("%")
        elif used >= len(values):
            out.append(f"%!{verb}(MISSING)")
        else:
            out.append(_formatted(form[start + 1 : end], verb, values[used]))
            used += 1
    if used < len(values):
        extra = ", ".join(f"{type_name(v)}={printed(v, False)}" for v in values[used:])
        out.append(f"%!(EXTRA {extra})")
    return "".join(out)


def _formatted(flags: str, verb: str, value: Any) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if verb in "vs" and not (number and verb == "s"):
        return _padded(flags, printed(value, False))
    if verb == "q":
        return _padded(flags, _quote(value))
    if verb == "t" and isinstance(value, bool):
        return _padded(flags, printed(value))
    if verb == "T":
        return _padded(flags, type_name(value))
    if verb in "dxXob" and isinstance(value, int) and number:
        return f"%{flags}{verb}" % value if verb in "dxXo" else _padded(flags, f"{value:b}")
    if verb in "xX" and isinstance(value, str):
        digits = value.encode().hex()
        return digits.upper() if verb == "X" else digits
    if verb in "feEgG" and isinstance(value, float):
        return f"%{flags}{verb}" % value if flags or verb in "feE" else go_float(value)
    if verb == "c" and isinstance(value, int):
        return chr(value)
    return f"%!{verb}({type_name(value)}={printed(value, False)})"


def _padded(flags: str, text: str) -> str:
    spec = flags.replace("#", "").replace("+", "").replace("0", "", 1) if flags.startswith("0") else flags.strip("#+")
    return f"%{spec}s" % text


def _pad(text: str, before: int, after: int) -> str:
    return " " * before + text + " " * after if text else text


def _truncate(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length]


def _not(value: Any) -> bool:
    return not truth(value)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "and": lambda *values: values[-1],
    "or": lambda *values: values[-1],
    "not": _not,
    "eq": _eq,
    "ne": lambda a, b: not _same(a, b),
    "lt": _less,
    "le": lambda a, b: _less(a, b) or _same(a, b),
    "gt": lambda a, b: not (_less(a, b) or _same(a, b)),
    "ge": lambda a, b: not _less(a, b),
    "index": _index,
    "slice": _slice,
    "len": _len,
    "print": _print,
    "println": _println,
    "printf": _printf,
    "json": _json,
    "prettyjson": _json_indented,
    "join": lambda values, separator: _text(separator).join(_strings(values)),
    "split": lambda text, separator: _text(text).split(separator) if separator else list(text),
    "upper": lambda text: _text(text).upper(),
    "lower": lambda text: _text(text).lower(),
    "title": lambda text: _title(_text(text)),
    "pad": _pad,
    "truncate": _truncate,
    "html": lambda *v: _print(*v).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
    "urlquery": lambda *v: _percent(_print(*v)),
    "js": lambda *v: _print(*v).replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"'),
}


def _title(text: str) -> str:
    """The first letter of every word in upper case, the rest as it is."""
    out, start = [], True
    for character in text:
        out.append(character.upper() if start else character)
        start = character.isspace()
    return "".join(out)


def _percent(text: str) -> str:
    from tiffin.wire.http1 import percent_encode

    return percent_encode(text, " ").replace(" ", "+")
