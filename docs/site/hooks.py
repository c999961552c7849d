"""What mkdocs does here besides its own: pages from elsewhere in the repository, links to files, generated references.

The pages of docs are written to be read in the repository as well. So a link may lead to a config, to code or to
CONTRIBUTING.md: here such a file becomes a page of its own, and the link leads there. What has no page fails the build.
"""

import json
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DOCS = "docs"
sys.path.insert(0, str(HERE))

import api  # noqa: E402  # beside this file
import commands  # noqa: E402  # beside this file

FROM_ELSEWHERE = {
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "benchmarks.md": "benchmarks/README.md",
    "results.md": "benchmarks/results.md",
}
"""Pages of the site that are pages of the repository, not of docs."""
NOTEBOOK = "docs/notebook.ipynb"
GENERATED = {"commands.md": commands.page, "api.md": api.page, "notebook.md": lambda: _as_page(ROOT / NOTEBOOK)}
"""Pages that are made of the program itself."""
LANGUAGES = {".py": "python", ".yaml": "yaml", ".cff": "yaml", ".csv": "text", ".txt": "text", "": "text"}
"""Kinds of files that a page may link to."""
PICTURES = (".png", ".svg", ".gif", ".jpg")
LESS_FOUND = {"source/": 0.1, "changelog": 0.2, "coverage": 0.2, "calibration": 0.3, "gallery": 0.5, "api": 0.5}
"""How much a search makes of pages that have many words, and seldom the one that is looked for."""
FENCED = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`[^`\n]+`)")
LINK = re.compile(r"(\]\()([^)#\s]+)([^)]*\))")
NESTED = re.compile(r"^ {2,3}(?=(?:[-*]|\d+\.) )", re.MULTILINE)
"""A list in a list, as the repository indents it. The site's Markdown wants four spaces."""


def on_config(config: Any) -> Any:
    """Name in the navigation what it does not name: answers, and pages that are new."""
    sections = {title: pages for entry in config.nav for title, pages in entry.items()}
    answers = sorted(path.name for path in (ROOT / DOCS / "answers").glob("*.md"))
    sections["Answers"][:] = [f"answers/{name}" for name in sorted(answers, key=lambda name: (name != "README.md", name))]
    named = {page for pages in sections.values() for page in _pages(pages)}
    sections["How to"] += sorted({path.name for path in (ROOT / DOCS).glob("*.md")} - named)
    return config


def _pages(entries: Any) -> list[str]:
    """Return the pages of a part of the navigation."""
    if isinstance(entries, str):
        return [entries]
    return [page for entry in entries for page in _pages(next(iter(entry.values())) if isinstance(entry, dict) else entry)]


def on_files(files: Any, config: Any) -> Any:
    """Add the pages from elsewhere, the generated ones, and one for each file that a page links to."""
    for name, source in FROM_ELSEWHERE.items():
        files.append(File.generated(config, name, content=(ROOT / source).read_text(encoding="utf-8")))
    for name, make in GENERATED.items():
        files.append(File.generated(config, name, content=make()))
    linked = {
        target
        for file in files.documentation_pages()
        for target in _targets(file.content_string, _origin(file.src_uri))
        if not _is_page(target)
    }
    for target in sorted(linked):
        files.append(File.generated(config, f"source/{target}.md", content=_as_page(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Point links to where their targets are in the site."""
    uri = page.file.src_uri
    page.meta |= {"hide": ["navigation", "toc"]} if uri == "index.md" else {}
    page.meta |= {"search": {"boost": next((boost for start, boost in LESS_FOUND.items() if uri.startswith(start)), 1)}}
    if uri.startswith("source/"):
        return markdown
    here, origin = posixpath.dirname(uri), _origin(uri)

    def replaced(link: re.Match[str]) -> str:
        start, target, end = link.groups()
        if ":" in target:
            return link[0]
        return f"{start}{posixpath.relpath(_place(_resolved(target, origin)), here or '.')}{end}"

    return _outside_code(NESTED.sub("    ", markdown), lambda text: LINK.sub(replaced, text))


def _outside_code(markdown: str, change: Any) -> str:
    """Change a text where it is not code."""
    parts = FENCED.split(markdown)
    for k in range(0, len(parts), 2):
        inline = CODE.split(parts[k])
        inline[::2] = [change(text) for text in inline[::2]]
        parts[k] = "".join(inline)
    return "".join(parts)


def _origin(uri: str) -> str:
    """Return the file of the repository that a page comes from, from its root."""
    return FROM_ELSEWHERE.get(uri) or f"{DOCS}/{uri}"


def _targets(markdown: str, origin: str) -> set[str]:
    """Return the files of the repository that a page links to."""
    found: set[str] = set()
    _outside_code(markdown, lambda text: found.update(link[2] for link in LINK.finditer(text) if ":" not in link[2]) or text)
    return {_resolved(target, origin) for target in found}


def _resolved(target: str, origin: str) -> str:
    """Return the path of a link's target from the root of the repository."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))


def _is_page(target: str) -> bool:
    """Whether the site has this file as it is: a page or a picture of docs, or a page from elsewhere."""
    in_docs = target.startswith(f"{DOCS}/") and target.endswith((".md", *PICTURES))
    return in_docs or target in FROM_ELSEWHERE.values() or target in (NOTEBOOK, DOCS, "README.md")


def _place(target: str) -> str:
    """Return where a file of the repository is in the site."""
    elsewhere = {source: name for name, source in FROM_ELSEWHERE.items()} | {"README.md": "index.md", NOTEBOOK: "notebook.md"}
    if target in elsewhere:
        return elsewhere[target]
    return target.removeprefix(f"{DOCS}/") if _is_page(target) else f"source/{target}.md"


def _as_page(path: Path) -> str:
    """Show a file as a page. Raises FileNotFoundError or ValueError for what cannot be shown."""
    name = path.relative_to(ROOT).as_posix()
    if path.is_dir():
        listed = "\n".join(f"- `{one.name}`" for one in sorted(path.iterdir()) if not one.name.startswith((".", "__")))
        return f"# {name}\n\n{listed}\n"
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    if path.suffix == ".ipynb":
        return "\n\n".join(map(_cell, json.loads(text)["cells"]))
    if path.suffix not in LANGUAGES:
        raise ValueError(f"{name} is linked to, and cannot be shown on a page")
    return f"# {name}\n\n```{LANGUAGES[path.suffix]}\n{text.rstrip()}\n```\n"


def _cell(cell: Any) -> str:
    """Write a cell of a notebook as Markdown."""
    text = "".join(cell["source"])
    return text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```"
