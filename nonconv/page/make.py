"""Make the page of finished folders: which kind it is, and its one HTML file.

The bytes depend on the folders and on the versions of the libraries alone: no time, no path of this machine.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nonconv
from nonconv.faults.errors import UsageError

if TYPE_CHECKING:
    from nonconv.page.figure import Figure

LIBRARIES = "pip install 'nonconv[report]'"
"""What installs the libraries of pages."""


def make_page(folders: Sequence[Path], labels: Sequence[str] | None = None, title: str | None = None) -> bytes:
    """Return an HTML page about finished folders.

    folders: of one run. labels: how they are called. title: the page's; the name of the run, if there is none.

    Raises UsageError for a folder that is not finished or is damaged, and where the libraries of pages are not installed.
    """
    require_libraries()
    from nonconv.page import run_page, sweep_page
    from nonconv.report.run import read_run
    from nonconv.report.sweep_result import is_sweep, read_sweep_result
    from nonconv.store.folder import undamaged
    from nonconv.store.pack import opened_run

    with opened_run(folders[0]) as folder:
        manifest = undamaged(folder)
        if is_sweep(folder):
            result = read_sweep_result(folder)
            return render("sweep.html", title or result.about["name"], sweep_page.content(result, manifest))
        run = read_run(folder)
        return render("run.html", title or run.summary["name"], run_page.content(run, manifest))


def require_libraries() -> None:
    """Raise UsageError, with the command to type, unless the libraries of pages are installed."""
    try:
        import altair  # noqa: F401
        import jinja2  # noqa: F401
        import vl_convert  # noqa: F401
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
