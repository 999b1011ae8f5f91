"""A parsed template and a value to text. Pure: dicts, lists and objects with `template_field` in, text out."""

from __future__ import annotations

from tiffin.wire.gotemplate.functions import FUNCTIONS, type_name
from tiffin.wire.gotemplate.parse import Action, Block, Branch, Chain, Jump, Literal, Node, Pipeline, Text
from tiffin.wire.gotemplate.values import MISSING, printed, truth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Applied to a row of column titles these leave the title alone: `table {{upper .Names}}` still heads NAMES.
HEADING_FUNCTIONS = frozenset(("json", "prettyjson", "title", "lower", "upper", "truncate", "split", "join", "pad"))


class TemplateFailure(Exception):
    """The template does not fit the value."""

    def __init__(self, message: str, node: Node) -> None:
        super().__init__(message)
        self.line, self.column = node.line, node.column


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


def render(tree: Block, value: Any, *, strict: bool = True, headings: bool = False) -> str:
    """Text of `tree` for `value`. strict: a missing key of a map is an error, else <no value>."""
    scope = _Scope(value, strict, headings)
    out: list[str] = []
    scope.block(tree, value, out)
    return "".join(out)


class _Scope:
    __slots__ = ("headings", "strict", "variables")

    def __init__(self, root: Any, strict: bool, headings: bool) -> None:
        self.variables: list[tuple[str, Any]] = [("$", root)]
        self.strict = strict
        self.headings = headings

    def block(self, nodes: Block, dot: Any, out: list[str]) -> None:
        for node in nodes:
            if isinstance(node, Text):
                out.append(node.text)
            elif isinstance(node, Action):
                value = self.pipeline(node.pipeline, dot)
                if not node.pipeline.names:
                    out.append(printed(value))
            elif isinstance(node, Branch):
                self.branch(node, dot, out)
            elif isinstance(node, Jump):
                raise _Break if node.kind == "break" else _Continue

    def branch(self, node: Branch, dot: Any, out: list[str]) -> None:
        mark = len(self.variables)
        try:
            if node.kind == "range":
                self.loop(node, dot, out)
                return
            value = self.pipeline(node.pipeline, dot)
            if truth(value):
                self.block(node.body, value if node.kind == "with" else dot, out)
            else:
                self.block(node.otherwise, dot, out)
        finally:
            del self.variables[mark:]

    def loop(self, node: Branch, dot: Any, out: list[str]) -> None:
        names, declare = node.pipeline.names, node.pipeline.declare
        value = self.pipeline(node.pipeline, dot, assign=False)
        pairs = self.pairs(value, node.pipeline)
        if not pairs:
            self.block(node.otherwise, dot, out)
            return
        mark = len(self.variables)
        for key, item in pairs:
            del self.variables[mark:]
            bound = zip(names, (item,) if len(names) == 1 else (key, item), strict=False)
            for name, what in bound:
                self.assign(name, what, declare, node.pipeline)
            try:
                self.block(node.body, item, out)
            except _Continue:
                continue
            except _Break:
                break

    def pairs(self, value: Any, node: Node) -> list[tuple[Any, Any]]:
        if value is None or value is MISSING:
            return []
        if isinstance(value, list):
            return list(enumerate(value))
        if isinstance(value, dict):
            return [(key, value[key]) for key in sorted(value)]
        if isinstance(value, int) and not isinstance(value, bool):
            return [(i, i) for i in range(value)]
        raise TemplateFailure(f"range can't iterate over {printed(value)}", node)

    def assign(self, name: str, value: Any, declare: bool, node: Node) -> None:
        if declare:
            self.variables.append((name, value))
            return
        for index in range(len(self.variables) - 1, -1, -1):
            if self.variables[index][0] == name:
                self.variables[index] = (name, value)
                return
        raise TemplateFailure(f"undefined variable: {name}", node)

    def pipeline(self, pipeline: Pipeline, dot: Any, assign: bool = True) -> Any:
        value: Any = MISSING
        for index, command in enumerate(pipeline.commands):
            value = self.command(command, dot, [value] if index else [])
        if assign:
            for name in pipeline.names:
                self.assign(name, value, pipeline.declare, pipeline)
        return value

    def command(self, operands: list[Chain | Literal], dot: Any, piped: list[Any]) -> Any:
        head = operands[0]
        if isinstance(head, Chain) and head.function:
            return self.call(head, operands[1:], dot, piped)
        value = self.operand(head, dot)
        if callable(value):
            arguments = [self.operand(operand, dot) for operand in operands[1:]] + piped
            return self.apply(value, arguments, head, head.text() if isinstance(head, Chain) else "")
        if len(operands) > 1 or piped:
            raise TemplateFailure(f"can't give argument to non-function {self.name(head)}", head)
        return value

    def name(self, node: Chain | Literal) -> str:
        return node.text() if isinstance(node, Chain) else printed(node.value)

    def call(self, head: Chain, operands: list[Chain | Literal], dot: Any, piped: list[Any]) -> Any:
        name = str(head.base)
        if name in ("and", "or"):  # stop at the first that decides
            value: Any = MISSING
            for operand in operands:
                value = self.operand(operand, dot)
                if truth(value) == (name == "or"):
                    return value
            return piped[0] if piped else value
        arguments = [self.operand(operand, dot) for operand in operands] + piped
        if self.headings and name in HEADING_FUNCTIONS and arguments:
            return next((a for a in (arguments[-1], arguments[0]) if isinstance(a, str)), "")
        return self.apply(FUNCTIONS[name], arguments, head, name)

    def apply(self, function: Any, arguments: list[Any], node: Node, name: str) -> Any:
        try:
            return function(*arguments)
        except TypeError:
            raise TemplateFailure(
                f'executing "" at <{name}>: wrong number or type of args for {name}: got {len(arguments)}', node
            ) from None
        except (ValueError, IndexError) as error:
            raise TemplateFailure(f'executing "" at <{name}>: error calling {name}: {error}', node) from None

    def operand(self, node: Chain | Literal, dot: Any) -> Any:
        if isinstance(node, Literal):
            return node.value
        if node.function:
            return self.call(node, [], dot, [])
        if isinstance(node.base, Pipeline):
            value = self.pipeline(node.base, dot)
        elif node.base == ".":
            value = dot
        else:
            value = self.variable(node.base, node)
        for index in range(len(node.fields)):
            value = self.field(value, index, node)
        return value

    def variable(self, name: str, node: Node) -> Any:
        for known, value in reversed(self.variables):
            if known == name:
                return value
        raise TemplateFailure(f"undefined variable: {name}", node)

    def field(self, value: Any, index: int, node: Chain) -> Any:
        name = node.fields[index]
        if isinstance(value, dict):
            if name in value:
                return value[name]
            # Go's names of fields differ from JSON's in case only: .ID is "Id", .APIVersion "ApiVersion".
            for key in value:
                if key.lower() == name.lower():
                    return value[key]
            if self.strict:
                raise self.at(node, index, f'map has no entry for key "{name}"')
            return MISSING
        lookup = getattr(value, "template_field", None)
        if lookup is not None:
            try:
                return lookup(name)
            except LookupError as error:
                raise self.at(node, index, str(error.args[0]) if error.args else name) from None
        if value is None or value is MISSING:
            raise self.at(node, index, f"nil pointer evaluating interface {{}}.{name}")
        raise self.at(node, index, f"can't evaluate field {name} in type {type_name(value)}")

    def at(self, node: Chain, index: int, message: str) -> TemplateFailure:
        """The failure of one field of a chain, placed where that field stands."""
        failure = TemplateFailure(f'executing "" at <{node.text()}>: {message}', node)
        if isinstance(node.base, str):
            start = "" if node.base == "." else node.base
            failure.column += len(start) + sum(len(name) + 1 for name in node.fields[:index])
        return failure
