from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from document_samples import read_one, refusal
from vai.documents.html import read_page


@pytest.mark.parametrize(
    ("page", "markdown"),
    [
        (
            "<h1>One</h1><p>Text <b>bold</b> and <i>more</i>.</p><h2>Two</h2>x",
            "# One\n\nText bold and more.\n\n## Two\n\nx",
        ),
        ("<p>a\n  b\t c</p> <p>d</p>", "a b c\n\nd"),
        ("a<b>b</b> c <i> d</i>", "ab c d"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<p>x &lt;y&gt; &amp; z &eacute; &#8212;&nbsp;q</p>", "x <y> & z é — q"),
        ("<h3>Use <code>x</code><a class='headerlink' href='#u'>¶</a></h3>", "### Use `x`"),
        ("<h1>over\n<span>two</span><div>lines</div></h1>", "# over two lines"),
        ("<p>See <a href='http://long.example/?q=1'>the docs</a>.</p>", "See the docs."),
        ("<img src='data:image/png;base64,AAAA' alt='A chart'> <img src='x.png'>", "A chart"),
        # lists
        ("<ul><li>a<li>b<ul><li>c</ul><li>d</ul>e", "- a\n- b\n  - c\n- d\n\ne"),
        ("<ol><li><p>a</p><p>more</p></li><li>b</li></ol>", "1. a\nmore\n2. b"),
        ("<dl><dt><code>f(x)</code></dt><dd><p>Does.</p></dd><dt>g<dd>h</dl>", "`f(x)`\n\nDoes.\n\ng\nh"),
        # tables, with and without end tags
        ("<table><tr><th>h<th>i<tr><td>1<td>2</table>", "h | i\n1 | 2"),
        ("<table><tr><td>a</td><td></td><td>c</td></tr></table>", "a | | c"),
        ("<table><tr><td><p>one</p><p>two</p></td><td>three</td></tr></table>", "one\n\ntwo\n\nthree"),
        # code
        ("<pre>a\n\n  b</pre>", "```\na\n\n  b\n```"),
        ("<pre><code class='language-python'><span>x</span> = 1\n</code></pre>", "```python\nx = 1\n```"),
        ("<pre>a <a href='b'>link</a><br># no heading</pre>", "```\na link\n# no heading\n```"),
        ("<pre>```</pre>", "````\n```\n````"),
        ("<pre></pre>x", "x"),
        # what is not shown
        ("<script>var a = '<p>no</p>';</script>x<style>p{}</style><template>t</template>", "x"),
        ("<nav>menu<nav>sub</nav></nav>x<svg><title>t</title></svg>", "x"),
        (
            "<div role='navigation'><div>menu</div></div>x<span hidden>y</span><a aria-hidden='true'>§</a>",
            "x",
        ),
        ("<!-- no --><!doctype html><?php no ?>x", "x"),
        ("<form><label>Name</label><button>Go</button><p>kept</p></form>", "Name\n\nkept"),
        # what would read as structure
        ("<p># 1 is no heading</p><p>#hash</p>", "\\# 1 is no heading\n\n#hash"),
        ("<my-card>a</my-card><my-card>b</my-card>", "a\n\nb"),
        ("no tags & stuff < 3", "no tags & stuff < 3"),
        ("<p>" + "<div>" * 2000 + "deep", "deep"),
    ],
)
def test_a_page_becomes_the_markdown_of_what_it_shows(page: str, markdown: str) -> None:
    assert read_page(page).markdown == markdown


def test_a_page_is_titled_by_its_title(tmp_path: Path) -> None:
    document = read_one(
        tmp_path / "a.html", "<html><head><title>The\n &amp; title</title></head><h1>Heading</h1>"
    )
    assert (document.title, document.text) == ("The & title", "# Heading")
    assert (document.format, document.lined, document.pages) == ("markdown", False, ())


def test_without_a_title_by_its_first_heading_and_without_that_by_its_name(tmp_path: Path) -> None:
    assert (
        read_one(tmp_path / "a.html", "<h2>x</h2><h1>The <code>first</code></h1><h1>y</h1>").title
        == "The first"
    )
    assert read_one(tmp_path / "b.htm", "<title> </title><p>x").title == "b.htm"


def test_what_stands_in_the_head_is_not_in_the_text(tmp_path: Path) -> None:
    head = "<head><title>T</title><meta name='description' content='d'><link rel='canonical' href='u'><base href='b'>"
    assert read_one(tmp_path / "a.html", f"<html>{head}</head><body><h1>H</h1>").text == "# H"


@pytest.mark.parametrize(
    "declaration", ["<meta charset=iso-8859-1>", "<?xml version='1.0' encoding='iso-8859-1'?>"]
)
def test_the_declared_encoding_is_used_where_it_is_not_utf8(tmp_path: Path, declaration: str) -> None:
    assert read_one(tmp_path / "a.html", f"{declaration}<p>café".encode("latin-1")).text == "café"
    assert read_one(tmp_path / "b.html", f"{declaration}<p>café".encode()).text == "café"


@pytest.mark.parametrize(
    ("declaration", "reason"),
    [
        ("", "is not UTF-8: invalid byte 0xe9 at offset 6"),
        ("<meta charset=klingon>", "declares an unknown encoding: klingon"),
        ("<meta charset=ascii>", "is not ASCII: invalid byte 0xe9 at offset 26"),
    ],
)
def test_an_encoding_that_does_not_fit_is_named(tmp_path: Path, declaration: str, reason: str) -> None:
    skipped = refusal(tmp_path / "a.html", f"{declaration}<p>café".encode("latin-1"))
    assert (skipped.reason, skipped.kept) == (reason, True)


tags = ["p", "h1", "ul", "ol", "li", "table", "tr", "td", "pre", "code", "a", "title", "nav", "br"]
pieces = st.one_of(
    st.sampled_from([*[f"<{tag}>" for tag in tags], *[f"</{tag}>" for tag in tags]]),
    st.sampled_from(["&amp;", "&", "<", "<!", "<!--", "-->", "text ", "\n", " # ", "```"]),
    st.text(max_size=5),
)


@given(st.lists(pieces, max_size=40).map("".join))
def test_no_page_is_too_broken_to_be_read(page: str) -> None:
    markdown = read_page(page).markdown
    assert "\n\n\n" not in markdown or "<pre" in page


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8), min_size=1))
def test_no_word_is_lost_between_tags(words: list[str]) -> None:
    page = "".join(f"<p>{word}</p><ul><li>{word}</ul><table><tr><td>{word}</table>" for word in words)
    assert sorted(read_page(page).markdown.replace("- ", "").split()) == sorted(words * 3)
