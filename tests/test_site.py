"""The site: it builds strictly, needs no network, and its generated pages have all commands and names."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

import nonconv
from kit.browser import WIDE, chromium
from kit.command import variables
from nonconv.cli import app

ROOT = Path(__file__).parents[1]
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}
"""What a browser loads with a page."""

pytestmark = [pytest.mark.slow, pytest.mark.processes]


class Page(HTMLParser):
    """What a page links to, what it loads, and its anchors."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {key: value or "" for key, value in attrs}
        self.anchors |= {known[key] for key in ("id", "name") if key in known}
        if tag == "a" and "href" in known:
            self.links.append(known["href"])
        if tag in LOADED and LOADED[tag] in known and known.get("rel") != "canonical":
            self.loads.append(known[LOADED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make site` builds it."""
    place = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(place)]
    done = subprocess.run(
        command, cwd=ROOT, env=variables(NO_MKDOCS_2_WARNING="1"), capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return place


def test_links_lead_somewhere_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = {path.relative_to(site).as_posix(): Page(path) for path in site.rglob("*.html")}
    assert {"index.html", "commands.html", "api.html", "changelog.html", "answers/index.html", "gallery.html"} <= pages.keys()
    for name, page in pages.items():
        for link in page.loads:
            assert ":" not in link, f"{name} loads {link}"
            assert name == "404.html" or (site / name).parent.joinpath(unquote(link)).is_file(), f"{name} loads {link}"
        for link in page.links:
            if ":" in link or name == "404.html":
                continue
            target, _, anchor = unquote(link).partition("#")
            path = os.path.normpath(Path(name).parent / target) if target else name
            assert (site / path).exists(), f"{name} links to {link}"
            assert not anchor or path not in pages or anchor in pages[path].anchors, f"{name} links to {link}"


def test_every_command_option_and_name_is_described(site: Path) -> None:
    commands = (site / "commands.html").read_text(encoding="utf-8")
    headings = set(re.findall(r'<h2 id="([^"]+)"', commands))
    assert {command.name for command in app.registered_commands} <= headings
    for option in ("--set", "--grid", "--time-budget", "--junit"):
        assert f"<code>{option}</code>" in commands
    names = (site / "api.html").read_text(encoding="utf-8")
    assert {name.lower() for name in nonconv.__all__} <= set(re.findall(r'<h2 id="([^"]+)"', names))


def test_a_search_finds_what_is_on_pages_and_needs_no_server(site: Path) -> None:
    index = (site / "search" / "search_index.js").read_text(encoding="utf-8")
    assert index.startswith("var __index = ")
    assert "Twin floor" in index
    assert "unpkg.com" not in (site / "index.html").read_text(encoding="utf-8")


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_a_search_in_a_browser_without_a_network(site: Path, width: int) -> None:
    with chromium() as browser:
        context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
        tab, failed = context.new_page(), list[str]()
        tab.on("requestfailed", lambda request: failed.append(request.url))
        tab.on("pageerror", lambda error: failed.append(str(error)))
        tab.goto((site / "index.html").as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        tab.click("input.md-search__input" if width == WIDE else "label.md-header__button[for=__search]")
        tab.keyboard.type("a priori bound")
        tab.wait_for_selector(".md-search-result__item a")
        assert "bound" in tab.inner_text(".md-search-result__list").lower()
        tab.click(".md-search-result__item a")
        tab.wait_for_url("file://**.html?h=*")
        assert failed == []


def test_files_of_the_repository_have_pages(site: Path) -> None:
    shown = (site / "source" / "configs" / "adam_const.yaml.html").read_text(encoding="utf-8")
    assert "two_point" in shown
    page = (site / "getting-started.html").read_text(encoding="utf-8")
    assert 'href="source/configs/adam_const.yaml.html"' in page
