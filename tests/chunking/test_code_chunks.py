"""How the structure of source code decides chunks and their heading paths."""

from __future__ import annotations

import warnings
from textwrap import dedent

import pytest

from chunk_samples import chunked, headings, sizes, texts, words
from vai.types import Chunk


def python(text: str, *, limit: int = 20) -> list[Chunk]:
    return chunked(dedent(text), "code", language="python", limit=limit)


def body(name: str = "x", indent: int = 4) -> str:
    """Eighteen tokens of statements, to be put where a function's body is."""
    return f"\n{' ' * indent}".join(f"{name}{number} = {number}" for number in range(6))


def code(text: str, *, limit: int = 20) -> list[Chunk]:
    return chunked(text, "code", language="other", limit=limit)


# ── Python ──


def test_the_path_of_a_method_is_its_class_and_its_name() -> None:
    chunks = python(f"""
class A:
    '''What A is, in a few words more than are joined with others.'''

    def f(self):
        return {words(10).replace(" ", "+")}

    class B:
        async def g(self):
            return {words(10).replace(" ", "+")}


def h():
    {body()}
    """)
    assert list(dict.fromkeys(headings(chunks))) == [("A",), ("A", "f"), ("A", "B", "g"), ("h",)]


def test_a_class_that_fits_is_one_chunk() -> None:
    chunks = python(
        "class A:\n    x = 1\n\n    def f(self): pass\n\nclass B:\n    def g(self): return 1, 2, 3"
    )
    assert headings(chunks) == [("A",), ("B", "g")]


def test_a_function_inside_a_long_function_has_a_path_of_its_own() -> None:
    chunks = python(
        f"def f():\n    {body()}\n\n    def g():\n        {body('y', 8)}\n\n    {body('z')}\n", limit=25
    )
    assert headings(chunks) == [("f",), ("f", "g"), ("f",)]


def test_decorators_and_comments_above_belong_to_the_definition() -> None:
    text = f"{body('a', 0)}\n\n# ── section ──\n\n# What f does.\n@one\n@two(3)\ndef f():\n    {body()}\n"
    chunks = python(text, limit=45)
    assert headings(chunks) == [(), ("f",)]
    assert chunks[1].text.startswith("# ── section ──\n\n# What f does.\n@one")


def test_a_comment_that_is_indented_further_stays_with_what_is_above() -> None:
    chunks = python(f"def f():\n    {body()}\n    # the end\n\ndef g():\n    {body()}\n", limit=30)
    assert chunks[0].text.endswith("# the end")


def test_statements_between_definitions_are_under_what_holds_them() -> None:
    chunks = python(f"def f():\n    {body()}\n\n{body('y', 0)}\n\ndef g():\n    {body()}\n", limit=25)
    assert headings(chunks) == [("f",), (), ("g",)]


def test_a_small_statement_goes_with_the_next_definition_only() -> None:
    functions = [f"def {name}():\n    {body()}" for name in "fgh"]
    chunks = python("\n\n".join([functions[0], "x = 1", *functions[1:]]), limit=50)
    assert headings(chunks) == [("f",), (), ("h",)]


def test_a_small_definition_does_not_go_with_a_large_one() -> None:
    chunks = python(f"def f(): pass\n\ndef g():\n    {body()}\n\ndef h():\n    {body()}", limit=50)
    assert headings(chunks) == [("f",), ("g",), ("h",)]


def test_definitions_under_conditions_are_found() -> None:
    chunks = python(
        f"""
try:
    {body("a")}
    def f():
        {body("b", 8)}
except ImportError:
    def g():
        {body("c", 8)}
else:
    if True:
        class C:
            {body("d", 12)}
    """,
        limit=25,
    )
    assert {path for path in headings(chunks) if path} == {("f",), ("g",), ("C",)}


def test_small_definitions_go_together_and_large_ones_do_not() -> None:
    small = [f"def f{number}(): pass" for number in range(10)]
    assert headings(python("\n".join(small), limit=60)) == [()]
    assert sizes(python("\n".join(small), limit=50)) == [48, 12]
    assert headings(python(f"def f():\n    {body()}\n\ndef g():\n    {body()}", limit=40)) == [("f",), ("g",)]


def test_definitions_of_the_same_name_are_told_apart() -> None:
    chunks = python(f"def f():\n    {body()}\n\n@f.setter\ndef f():\n    {body()}\n", limit=30)
    assert headings(chunks) == [("f",), ("f",)]
    assert chunks[1].text.startswith("@f.setter")


@pytest.mark.parametrize("line_end", ["\r\n", "\r"])
def test_other_line_ends_make_the_same_sections(line_end: str) -> None:
    text = f"def f():\n    {body()}\n    'é' + \\\n    'ü'\n\ndef g():\n    {body()}\n"
    chunks = python(text.replace("\n", line_end), limit=35)
    assert headings(chunks) == headings(python(text, limit=35)) == [("f",), ("g",)]


def test_a_long_function_is_cut_between_lines_and_at_blank_ones_first() -> None:
    chunks = python(f"def f():\n    {body()}\n\n    {body()}\n\n    {body()}\n", limit=25)
    assert sizes(chunks) == [23, 18, 18]


