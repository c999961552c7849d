"""Texts of users in Markdown and LaTeX: shown as they are, whatever they hold."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from nonconv.report.markup import latex_text, markdown_text, printable
from nonconv.report.tables import latex_lines, markdown_lines
from nonconv.system.atomic import fitting_name

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
"""An independent reader of Markdown, with raw HTML as GitHub has it."""
SPECIAL = "ab1 \\`*_{}[]()<>#+-.!|~$&;:^\"'/\n=@ξé"
AWKWARD = [
    "costs $5 and $6", "<b>bold</b> *x* _y_ **z** `c`", "[a](http://b) ![i](j)", r"a\|b \_ \tfrac{1}{2}", "~~gone~~",
    "__init__ a_b_c", "&lt; &#42;", "line\nbreak | pipe", "# # x #", "<!-- hidden -->", "``", "trailing \\",
]  # fmt: skip


def shown(markdown: str) -> list[str]:
    """The text that a reader sees, piece by piece; fails if any of it is marked up."""
    found = []
    for block in MARKDOWN.parse(markdown):
        if block.type == "inline":
            children = block.children or []
            assert {child.type for child in children} <= {"text", "text_special"}, [child.type for child in children]
            found.append("".join(child.content for child in children))
    return found


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_texts_are_shown_as_they_are(text: str) -> None:
    assert shown(f"Claim: {markdown_text(text)}") == [f"Claim: {printable(text)}".strip()]
    assert shown(markdown_lines(["a", text], [["1", text]]))[1:] == [printable(text), "1", printable(text)]


@given(st.text(SPECIAL, max_size=12), st.text(SPECIAL, max_size=12))
def test_any_text_is_shown_as_it_is(one: str, other: str) -> None:
    """Also beside another, with which it could pair."""
    both = f"Claim: {markdown_text(one)} and {markdown_text(other)}."
    assert shown(both) == [f"Claim: {printable(one)} and {printable(other)}."]
    _, cell, _ = shown(markdown_lines(["k"], [[one], ["x"]]))
    assert cell == printable(one).strip()


def test_plain_texts_stay_readable() -> None:
    for text in ("E|Θ − path_mean|² at step 5: 0.5 ± 0.1", "kept by [−4.6, 4.6]", "β₁ < √β₂ and 3 * 4", "a_b", "(0.1 0.2)"):
        assert markdown_text(text) == text


def test_latex() -> None:
    """No character is left that TeX would take for its own, at the start of a row either."""
    text = latex_lines(["name"], [[r"[0, 1] *\x{y}^~_$%&#<|>"], ["0.1 ± 0.2"]])
    rows = [row for row in text.splitlines() if row.endswith(r" \\")]
    brackets = r"{[}0, 1{]} {*}\textbackslash{}x\{y\}"
    assert rows[1] == brackets + r"\textasciicircum{}\textasciitilde{}\_\$\%\&\#\textless{}\textbar{}\textgreater{} \\"
    assert rows[2] == r"0.1 $\pm$ 0.2 \\"
    assert not re.search(r"(?<!\\)[%#]", latex_text("50 % #1\n%x"))


def test_what_cannot_be_shown() -> None:
    assert printable("a\x1b[31m\x00 \u202eb\n c\ud800") == r"a\u001b[31m\u0000 \u202eb c\ud800"


@pytest.mark.parametrize("name", ["x" * 300, "é" * 200, "a" + "名" * 100, "short"])
def test_names_fit_and_are_cut_between_characters(name: str) -> None:
    found = fitting_name(name, "-0123abcd")
    assert len(found.encode()) <= 255
    assert found.endswith("-0123abcd")
    assert name.startswith(found.removesuffix("-0123abcd"))
    assert (found == f"{name}-0123abcd") == (name == "short")
