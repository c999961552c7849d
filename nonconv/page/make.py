"""Make the page of finished folders: which kind it is, and its one HTML file.

The bytes depend on the folders and on the versions of the libraries alone: no time, no path of this machine.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import nonconv
from nonconv.faults.errors import UsageError
from nonconv.system.words import nearest

if TYPE_CHECKING:
    from nonconv.page.figure import Figure

LIBRARIES = "pip install 'nonconv[report]'"
"""What installs the libraries of pages."""


def make_page(
    folders: Sequence[Path], labels: Sequence[str] | None = None, title: str | None = None, claims: bool = False
) -> bytes:
    """Return an HTML page about finished folders.

    folders: of one run or cell (SWEEP#CELL), of one sweep, of several runs, or one folder that holds the output folders of
    claims. labels: how runs are called; of several an empty one is made of what differs. title: the page's, instead of the
    name. claims: whatever the folders are, the page is about the claims of their configs.

    Raises UsageError for a folder that is not finished or is damaged, for a mixture of kinds, and where the libraries of pages
    are not installed.
    """
    require_libraries()
    kinds = [kind_of(folder) for folder in folders]
    if claims and folders:
        return _of_claims(folders, title)
    if len(folders) > 1 and set(kinds) == {RUN}:
        return _of_runs(folders, labels or [], title)
    if len(folders) != 1:
        _refuse_mixture(folders, kinds)
    if kinds == [CLAIMS]:
        return _of_claims(folders, title)
    return _of_one(folders[0], title or next(iter(labels or []), None))


RUN, SWEEP, CLAIMS = "a run", "a sweep", "a folder of output folders"
"""What a folder may be."""


def kind_of(path: Path) -> str:
    """Return RUN, SWEEP or CLAIMS. Raises UsageError for what is none of them."""
    from nonconv.report.sweep_result import is_sweep
    from nonconv.store.folder import MANIFEST, finished
    from nonconv.store.pack import opened_run

    if not path.exists() and "#" not in str(path):
        known = sorted(one.name for one in path.absolute().parent.glob("*") if one.is_dir())
        near = nearest(path.name, known)
        hint = f"\n  did you mean {path.parent / near}?" if near else ""
        raise UsageError(f"there is no folder {path}{hint}")
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is not a folder; a page is about the output folders of runs and sweeps")
    if path.is_dir() and not (path / MANIFEST).exists() and any(path.glob(f"*/{MANIFEST}")):
        return CLAIMS
    with opened_run(path) as folder:
        finished(folder)
        return SWEEP if is_sweep(folder) else RUN


def _refuse_mixture(folders: Sequence[Path], kinds: Sequence[str]) -> NoReturn:
    """Raise UsageError for folders that no page is about."""
    told = "; ".join(f"{folder} is {kind}" for folder, kind in zip(folders, kinds, strict=True))
    allowed = "one run, several runs, one sweep, or one folder that holds the output folders of claims"
    hint = "SWEEP#CELL is a run, and with --claims any of them are held against what their configs expect"
    raise UsageError(f"these do not go into one page: {told or 'nothing'}\n  allowed: {allowed}\n  {hint}")


def _of_one(path: Path, title: str | None) -> bytes:
    """Return the page of a run or a sweep."""
    from nonconv.page import run_page, sweep_page
    from nonconv.report.run import read_run
    from nonconv.report.sweep_result import is_sweep, read_sweep_result
    from nonconv.store.folder import undamaged
    from nonconv.store.pack import opened_run

    with opened_run(path) as folder:
        manifest = undamaged(folder)
        if is_sweep(folder):
            result = read_sweep_result(folder)
            return render("sweep.html", title or result.about["name"], sweep_page.content(result, manifest))
        run = read_run(folder)
        return render("run.html", title or run.summary["name"] or path.name, run_page.content(run, manifest))


def _of_runs(paths: Sequence[Path], labels: Sequence[str], title: str | None) -> bytes:
    """Return the page of several runs."""
    from nonconv.page import overlay_page
    from nonconv.report.overlay import read_overlay
    from nonconv.store.pack import opened_run

    overlay = read_overlay(paths, {k: label for k, label in enumerate(labels) if label})
    with ExitStack() as opened:  # again: what is packed was there only while it was read
        folders = [opened.enter_context(opened_run(path)) for path in paths]
        return render("overlay.html", title or f"{len(paths)} runs", overlay_page.content(overlay, folders))


def _of_claims(paths: Sequence[Path], title: str | None) -> bytes:
    """Return the page of the claims in folders, and in folders of folders."""
    from nonconv.page import gallery_page

    name = name_of(paths[0]) if len(paths) == 1 else "Claims"
    return render("gallery.html", title or name, gallery_page.content(paths))


def name_of(path: Path) -> str:
    """Return the name of a folder, as `.` and `..` have one too; a link keeps its own."""
    place = path.absolute()
    return place.resolve().name if place.name == ".." else place.name


def require_libraries() -> None:
    """Raise UsageError, with the command to type, unless the libraries of pages are installed."""
    try:
        for name in ("altair", "jinja2", "vl_convert"):
            import_module(name)
    except ImportError as error:
        raise UsageError(
            f"a page needs {error.name or 'more libraries'}, which is not installed\n  install it: {LIBRARIES}"
        ) from None


def render(template: str, title: str, content: Mapping[str, Any]) -> bytes:
    """Fill a template. content: what it names; the charts in `figures` give the data that the page's script is told."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from nonconv.page.script import vega_script

    loader = PackageLoader("nonconv.page")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    own = {name: loader.get_source(environment, name)[0] for name in ("page.css", "page.js")}
    told = charts_and_data(content["figures"]) | content.get("more", {})
    page = environment.get_template(template).render(
        **content,
        title=title,
        version=nonconv.__version__,
        css=Markup(own["page.css"]),
        js=Markup(own["page.js"]),
        vega=Markup(vega_script()),
        data=Markup(as_script(told)),
    )
    return page.encode("utf-8", "backslashreplace")


def charts_and_data(figures: Sequence["Figure"]) -> dict[str, Any]:
    """Return what the page's script is told of charts; a table that several of them draw is there once."""
    from nonconv.page.figure import packed

    names: dict[int, str] = {}
    tables: dict[str, Any] = {}
    for table in (table for figure in figures for table in figure.data.values()):
        if id(table) not in names:
            names[id(table)] = f"t{len(names)}"
            tables[names[id(table)]] = packed(table)
    charts = {
        figure.key: {
            "variants": figure.variants,
            "data": {name: names[id(table)] for name, table in figure.data.items()},
            "steps": list(figure.steps),
        }
        for figure in figures
    }
    return {"figures": charts, "tables": tables}


def as_script(told: Any) -> str:
    """Write JSON that can stand within HTML: no text of a user ends the element that it is in."""
    text = json.dumps(told, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
