"""Go template text to tokens. `{{-` and `-}}` trim, `{{/* */}}` vanishes.

text | {{ action }} | text ...
inside an action: .field  $var  ident  "string"  `raw`  'c'  12  1.5  ( ) |  , = :=
"""

from __future__ import annotations


class TemplateSyntax(Exception):
    """The template cannot be parsed; `line` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class Token:
    """kind: text, open, close, field, dot, var, ident, string, number, char, or the punctuation itself."""

    __slots__ = ("at", "kind", "value")

    def __init__(self, kind: str, value: str, at: int) -> None:
        self.kind, self.value, self.at = kind, value, at

    def __repr__(self) -> str:
        return f"{self.kind}:{self.value}"


SPACE = " \t\r\n"
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
HEX_ESCAPES = {"x": 2, "u": 4, "U": 8}


def position(text: str, at: int) -> tuple[int, int]:
    """Line from 1, column from 0, as Go reports them."""
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1)


def tokens(text: str) -> list[Token]:
    """All tokens of a template."""
    out: list[Token] = []
    at = 0
    trim = False
    while at < len(text):
        start = text.find("{{", at)
        piece = text[at:] if start < 0 else text[at:start]
        if trim:
            piece = piece.lstrip(SPACE)
        if start < 0:
            if piece:
                out.append(Token("text", piece, at))
            return out
        inner = start + 2
        if text[inner : inner + 1] == "-" and text[inner + 1 : inner + 2] in (" ", "\t", "\r", "\n"):
            piece = piece.rstrip(SPACE)
            inner += 2
        if piece:
            out.append(Token("text", piece, at))
        if text.startswith("/*", inner):
            at, trim = _comment(text, inner)
            continue
        out.append(Token("open", "{{", start))
        at, trim = _action(text, inner, out)
    return out


def _comment(text: str, at: int) -> tuple[int, bool]:
    end = text.find("*/", at)
    if end < 0:
        raise TemplateSyntax("unclosed comment", position(text, at)[0])
    end += 2
    trim = text.startswith(" -}}", end)
    end += 2 if trim else 0
    if not text.startswith("}}", end):
        raise TemplateSyntax("comment ends before closing delimiter", position(text, at)[0])
    return end + 2, trim


def _action(text: str, at: int, out: list[Token]) -> tuple[int, bool]:
    while True:
        if text.startswith("}}", at):
            out.append(Token("close", "}}", at))
            return at + 2, False
        if at < len(text) and text[at] in SPACE and text.startswith("-}}", at + 1):
            out.append(Token("close", "}}", at + 1))
            return at + 4, True
        if at >= len(text):
            raise TemplateSyntax("unclosed action", position(text, at)[0])
        character = text[at]
        if character in SPACE:
            end = at
            while end < len(text) and text[end] in SPACE and not text.startswith("-}}", end + 1):
                end += 1
            if end > at:
                out.append(Token("space", " ", at))
                at = end
            continue
        at = _token(text, at, character, out)


def _token(text: str, at: int, character: str, out: list[Token]) -> int:
    if character == '"':
        value, end = _quoted(text, at)
        out.append(Token("string", value, at))
    elif character == "'":
        value, end = _quoted(text, at, "'")
        if len(value) != 1:
            raise TemplateSyntax("malformed character constant: " + text[at:end], position(text, at)[0])
        out.append(Token("char", value, at))
    elif character == "`":
        end = text.find("`", at + 1) + 1
        if not end:
            raise TemplateSyntax("unterminated raw quoted string", position(text, at)[0])
        out.append(Token("string", text[at + 1 : end - 1], at))
    elif character in "().,|=" or text.startswith(":=", at):
        if character == "." and _is_word(text[at + 1 : at + 2]):
            end = _word(text, at + 1)
            out.append(Token("field", text[at + 1 : end], at))
        else:
            end = at + (2 if character == ":" else 1)
            out.append(Token("dot" if character == "." else text[at:end], text[at:end], at))
    elif character == "$":
        end = _word(text, at + 1)
        out.append(Token("var", text[at:end], at))
    elif character.isdigit() or (character in "+-" and text[at + 1 : at + 2].isdigit()):
        end = at + 1
        while end < len(text) and (_is_word(text[end]) or text[end] == "."):
            end += 1
        out.append(Token("number", text[at:end], at))
    elif _is_word(character):
        end = _word(text, at)
        out.append(Token("ident", text[at:end], at))
    else:
        line = position(text, at)[0]
        raise TemplateSyntax(f"unexpected {character!r} in command", line)
    return end


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _word(text: str, at: int) -> int:
    while at < len(text) and _is_word(text[at]):
        at += 1
    return at


def _quoted(text: str, at: int, quote: str = '"') -> tuple[str, int]:
    start, out = at, []
    at += 1
    while at < len(text) and text[at] not in (quote, "\n"):
        if text[at] != "\\":
            out.append(text[at])
            at += 1
            continue
        escape = text[at + 1 : at + 2]
        if escape in HEX_ESCAPES:
            digits = text[at + 2 : at + 2 + HEX_ESCAPES[escape]]
            try:
                out.append(chr(int(digits, 16)))
            except (ValueError, OverflowError):
                raise TemplateSyntax(
                    f"invalid escape in string {text[start : at + 2]}", position(text, at)[0]
                ) from None
            at += 2 + len(digits)
        elif escape in ESCAPES and escape:
            out.append(ESCAPES[escape])
            at += 2
        else:
            raise TemplateSyntax(f"invalid escape in string {text[start : at + 2]}", position(text, at)[0])
    if text[at : at + 1] != quote:
        raise TemplateSyntax("unterminated quoted string", position(text, start)[0])
    return "".join(out), at + 1
