"""--format values that are Go templates: escapes, parsing, errors in Docker's words. Imported on demand."""

from __future__ import annotations

from tiffin.cli.exit import Exit
from tiffin.wire.gotemplate import evaluate, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Prepared:
    """A template that is known to parse. `what` begins the message when it does not fit the value."""

    __slots__ = ("_tree", "_what")

    def __init__(self, tree: parse.Block, what: str) -> None:
        self._tree = tree
        self._what = what

    def render(self, value: Any, headings: bool = False) -> str:
        try:
            return evaluate.render(self._tree, value, headings=headings)
        except evaluate.TemplateFailure as error:
            raise Exit(1, f"{self._what}: template: :{error.line}:{error.column}: {error}") from None


def prepare(text: str, listing: bool = False) -> Prepared:
    """Parse a template; `\\t` and `\\n` written as two characters mean tab and newline."""
    text = text.replace("\\t", "\t").replace("\\n", "\n")
    try:
        return Prepared(parse.parse(text), "failed to execute template" if listing else "template parsing error")
    except parse.TemplateSyntax as error:
        what, code = ("failed to parse template", 1) if listing else ("template parsing error", 64)
        raise Exit(code, f"{what}: template: :{error.line}: {error}") from None
