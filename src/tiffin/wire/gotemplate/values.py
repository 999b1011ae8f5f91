"""Go's view of plain values: truth, printing, comparing. Dicts are maps, lists are slices, None is nil."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Missing:
    """A key that a map does not have: prints as <no value>, is false."""

    __slots__ = ()


MISSING = Missing()


def truth(value: Any) -> bool:
    """Empty and zero values are false, as are nil and what is missing."""
    if value is None or value is MISSING:
        return False
    if isinstance(value, (bool, int, float, str, list, dict)):
        return bool(value)
    return True


def printed(value: Any, top: bool = True) -> str:
    """As fmt.Print shows it inside a template."""
    if value is MISSING:
        return "<no value>"
    if value is None:
        return "<no value>" if top else "<nil>"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return go_float(value)
    if isinstance(value, list):
        return "[" + " ".join(printed(item, False) for item in value) + "]"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{printed(value[key], False)}" for key in sorted(value)) + "]"
    to_json = getattr(value, "template_json", None)
    if to_json is not None:
        return "{" + " ".join(printed(item, False) for item in to_json().values()) + "}"
    return str(value)


def go_float(value: float) -> str:
    """%v of a float64: shortest digits, an exponent from 1e21 on and below 1e-4."""
    text = repr(value)
    if "inf" in text or "nan" in text:
        return {"inf": "+Inf", "-inf": "-Inf"}.get(text, "NaN")
    if value == 0 or 1e-4 <= abs(value) < 1e21:
        from_digits = f"{value:.17f}" if "e" in text and abs(value) < 1 else text
        if "e" in text and abs(value) >= 1:
            from_digits = str(int(value))
        return from_digits.rstrip("0").rstrip(".") if "." in from_digits else from_digits
    return text


def kind(value: Any) -> str:
    """Comparable classes of basic values; empty for others."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float"
    return "string" if isinstance(value, str) else ""
