"""Tokens to a tree: text, pipelines, if/else/with/range/define-less blocks.

template = { text | "{{" pipeline "}}" | if | with | range | break | continue }
pipeline = [ $var [, $var] (":=" | "=") ] command { "|" command }
command  = operand { operand }          operand = term { .field }
"""

from __future__ import annotations

from tiffin.wire.gotemplate.lex import TemplateSyntax, Token, position, tokens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Action", "Block", "Branch", "Chain", "Jump", "Literal", "Pipeline", "TemplateSyntax", "Text", "parse"]

KEYWORDS = frozenset(("if", "else", "end", "with", "range", "break", "continue", "define", "template", "block"))


class Node:
    """Where in the template it stands."""

    __slots__ = ("column", "line")

    def place(self, source: str, at: int) -> None:
        self.line, self.column = position(source, at)


class Text(Node):
    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Literal(Node):
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Chain(Node):
    """`.A.B`, `$x.A`, `(pipeline).A`, `name`: base is "." or a variable, a function, or a pipeline."""

    __slots__ = ("base", "fields", "function")

    def __init__(self, base: str | Pipeline, fields: list[str], function: bool = False) -> None:
        self.base, self.fields, self.function = base, fields, function

    def text(self) -> str:
        start = self.base if isinstance(self.base, str) and self.base != "." else ""
        return start + "".join("." + name for name in self.fields) or "."


class Pipeline(Node):
    """Commands, each a list of operands; `names` are set to the result, `declare` tells := from =."""

    __slots__ = ("commands", "declare", "names")

    def __init__(self) -> None:
        self.commands: list[list[Chain | Literal]] = []
        self.names: list[str] = []
        self.declare = False


class Action(Node):
    __slots__ = ("pipeline",)

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline


class Branch(Node):
    """if, with or range."""

    __slots__ = ("body", "kind", "otherwise", "pipeline")

    def __init__(self, kind: str, pipeline: Pipeline, body: Block, otherwise: Block) -> None:
        self.kind, self.pipeline, self.body, self.otherwise = kind, pipeline, body, otherwise


class Jump(Node):
    """break or continue."""

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind


Block = list[Text | Action | Branch | Jump]


def parse(source: str) -> Block:
    """The tree of a template; TemplateSyntax where there is none."""
    parser = _Parser(source)
    block, ended_by = parser.block(top=True)
    if ended_by:
        raise parser.error(f"unexpected {{{{{ended_by}}}}}")
    return block


