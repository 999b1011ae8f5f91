"""--format values that are Go templates: escapes, parsing, errors in Docker's words. Imported on demand."""

from __future__ import annotations

from tiffin.cli.exit import Exit
from tiffin.wire.gotemplate import evaluate, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Prepared:
    """A template that is known to parse."""

    __slots__ = ("_tree",)

    def __init__(self, tree: parse.Block) -> None:
        self._tree = tree

    def render(self, value: Any, headings: bool = False) -> str:
        try:
            return evaluate.render(self._tree, value, headings=headings)
        except evaluate.TemplateFailure as error:
            raise Exit(1, f"template: :{error.line}:{error.column}: {error}") from None


def prepare(text: str) -> Prepared:
    """Parse a template; `\\t` and `\\n` written as two characters mean tab and newline."""
    text = text.replace("\\t", "\t").replace("\\n", "\n")
    try:
        return Prepared(parse.parse(text))
    except parse.TemplateSyntax as error:
        raise Exit(64, f"template parsing error: template: :{error.line}: {error}") from None
