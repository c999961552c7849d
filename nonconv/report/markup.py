"""Texts of users in places where some characters have a meaning: Markdown, LaTeX, figures.

Claims, names of files, columns and plug-ins may hold any character. Each is escaped once, where the text goes to its
place. Markdown is escaped only where it would see a construct, so that summary.md stays readable as it is.
"""

import re

from nonconv.system.streams import visible

IN_MARKDOWN = (
    (re.compile(r"\\(?=[!-/:-@\[-`{-~]|$)"), r"\\\\"),
    (re.compile(r"[`$]"), r"\\\g<0>"),
    # Emphasis and strikes begin before a character that is no space; _ not within a word.
    (re.compile(r"[*~](?=\S)|(?<!\w)_+(?=\S)"), lambda found: "".join(f"\\{one}" for one in found[0])),
    (re.compile(r"\](?=[(\[])"), r"\\]"),
    (re.compile(r"<(?=[A-Za-z/!?])"), r"\\<"),
    (re.compile(r"&(?=#?\w+;)"), r"\\&"),
)
"""What begins a construct, and how it is written instead."""
IN_LATEX = {
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # At the start of a row they would be options of the line break before it.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    # Nothing that TeX knows without packages.
    "±": r"$\pm$",
    "ξ": r"$\xi$",
    "Θ": r"$\Theta$",
    "θ": r"$\theta$",
    "−": "$-$",
    "²": "$^2$",
    "…": r"\ldots{}",
}
"""Characters that mean something to LaTeX, or that it does not have."""


def printable(text: str) -> str:
    """Return a text in one line, with characters that are not to be seen, as controls, as their escapes."""
    return visible(" ".join(text.split()))


def markdown_text(text: str) -> str:
    """Return a text as Markdown that shows it as it is, in one line."""
    shown = printable(text)
    for construct, instead in IN_MARKDOWN:
        shown = construct.sub(instead, shown)
    return shown


def markdown_cell(text: str) -> str:
    """Return a text as the cell of a Markdown table."""
    return markdown_text(text).replace("|", "\\|")


def latex_text(text: str) -> str:
    """Return a text as LaTeX that shows it as it is, in one line."""
    return "".join(IN_LATEX.get(one, one) for one in printable(text))
