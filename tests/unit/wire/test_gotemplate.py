"""wire/gotemplate: results as Go's text/template with Docker's functions gives them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.wire.gotemplate import evaluate, lex, parse

DATA = {
    "Name": "web",
    "Id": "abc",
    "Count": 3,
    "Ratio": 0.25,
    "On": True,
    "Nil": None,
    "List": ["a", "b", "c"],
    "Map": {"k.1": "v1", "k2": "v2"},
    "Nested": {"Inner": {"Deep": "x"}},
    "Rows": [{"P": 1}, {"P": 2}],
}


def render(template: str, strict: bool = True) -> str:
    return evaluate.render(parse.parse(template), DATA, strict=strict)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("{{.Name}}", "web"),
        ("{{ .Name }}-{{.Count}}", "web-3"),
        ("{{.Nested.Inner.Deep}}", "x"),
        ("{{.ID}}", "abc"),  # Go's name of the field differs from JSON's in case
        ("{{.On}} {{.Ratio}} {{.Nil}}", "true 0.25 <no value>"),
        ("{{.List}} {{.Map}}", "[a b c] map[k.1:v1 k2:v2]"),
        ('{{index .Map "k.1"}} {{index .List 1}} {{(index .Rows 1).P}}', "v1 b 2"),
        ('{{index .Map "none"}}|{{index .Nested "none"}}', "|<no value>"),
        ("{{range .List}}<{{.}}>{{end}}", "<a><b><c>"),
        ("{{range $i, $e := .List}}{{$i}}{{$e}} {{end}}", "0a 1b 2c "),
        ("{{range $k, $v := .Map}}{{$k}}={{$v}};{{end}}", "k.1=v1;k2=v2;"),
        ("{{range .Nil}}x{{else}}empty{{end}}", "empty"),
        ('{{range .List}}{{if eq . "b"}}{{continue}}{{end}}{{.}}{{end}}', "ac"),
        ('{{range .List}}{{if eq . "b"}}{{break}}{{end}}{{.}}{{end}}', "a"),
        ("{{if .On}}y{{else}}n{{end}}", "y"),
        ('{{if eq .Name "x"}}1{{else if eq .Name "web"}}2{{else}}3{{end}}', "2"),
        ("{{with .Nested.Inner}}{{.Deep}} {{$.Name}}{{end}}", "x web"),
        ("{{with .Nil}}y{{else}}n{{end}}", "n"),
        ("{{with $x := .Name}}{{$x}}{{end}}", "web"),
        ("{{$x := 1}}{{if .On}}{{$x = 2}}{{end}}{{$x}}", "2"),
        ("{{and .On .Name}} {{or .Nil .Name}} {{not .On}}", "web web false"),
        ("{{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 2 2}} {{ne 1 2}} {{eq 1 2 1}}", "true true false true true true"),
        ("{{len .List}} {{len .Name}} {{slice .Name 1 2}}", "3 3 e"),
        (
            '{{printf "%-5s|%5s|%05d|%q|%v|%x" .Name .Name .Count .Name .List 255}}',
            'web  |  web|00003|"web"|[a b c]|ff',
        ),
        ('{{print 1 2 "a" "b" 3}}|{{println "x" 1}}', "1 2ab3|x 1\n"),
        ("{{json .List}} {{json .Map}}", '["a","b","c"] {"k.1":"v1","k2":"v2"}'),
        (
            '{{join .List "-"}} {{split "a,b" ","}} {{upper .Name}} {{lower "AB"}} {{title "a bc"}}',
            "a-b-c [a b] WEB ab A Bc",
        ),
        ('{{truncate .Name 2}}|{{pad .Name 1 2}}|{{.Name | printf "%s!"}}', "we| web  |web!"),
        ("a {{- .Name -}} b", "awebb"),
        ("a {{/* note */}} b", "a  b"),
        ("a {{- /* note */ -}} b", "ab"),
        ('{{"a\\tb\\u00e9"}} {{`r\\aw`}}', "a\tbé r\\aw"),
        ('{{(.Nested.Inner).Deep}} {{len (index .Map "k2")}}', "x 2"),
        ("{{1.5}} {{0x10}} {{-3}} {{'a'}}", "1.5 16 -3 97"),
    ],
)
def test_a_template_renders_as_in_go(template: str, expected: str) -> None:
    assert render(template) == expected


@pytest.mark.parametrize(
    "template",
    [
        *("{{", "{{.Name", "{{end}}", "{{if .On}}", "{{if}}x{{end}}", "{{foo .Name}}", "{{.Name}"),
        *("{{range .List}}{{else}}{{else}}{{end}}", '{{"abc}}', "{{break}}", '{{template "x"}}', "{{(.Name}}"),
        *("{{.Name | }}", "{{/* open", "{{ # }}"),
    ],
)
def test_a_broken_template_is_refused_when_parsed(template: str) -> None:
    with pytest.raises(lex.TemplateSyntax):
        parse.parse(template)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{.Foo}}", 'executing "" at <.Foo>: map has no entry for key "Foo"'),
        ("{{.Nested.Foo}}", 'executing "" at <.Nested.Foo>: map has no entry for key "Foo"'),
        ("{{.Name.Foo}}", "can't evaluate field Foo in type string"),
        ("{{index .List 9}}", "index out of range: 9"),
        ('{{lt 1 "a"}}', "incompatible types for comparison"),
        ("{{len 3}}", "len of type int"),
        ("{{$x}}", "undefined variable: $x"),
        ("{{upper 3}}", "wrong type for value"),
        ("{{range .Name}}x{{end}}", "range can't iterate over web"),
        ("{{.Name 3}}", "can't give argument to non-function .Name"),
    ],
)
def test_a_template_that_does_not_fit_says_where(template: str, message: str) -> None:
    with pytest.raises(evaluate.TemplateFailure) as caught:
        render(template)
    assert message in str(caught.value)


def test_a_missing_key_may_be_tolerated() -> None:
    assert render("{{.Foo}}", strict=False) == "<no value>"


def test_the_place_of_a_failure_is_its_fields() -> None:
    with pytest.raises(evaluate.TemplateFailure) as caught:
        render("x\n{{.Nested.Foo}}")
    assert (caught.value.line, caught.value.column) == (2, 9)


@given(st.text(alphabet='{}.|$()"`=:,- aNmeifrngdlxX19*/\n', max_size=40))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        evaluate.render(parse.parse(text), DATA)
    except (lex.TemplateSyntax, evaluate.TemplateFailure):
        pass