class _Parser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = tokens(source)
        self.at = 0
        self.loops = 0

    def peek(self) -> str:
        return self.tokens[self.at].kind if self.at < len(self.tokens) else "EOF"

    def take(self) -> Token:
        if self.at >= len(self.tokens):
            raise self.error("unexpected EOF")
        self.at += 1
        return self.tokens[self.at - 1]

    def skip_space(self) -> None:
        while self.peek() == "space":
            self.at += 1

    def error(self, message: str) -> TemplateSyntax:
        at = self.tokens[min(self.at, len(self.tokens) - 1)].at if self.tokens else 0
        return TemplateSyntax(message, position(self.source, at)[0])

    def block(self, top: bool = False) -> tuple[Block, str]:
        """Nodes up to {{end}} or {{else…}}, and which of them it was ("" at the end of the text)."""
        nodes: Block = []
        while self.at < len(self.tokens):
            token = self.take()
            if token.kind == "text":
                nodes.append(Text(token.value))
                continue
            self.skip_space()
            word = self.tokens[self.at].value if self.peek() == "ident" else ""
            if word in ("end", "else"):
                self.take()
                return nodes, word
            nodes.append(self.action(word, token.at))
        if not top:
            raise self.error("unexpected EOF")
        return nodes, ""

    def action(self, word: str, at: int) -> Action | Branch | Jump:
        node: Action | Branch | Jump
        if word in ("if", "with", "range"):
            self.take()
            node = self.branch(word)
        elif word in ("break", "continue"):
            self.take()
            self.close()
            if not self.loops:
                raise self.error(f"{{{{{word}}}}} outside {{{{range}}}}")
            node = Jump(word)
        elif word in KEYWORDS:
            raise self.error(f"{{{{{word}}}}} is not supported here")
        else:
            node = Action(self.pipeline())
            self.close()
        node.place(self.source, at)
        return node

    def branch(self, kind: str) -> Branch:
        pipeline = self.pipeline()
        self.close()
        self.loops += kind == "range"
        body, ended_by = self.block()
        self.loops -= kind == "range"
        otherwise: Block = []
        if ended_by == "else":
            self.skip_space()
            chained = self.tokens[self.at].value if self.peek() == "ident" else ""
            if chained in ("if", "with"):  # {{else if x}} … one {{end}} closes both
                at = self.take().at
                nested = self.branch(chained)
                nested.place(self.source, at)
                return Branch(kind, pipeline, body, [nested])
            self.close()
            otherwise, ended_by = self.block()
            if ended_by == "else":
                raise self.error("expected end; found {{else}}")
        self.close()
        return Branch(kind, pipeline, body, otherwise)

    def close(self) -> None:
        self.skip_space()
        if self.peek() != "close":
            found = self.tokens[self.at].value if self.at < len(self.tokens) else "EOF"
            raise self.error(f'unexpected "{found}" in operand')
        self.take()

    def pipeline(self) -> Pipeline:
        self.skip_space()
        pipeline = Pipeline()
        pipeline.place(self.source, self.tokens[self.at].at if self.at < len(self.tokens) else len(self.source))
        self.assignment(pipeline)
        while True:
            pipeline.commands.append(self.command())
            self.skip_space()
            if self.peek() != "|":
                return pipeline
            self.take()
            self.skip_space()

    def assignment(self, pipeline: Pipeline) -> None:
        start, names = self.at, []
        while self.peek() == "var":
            names.append(self.take().value)
            self.skip_space()
            if self.peek() == "," and len(names) < 2:
                self.take()
                self.skip_space()
                continue
            if self.peek() in (":=", "="):
                pipeline.declare = self.take().value == ":="
                pipeline.names = names
                self.skip_space()
                return
            break
        self.at = start

    def command(self) -> list[Chain | Literal]:
        operands = []
        while True:
            self.skip_space()
            if self.peek() in ("close", "|", ")", "EOF"):
                break
            operands.append(self.operand())
        if not operands:
            raise self.error("missing value for command")
        return operands

    def operand(self) -> Chain | Literal:
        token = self.take()
        node: Chain | Literal
        if token.kind == "(":
            inner = self.pipeline()
            if self.peek() != ")":
                raise self.error("unclosed left paren")
            self.take()
            node = Chain(inner, self.fields())
        elif token.kind == "field":
            node = Chain(".", [token.value, *self.fields()])
        elif token.kind == "dot":
            node = Chain(".", [])
        elif token.kind == "var":
            node = Chain(token.value, self.fields())
        elif token.kind == "ident":
            node = self.word(token.value)
        elif token.kind in ("string", "char"):
            node = Literal(token.value if token.kind == "string" else ord(token.value))
        elif token.kind == "number":
            node = Literal(self.number(token.value))
        else:
            raise self.error(f'unexpected "{token.value}" in operand')
        node.place(self.source, token.at)
        return node

    def fields(self) -> list[str]:
        names = []
        while self.peek() == "field":
            names.append(self.take().value)
        return names

    def word(self, name: str) -> Chain | Literal:
        if name in ("true", "false"):
            return Literal(name == "true")
        if name == "nil":
            return Literal(None)
        from tiffin.wire.gotemplate.functions import FUNCTIONS

        if name not in FUNCTIONS:
            raise self.error(f'function "{name}" not defined')
        return Chain(name, [], function=True)

    def number(self, text: str) -> int | float:
        try:
            return int(text, 0)
        except ValueError:
            pass
        try:
            return float(text)
        except ValueError:
            raise self.error(f'bad number syntax: "{text}"') from None
