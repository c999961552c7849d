"""The HTML with which results show themselves in a notebook: every text escaped, every picture within it."""

import base64
import html
from collections.abc import Iterable, Mapping, Sequence


def framed(parts: Iterable[str]) -> str:
    """Join parts that are HTML."""
    return f'<div class="nonconv">{"".join(parts)}</div>'


def heading(text: str) -> str:
    """Write a heading."""
    return f"<h4>{html.escape(text)}</h4>"


def paragraphs(texts: Iterable[str]) -> list[str]:
    """Write a paragraph per text; none for an empty one."""
    return [f"<p>{html.escape(text)}</p>" for text in texts if text]


def listed(texts: Iterable[str]) -> str:
    """Write a list of texts."""
    return f"<ul>{''.join(f'<li>{html.escape(text)}</li>' for text in texts)}</ul>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table of texts."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(text)}</td>' for text in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Write pairs of a label and a text."""
    rows = (f"<tr><th>{html.escape(label)}</th><td>{html.escape(text)}</td></tr>" for label, text in pairs)
    return f'<table style="text-align: left">{"".join(rows)}</table>'


def details(title: str, parts: Iterable[str]) -> str:
    """Write parts that are HTML, shown once they are asked for; nothing where there are none."""
    inner = "".join(parts)
    return f"<details><summary>{html.escape(title)}</summary>{inner}</details>" if inner else ""


def images(figures: Mapping[str, bytes]) -> list[str]:
    """Write each PNG, by its name, into the page itself."""
    return [
        f'<img alt="{html.escape(name)}" src="data:image/png;base64,{base64.b64encode(content).decode()}"'
        ' style="display: block; width: 32em; max-width: 100%">'
        for name, content in figures.items()
    ]