def test_a_line_indented_less_is_the_better_place() -> None:
    text = f"def f():\n    if a:\n        {body(indent=8)}\n    if b:\n        {body(indent=8)}\n"
    first, second = python(text, limit=32)
    assert second.text.startswith("if b:")
    assert first.tokens == 26


@pytest.mark.parametrize(
    "text",
    ["def f(:\n    1\n", "def f():\n  1\n 2\n", "x = '\0'\ndef f():\n    1\n", "print 1\ndef f():\n    1\n"],
)
def test_what_does_not_parse_is_read_like_any_other_language(text: str) -> None:
    assert headings(python(text, limit=7))[-1] == ("f",)


def test_what_the_compiler_would_warn_of_is_not_said() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        python("x = '\\d'\ny = 1 is 1\nassert (x, 'always')\n")
    assert said == []


@pytest.mark.parametrize(
    "text",
    [
        "if a:\n  pass\n" + "elif a:\n  pass\n" * 3000,
        "x = " + "+".join(["a"] * 3000),
        "x = " + "(" * 3000,
        "".join(f"{' ' * depth}class A:\n" for depth in range(90)) + " " * 90 + "pass",
    ],
    ids=["elif", "plus", "parentheses", "classes"],
)
def test_deep_nesting_is_chunked(text: str) -> None:
    chunks = python(text, limit=50)
    assert "".join("".join(texts(chunks)).split()) == "".join(text.split())


# ── other languages ──


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("class Foo extends Bar {", "Foo"),
        ("export default class Foo {", "Foo"),
        ("public static void main(String[] args) {", "main"),
        ("function foo(a, b) {", "foo"),
        ("export async function* foo(a) {", "foo"),
        ("const foo = async (a) => {", "foo"),
        ("export const foo = a => {", "foo"),
        ("func Foo(a int) error {", "Foo"),
        ("func (s *Server) Serve(l net.Listener) error {", "Serve"),
        ("type Server struct {", "Server"),
        ("fn main() -> Result<(), Error> {", "main"),
        ("pub(crate) async fn foo<T: Bar>(t: T) {", "foo"),
        ("impl<T> Display for Foo<T> {", "impl<T> Display for Foo<T>"),
        ("pub trait Foo: Bar {", "Foo"),
        ("enum Color { RED }", "Color"),
        ("interface Foo {", "Foo"),
        ("namespace a::b {", "a::b"),
        ("static int foo(const char *s, int n)\n{", "foo"),
        ("struct foo *bar(int x) {", "bar"),
        ("Foo::~Foo() {", "Foo::~Foo"),
        ("def self.foo", "self.foo"),
        ("module Foo", "Foo"),
        ("defmodule My.App do", "My.App"),
        ("local function foo(a)", "foo"),
        ("foo() {", "foo"),
        ("data class Foo(val a: Int)", "Foo"),
    ],
)
def test_a_line_at_the_left_margin_defines(line: str, name: str) -> None:
    chunks = code(f"{body('a', 0)}\n{body('b', 0)}\n\n{line}\n    {body()}\n}}\n", limit=50)
    assert headings(chunks) == [(), (name,)]


@pytest.mark.parametrize(
    "line",
    [
        "if (a) {",
        "for (;;) {",
        "    def f",
        "type: foo",
        "call(a, b);",
        "describe('x', () => {",
        "a = b(c)",
        "class",
    ],
)
def test_a_line_defines_nothing(line: str) -> None:
    assert set(headings(code(f"{body('a', 0)}\n\n{line}\n    {body()}\n", limit=30))) == {()}


def test_a_definition_ends_at_the_next_line_that_does_not_belong_to_it() -> None:
    text = f"fn f() {{\n    {body()}\n}}\n\nlet {body('y', 0)}\n\nfn g() {{\n    {body()}\n}}\n"
    assert headings(code(text, limit=25)) == [("f",), (), ("g",)]


@pytest.mark.parametrize(
    "comment",
    ["// What g does.", "/* What\ng does.\n*/", "# What g does.", "-- What g does.", "#[test]", "@Override"],
)
def test_comments_above_belong_to_the_definition(comment: str) -> None:
    chunks = code(f"fn f() {{\n    {body()}\n}}\n\n{comment}\nfn g() {{\n    {body()}\n}}\n", limit=32)
    assert headings(chunks) == [("f",), ("g",)]
    assert chunks[1].text.startswith(comment)


def test_a_comment_at_the_left_margin_inside_a_body_does_not_end_it() -> None:
    text = f"fn f() {{\n    {body()}\n// not now\n    {body()}\n}}\n\nfn g() {{\n    {body()}\n}}\n"
    assert headings(code(text, limit=50)) == [("f",), ("g",)]


def test_a_comment_that_never_ends_is_chunked() -> None:
    assert sizes(code("/* one\n" * 9, limit=9)) == [9, 9, 9]


def test_closing_lines_stay_with_what_they_close() -> None:
    text = f"{body('a', 0)}\n}}\n{body('b', 0)}\n}}\n"
    assert all(part.endswith("}") for part in texts(code(text, limit=20)))


def test_a_long_name_is_cut_where_the_line_is_the_name() -> None:
    line = f"impl {'Long' * 40} for Foo"
    chunks = code(f"{body('a', 0)}\n\n{line} {{\n    {body()}\n}}\n", limit=30)
    assert chunks[1].heading == (f"{line[:79]}…",)
