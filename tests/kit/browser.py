"""A headless Chromium that opens pages from the disk, without a network, and reads what they show."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Route, sync_playwright
from playwright.sync_api import Page as Tab

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
REQUIRED = os.environ.get("NONCONV_BROWSER") == "required"
"""Where a missing browser is a failure, as in CI."""
WIDE, NARROW = 1280, 390


def require_chromium() -> str:
    """The browser; without one the tests that need it are skipped, or fail where it is required."""
    if CHROMIUM is not None:
        return CHROMIUM
    text = "no Chromium was found: install the package chromium, or run these tests elsewhere"
    if REQUIRED:
        pytest.fail(text)
    pytest.skip(text)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for several tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require_chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


class Shown:
    """A page in a tab. complaints: what the console said, and what was asked of a network."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.complaints: list[str] = []

    def spec(self, figure: str) -> str:
        """Which variant of a chart is drawn."""
        return self.tab.eval_on_selector(f"#{figure}", "figure => figure.dataset.drawn") or ""

    def drawn(self, figure: str, mark: str) -> list[str]:
        """The shapes of one kind of mark in a chart: paths of lines, areas, rules that can be seen."""
        shapes: list[str] = self.tab.eval_on_selector_all(
            f"#{figure} .chart svg.marks g.mark-{mark} path, #{figure} .chart svg.marks g.mark-{mark} line",
            "paths => paths.map(path => path.getAttribute('d') ?? path.getAttribute('transform') ?? '')",
        )
        return [shape for shape in shapes if shape]

    def table(self, selector: str) -> list[list[str]]:
        """The cells of the rows of a table that are shown."""
        rows: list[list[str]] = self.tab.eval_on_selector_all(
            f"{selector} tbody tr",
            "rows => rows.filter(row => row.offsetParent !== null).map(row => [...row.cells].map(cell => cell.innerText))",
        )
        return rows

    def tooltip(self) -> dict[str, str]:
        """The tooltip that is shown, by its keys."""
        self.tab.wait_for_selector("#vg-tooltip-element.visible")
        rows: list[list[str]] = self.tab.eval_on_selector_all(
            "#vg-tooltip-element tr", "rows => rows.map(row => [...row.cells].map(cell => cell.innerText))"
        )
        return {key.rstrip(":"): value for key, value in rows}

    def settle(self) -> None:
        """Wait until charts have been drawn again."""
        self.tab.evaluate("() => new Promise(done => setTimeout(() => requestAnimationFrame(() => done()), 60))")

    def overflow(self) -> int:
        """How many pixels the page is wider than the window."""
        return int(self.tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@contextmanager
def opened(browser: Browser, path: Path, width: int = WIDE, **options: Any) -> Iterator[Shown]:
    """Open a page from file:// without a network. It must neither ask for anything nor complain, to the end."""
    context = browser.new_context(viewport={"width": width, "height": 900}, **options)
    context.set_offline(True)
    tab = context.new_page()
    shown = Shown(tab)

    def refuse(route: Route) -> None:
        shown.complaints.append(f"asked for {route.request.url}")
        route.abort()

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            shown.complaints.append(f"{message.type}: {message.text}")

    context.route(re.compile(r"^(?!file:|data:|blob:)"), refuse)
    tab.on("console", hear)
    tab.on("pageerror", lambda error: shown.complaints.append(f"error: {error}"))
    tab.goto(path.as_uri())
    tab.wait_for_selector("html[data-ready=yes]", state="attached", timeout=20_000)
    yield shown
    assert shown.complaints == []
    context.close()
