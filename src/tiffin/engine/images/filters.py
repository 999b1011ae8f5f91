"""The filters of image lists and prune: which are known, and what each one matches."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from tiffin.errors import InvalidParameter
from tiffin.spec.reference import Reference

Filters = Mapping[str, Sequence[str]]


def check(filters: Filters, known: Collection[str]) -> None:
    """Refuse a filter that does not exist, in Docker's words."""
    for name in filters:
        if name not in known:
            raise InvalidParameter(f"invalid filter '{name}'")


def flag(filters: Filters, name: str, default: bool | None = None) -> bool | None:
    """A filter that is a boolean; `default` when it is not given."""
    values = filters.get(name)
    if not values:
        return default
    value = values[0].lower()
    if value in ("1", "true", "t"):
        return True
    if value in ("0", "false", "f"):
        return False
    raise InvalidParameter(f"invalid filter '{name}={values}'")


def labels_match(labels: Mapping[str, str], wanted: Sequence[str]) -> bool:
    """Whether all of `key` or `key=value` hold."""
    for each in wanted:
        key, has_value, value = each.partition("=")
        if key not in labels or (has_value and labels[key] != value):
            return False
    return True


def reference_matches(reference: Reference, pattern: str) -> bool:
    """Docker's `reference=` filter: a shell pattern on the familiar name, with or without its tag; `*` stops at `/`."""
    expression = _glob(pattern)
    return bool(expression.fullmatch(reference.familiar) or expression.fullmatch(reference.familiar_name))


def _glob(pattern: str) -> re.Pattern[str]:
    out, position = [], 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            out.append("[^/]*")
        elif character == "?":
            out.append("[^/]")
        elif character == "\\" and position < len(pattern):
            out.append(re.escape(pattern[position]))
            position += 1
        elif character == "[":
            end = pattern.find("]", position + 1)
            if end < 0:
                raise InvalidParameter(f"invalid filter 'reference={pattern}': syntax error in pattern")
            body = pattern[position:end].replace("\\", "\\\\").replace("[", "\\[")
            out.append(f"[{body}]")
            position = end + 1
        else:
            out.append(re.escape(character))
    try:
        return re.compile("".join(out))
    except re.error:
        raise InvalidParameter(f"invalid filter 'reference={pattern}': syntax error in pattern") from None
