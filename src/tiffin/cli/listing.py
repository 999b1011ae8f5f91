"""What every listing command does with its rows: a table, ids only, JSON lines, or the user's Go template.

A row answers `row.get(field)`; fields are computed when asked for. `HEADERS` of a listing maps a field to its column
title. Forms of --format: `table`, `table TEMPLATE`, `json`, `raw` (some listings), `TEMPLATE`.
"""

from __future__ import annotations

import sys

from tiffin.cli import tabular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Fields = Mapping[str, Callable[["Row"], Any]]


class Row:
    """One object of a listing. `data` is the API's JSON; `trunc` whether ids are cut short."""

    __slots__ = ("data", "extra", "fields", "kind", "trunc")

    def __init__(self, data: dict[str, Any], fields: Fields, trunc: bool = True, kind: str = "Context") -> None:
        self.data = data
        self.fields = fields
        self.trunc = trunc
        self.kind = kind
        self.extra: Any = None

    def template_field(self, name: str) -> Any:
        """For `{{.Name}}`; LookupError names what there is not."""
        compute = self.fields.get(name)
        if compute is None:
            raise LookupError(f"can't evaluate field {name} in type *formatter.{self.kind}")
        return compute(self)

    def template_json(self) -> dict[str, Any]:
        """For `{{json .}}`: every field, by name."""
        return {name: self.fields[name](self) for name in sorted(self.fields) if name not in ("Label", "Args")}


class Headings:
    """The first line of `table TEMPLATE`: every field gives its title."""

    __slots__ = ("titles",)

    def __init__(self, titles: Mapping[str, str]) -> None:
        self.titles = titles

    def template_field(self, name: str) -> Any:
        if name == "Label":
            return label_title
        if name not in self.titles:
            raise LookupError(f"can't evaluate field {name} in type formatter.SubHeaderContext")
        return self.titles[name]

    def template_json(self) -> dict[str, str]:
        return dict(self.titles)


def label_title(name: str) -> str:
    """The heading of a label's column: the last part of its name."""
    return name.rsplit(".", 1)[-1].replace("-", " ").replace("_", " ")


def show(
    rows: Sequence[Row],
    columns: Sequence[str],
    titles: Mapping[str, str],
    form: str = "",
    raw: Sequence[tuple[str, str]] = (),
) -> None:
    """Print rows in the form that --format names; the default is a table of `columns`, `raw` one line a field."""
    if form in ("", "table"):
        lines = ["\t".join(titles[name] for name in columns)]
        for row in rows:
            lines.append("\t".join(str(row.fields[name](row)) for name in columns))
        sys.stdout.write(tabular.align("\n".join(lines)) + "\n")
        return
    if form == "json":
        from tiffin.wire import jsontext

        for row in rows:
            sys.stdout.write(jsontext.html_escaped(jsontext.encode(row.template_json())) + "\n")
        return
    if form == "raw" and raw:
        for row in rows:
            lines = [f"{label}: {row.fields[name](row)}".rstrip() for label, name in raw]
            sys.stdout.write("\n".join(lines) + "\n\n")
        return
    _template(rows, titles, form)


def _template(rows: Sequence[Row], titles: Mapping[str, str], form: str) -> None:
    from tiffin.cli.formatting import prepare

    table = form.startswith("table")
    template = prepare(form[5:].strip() if table else form, listing=True)
    lines = [template.render(Headings(titles), headings=True)] if table else []
    lines += [template.render(row) for row in rows]
    text = "\n".join(lines)
    if lines:
        sys.stdout.write((tabular.align(text) if table else text) + "\n")
