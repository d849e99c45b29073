"""Names from a model file can hold anything; every format must parse and show mere text."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator

import html5lib
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from opcheck.formats import FORMATS, Style
from opcheck.report import Report

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</script><!--",
    "</details>",
    "]]>",
    "&lt;b&gt;",
    "`",
    "``` x",
    "|",
    "\n| a | b |\n",
    "\r\n::error::forged",
    "%0A::warning::forged",
    "](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "https://evil.example/",
    "www.evil.example",
    "mailto:a@evil.example",
    "@everyone",
    "#1",
    "GH-1",
    "\\",
    "{0}",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "\x1b]0;forged\x07",
    "\x00",
    "\ufffe",
    "\u202e",
    "\u2028",
    "* _ ~~ $x$",
    "x" * 500,
)
names = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=8), min_size=1, max_size=6).map(
    "".join
)


_PLACES = re.compile(
    r"evil\x1b\[31m\nname|block/gate|my_package\.layers|models/captioner|CudnnRNNV3"
)


@pytest.fixture(scope="module")
def renamed(report: Report) -> Callable[[str], Report]:
    """The canonical report with a name for its layers, ops, modules and file, also in texts."""
    document = json.loads(msgspec.json.encode(report))
    return lambda name: msgspec.convert(_replaced(document, name), Report)


def _replaced(value: object, name: str) -> object:
    if isinstance(value, str):
        return _PLACES.sub(lambda _: name, value)
    if isinstance(value, list):
        return [_replaced(item, name) for item in value]
    if isinstance(value, dict):
        return {key: _replaced(item, name) for key, item in value.items()}
    return value


@pytest.mark.parametrize("format_", FORMATS)
@settings(max_examples=25, deadline=None)
@example(name="".join(HOSTILE))
@given(name=names)
def test_a_hostile_name_is_inert(format_: str, name: str, renamed: Callable[[str], Report]) -> None:
    render = FORMATS[format_]
    CHECKS[format_](render(renamed(name), Style()), render(renamed("n"), Style()))


BLOCKS = ("# x", "- x", "+ x", "* x", "> x", "1. x", "2) x", "    x", "===", "---", "```", "| x |")


@pytest.mark.parametrize("name", BLOCKS)
def test_a_name_that_starts_a_line_starts_no_block(
    name: str, renamed: Callable[[str], Report]
) -> None:
    report = renamed(name)
    here = msgspec.structs.replace(report.environment, notes=("A note.", name))
    text = FORMATS["markdown"](msgspec.structs.replace(report, environment=here), Style())
    plain = msgspec.structs.replace(here, notes=("A note.", "n"))
    other = msgspec.structs.replace(renamed("n"), environment=plain)
    check_markdown(text, FORMATS["markdown"](other, Style()))


def check_text(text: str, plain: str) -> None:
    assert all(char.isprintable() for char in text.replace("\n", ""))
    assert text.count("What to do") == plain.count("What to do")


def check_json(text: str, plain: str) -> None:
    assert _shape(json.loads(text)) == _shape(json.loads(plain))


def check_markdown(text: str, plain: str) -> None:
    """The same blocks and no other markup than ours, whatever GitHub would make of the text."""
    tokens, expected = _tokens(text), _tokens(plain)
    assert [t.type for t in tokens] == [t.type for t in expected]
    for token, other in zip(tokens, expected, strict=True):
        if token.type == "html_block":
            assert re.sub(r"(?s)<code>.*</code>", "", token.content) == re.sub(
                r"(?s)<code>.*</code>", "", other.content
            )
    for inline in (child for token in tokens for child in token.children or ()):
        assert inline.type in {"text", "code_inline", "strong_open", "strong_close", "softbreak"}
        if inline.type == "text":
            assert not re.search(r"@\w|#\w|\bGH-\d|\bwww\.", inline.content)
            assert inline.content.isprintable() or "\u2060" in inline.content
    assert len(text) < 65_536


def _tokens(text: str) -> list[Token]:
    """GitHub makes links of addresses with a scheme, with www. or with an @, not of bare names."""
    parser = MarkdownIt("gfm-like", {"html": True})
    parser.linkify.set({"fuzzy_link": False})
    return parser.parse(text)


def check_sarif(text: str, plain: str) -> None:
    assert _shape(json.loads(text)) == _shape(json.loads(plain))
    for message in _messages(json.loads(text)["runs"][0]["results"]):
        assert message.isprintable()
        assert not re.search(r"(?<!\\)\]\(", message)
        assert not re.search(r"(?<!{){\d+}(?!})", message)


def _messages(results: list[dict[str, dict[str, str]]]) -> Iterator[str]:
    yield from (result["message"]["text"] for result in results)


def check_junit(text: str, plain: str) -> None:
    assert _tags(ET.fromstring(text)) == _tags(ET.fromstring(plain))


def _tags(element: ET.Element) -> object:
    return element.tag, sorted(element.attrib), [_tags(child) for child in element]


def check_github(text: str, plain: str) -> None:
    lines = text.splitlines()
    assert len(lines) == len(plain.splitlines())
    for line in lines:
        assert re.fullmatch(r"::(error|warning|notice) title=[^,:]+(,file=[^,:]+)?::.*", line)
        assert not re.search("%(?!25|3A|2C)", line)


def check_html(text: str, plain: str) -> None:
    """The same elements and attributes; what the scripts read is JSON without any markup."""
    page = html5lib.HTMLParser(strict=True).parse(text)
    assert _tags(page) == _tags(html5lib.HTMLParser(strict=True).parse(plain))
    (data,) = (element.text for element in page.iter() if element.get("id") == "data")
    assert not set("<>&") & set(data)
    strings = [*_strings(json.loads(data)), *page.itertext()]
    assert all(char.isprintable() for string in strings for char in string.replace("\n", ""))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def _shape(value: object) -> object:
    """Lists and keys without the texts: a name must not add to them."""
    if isinstance(value, list):
        return [_shape(item) for item in value]
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    return type(value).__name__


CHECKS: dict[str, Callable[[str, str], None]] = {
    "text": check_text,
    "json": check_json,
    "markdown": check_markdown,
    "sarif": check_sarif,
    "junit": check_junit,
    "github": check_github,
    "html": check_html,
}
