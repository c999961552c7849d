"""Pages in a real browser: opened from file:// without a network, clicked, and read back beside the data files."""

import csv
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from kit.browser import NARROW, WIDE, Shown, chromium, opened, require_chromium
from kit.pages import ALONE, DIVERGING, FAILING, ITERATES, OTHER, SWEEP, Folders
from kit.thorough import a_few
from nonconv.page.make import make_page

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.processes]


class Pages:
    """Pages as files, each made when it is first asked for."""

    def __init__(self, place: Path) -> None:
        self.place, self.folders = place, Folders(place / "outputs")

    def of(self, name: str, *folders: Path) -> Path:
        path = self.place / f"{name}.html"
        if not path.exists():
            path.write_bytes(make_page(folders))
        return path

    @property
    def run(self) -> Path:
        return self.of("run", self.folders.run("iterates", ITERATES))

    @property
    def sweep(self) -> Path:
        return self.of("sweep", self.folders.sweep("sweep", SWEEP))

    @property
    def runs(self) -> Path:
        return self.of("runs", self.folders.run("iterates", ITERATES), self.folders.run("other", OTHER))

    @property
    def claims(self) -> Path:
        """A folder that holds nothing but finished output folders."""
        claims = Folders(self.place / "claims")
        claims.run("iterates", ITERATES)
        claims.run("other", OTHER)
        return self.of("claims", claims.place)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require_chromium()
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    return Pages(tmp_path_factory.mktemp("browser"))


def rows_of(path: Path, **wanted: str) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if all(row[name] == value for name, value in wanted.items())]


def test_switches_take_curves_away_and_bring_them_back(browser: Browser, pages: Pages) -> None:
    with opened(browser, pages.run) as shown:
        before = shown.drawn("error", "line")
        for key in ("minimizer", "polyak", "exact expectation, minimizer"):
            switch = shown.tab.locator(f'#error input[data-switch="{key}"]')
            switch.uncheck()
            shown.settle()
            assert len(shown.drawn("error", "line")) < len(before)
            assert not [row for row in shown.table("#error-values") if key in row[0].split(": ")]
            switch.check()
            shown.settle()
            assert len(shown.drawn("error", "line")) == len(before)
        levels = len(shown.drawn("error", "rule"))
        shown.tab.locator('#error input[data-switch="twin floor"]').check()
        shown.settle()
        assert len(shown.drawn("error", "rule")) > levels


def test_values_at_a_step_are_those_of_the_file(browser: Browser, pages: Pages) -> None:
    folder = pages.folders.run("iterates", ITERATES)
    known = rows_of(folder / "error.csv", xi="minimizer")
    steps = sorted({int(row["step"]) for row in known})
    with opened(browser, pages.run) as shown:
        slider = shown.tab.locator("#error input[type=range]")
        slider.focus()
        slider.press("Home")
        for _ in range(4):
            slider.press("ArrowRight")
        shown.settle()
        assert shown.tab.locator("#error .at output").inner_text() == str(steps[4])
        table = {row[0]: row[1:] for row in shown.table("#error-values")}
        for row in (row for row in known if int(row["step"]) == steps[4]):
            value, interval, paths = table[f"{row['iterate']}: minimizer"]
            assert float(value) == pytest.approx(float(row["mse"]), rel=1e-5)
            low, high = map(float, interval.split(" to "))
            assert (low, high) == pytest.approx((float(row["ci_low"]), float(row["ci_high"])), rel=1e-5)
            assert paths == f"{row['n_finite']} of {row['n']}"


def test_a_point_tells_its_value_and_interval(browser: Browser, pages: Pages) -> None:
    folder = pages.folders.run("iterates", ITERATES)
    with opened(browser, pages.run) as shown:
        shown.tab.locator('#error input[data-switch="polyak"]').uncheck()
        for key in ("path_mean", "(0.25 0.5)", "window floor", "exact expectation, minimizer", "exact expectation, (0.25 0.5)"):
            shown.tab.locator(f'#error input[data-switch="{key}"]').uncheck()
        shown.settle()
        box = shown.tab.locator("#error .chart svg.marks").bounding_box()
        assert box is not None
        shown.tab.mouse.move(box["x"] + 0.55 * box["width"], box["y"] + 0.5 * box["height"])
        told = shown.tooltip()
        assert (told["of"], told["iterate"]) == ("minimizer", "last")
        (row,) = rows_of(folder / "error.csv", xi="minimizer", iterate="last", step=told["step"])
        assert float(told["value"]) == pytest.approx(float(row["mse"]), rel=1e-5)
        low, high = map(float, told["95 % interval"].split(" to "))
        assert (low, high) == pytest.approx((float(row["ci_low"]), float(row["ci_high"])), rel=1e-5)


def test_axes_are_switched(browser: Browser, pages: Pages) -> None:
    with opened(browser, pages.run) as shown:
        before = shown.drawn("error", "line")
        assert shown.spec("error") == "log log"
        shown.tab.locator('#error input[name="error-y"][value=linear]').check()
        shown.tab.wait_for_selector('#error[data-drawn="linear log"]')
        linear = shown.drawn("error", "line")
        assert len(linear) == len(before)
        assert linear != before
        # What was switched off stays off.
        shown.tab.locator('#error input[data-switch="polyak"]').uncheck()
        shown.tab.locator('#error input[name="error-x"][value=linear]').check()
        shown.tab.wait_for_selector('#error[data-drawn="linear linear"]')
        assert len(shown.drawn("error", "line")) < len(before)


def test_paths_of_another_coordinate_and_iterate(browser: Browser, pages: Pages) -> None:
    with opened(browser, pages.run) as shown:
        seen = {tuple(shown.drawn("paths", "line"))}
        for name, value in (("coordinate", "2"), ("iterate", "polyak")):
            shown.tab.select_option(f"#paths select[data-parameter={name}]", value)
            shown.settle()
            seen.add(tuple(shown.drawn("paths", "line")))
        assert len(seen) == 3
        many = len(shown.drawn("paths", "line"))
        shown.tab.locator('#paths input[data-switch="paths"]').uncheck()
        shown.settle()
        assert len(shown.drawn("paths", "line")) == many - 5


def test_the_config_is_copied(browser: Browser, pages: Pages) -> None:
    with opened(browser, pages.run, permissions=["clipboard-read", "clipboard-write"]) as shown:
        shown.tab.get_by_role("button", name="Copy the config").click()
        shown.tab.wait_for_function("document.querySelector('#config ~ p [role=status]').textContent === 'Copied.'")
        copied = shown.tab.evaluate("navigator.clipboard.readText()")
        assert copied == (pages.folders.run("iterates", ITERATES) / "config.yaml").read_text(encoding="utf-8")


def test_a_cell_is_chosen_on_the_map_by_its_curve_and_in_the_table(browser: Browser, pages: Pages) -> None:
    folder = pages.folders.sweep("sweep", SWEEP)
    known = {row["cell"]: row for row in rows_of(folder / "sweep.csv")}
    with opened(browser, pages.sweep) as shown:

        def chosen() -> str:
            shown.settle()
            cell: str = shown.tab.locator("#cell select[data-parameter=cell]").input_value()
            assert shown.tab.locator("#cells-table tr.chosen").get_attribute("data-cell") == cell
            verdict = known[cell]["verdict"].replace("_", " ")
            assert shown.tab.locator("#chosen-text strong").inner_text().endswith(f": {verdict}")
            return cell

        first = chosen()
        curve = shown.drawn("cell", "line")
        shown.tab.locator("#map .chart svg.marks g.layer_1_marks path").nth(4).click()
        second = chosen()
        assert second != first
        assert shown.drawn("cell", "line") != curve
        assert shown.tab.url.endswith(f"#cell={second}")
        button = shown.tab.locator(f'#cells-table tr[data-cell="{first}"] button')
        button.focus()
        shown.tab.keyboard.press("Enter")
        assert chosen() == first
        shown.tab.select_option("#cell select[data-parameter=cell]", second)
        assert chosen() == second
        box = shown.tab.locator("#cells .chart svg.marks").bounding_box()
        assert box is not None
        for share in (0.3, 0.5, 0.7, 0.8):  # wherever the curves are
            shown.tab.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + share * box["height"])
        assert chosen() in known
        with opened(browser, pages.sweep.with_name(f"{pages.sweep.name}")) as other:
            other.tab.goto(f"{pages.sweep.as_uri()}#cell={second}")
            other.tab.reload()
            other.tab.wait_for_selector("html[data-ready=yes]", state="attached")
            assert other.tab.locator("#cell select[data-parameter=cell]").input_value() == second


def test_the_values_of_a_cell_are_those_of_its_line(browser: Browser, pages: Pages) -> None:
    rows = rows_of(pages.folders.sweep("sweep", SWEEP) / "sweep.csv")
    with opened(browser, pages.sweep) as shown:
        for row in rows[:3]:
            shown.tab.select_option("#cell select[data-parameter=cell]", row["cell"])
            shown.settle()
            values = {name: value for name, value, *_ in shown.table("#cell-values")}
            assert float(values["minimizer"]) == pytest.approx(float(row["mse_minimizer"]), rel=1e-5)


def test_axes_and_colours_of_the_map_are_chosen(browser: Browser, pages: Pages) -> None:
    with opened(browser, pages.sweep) as shown:

        def axes() -> list[str]:
            shown.settle()
            texts: list[str] = shown.tab.eval_on_selector_all(
                "#map .chart svg.marks g.mark-text.role-axis-title text", "texts => texts.map(text => text.textContent)"
            )
            return texts

        before = axes()
        shown.tab.select_option("#map-x", label="seed")
        shown.tab.select_option("#map-y", label="γ" if "γ" in before else "learning_rate")
        after = axes()
        assert after[0] == "seed"
        assert after != before
        colours = shown.tab.locator("#map select[data-variant] option").all_inner_texts()
        assert len(colours) > 4
        for k in range(len(colours)):
            shown.tab.select_option("#map select[data-variant]", index=k)
            shown.settle()
            assert len(shown.drawn("map", "rect")) >= 6


def test_the_table_sorts_and_filters(browser: Browser, pages: Pages) -> None:
    with opened(browser, pages.sweep) as shown:
        every = shown.table("#cells-table")
        assert len(every) == 12
        head = shown.tab.get_by_role("button", name="minimizer")
        head.click()
        numbers = [_leading(row) for row in shown.table("#cells-table")]
        assert numbers == sorted(numbers)
        assert shown.tab.locator("#cells-table th[aria-sort=ascending]").inner_text() == "minimizer"
        head.click()
        finite = [number for row in shown.table("#cells-table") if math.isfinite(number := _leading(row))]
        assert finite == sorted(finite, reverse=True)
        shown.tab.get_by_label("Filter").fill("adam 0.1")
        kept = shown.table("#cells-table")
        assert 0 < len(kept) < len(every)
        assert all("adam" in " ".join(row) for row in kept)
        assert shown.tab.locator("#filter-count").inner_text() == f"{len(kept)} of 12"
        shown.tab.get_by_label("Filter").fill("<script>")
        assert shown.table("#cells-table") == []


def _leading(row: list[str]) -> float:
    """The number that a row is sorted by; infinite where there is none."""
    text = row[3].split(" ")[0]
    try:
        return float(text)
    except ValueError:
        return math.inf


def test_failed_cells_are_marked_and_told(browser: Browser, pages: Pages) -> None:
    with opened(browser, pages.of("failing", pages.folders.sweep("failing", FAILING))) as shown:
        signs = shown.tab.eval_on_selector_all(
            "#map svg.marks g.mark-text text", "texts => texts.map(text => text.textContent)"
        )
        assert "✕" in signs
        shown.tab.locator("#cells-table tbody button").last.click()
        assert "knots" in shown.tab.locator("#chosen-text").inner_text()
        # Where colours show numbers it has none, and can be chosen all the same.
        shown.tab.locator("#cells-table tbody button").first.click()
        shown.tab.select_option("#map select[data-variant]", index=1)
        shown.settle()
        shown.tab.locator("#map svg.marks g.mark-text.role-mark text").click()
        assert "knots" in shown.tab.locator("#chosen-text").inner_text()


def test_runs_are_switched_in_one_chart(browser: Browser, pages: Pages) -> None:
    with opened(browser, pages.runs) as shown:
        labels = shown.tab.locator("#error fieldset").first.locator("label").all_inner_texts()
        assert len(labels) == 3
        before = len(shown.drawn("error", "line"))
        shown.tab.locator("#error fieldset").first.locator("input").last.uncheck()
        shown.settle()
        assert len(shown.drawn("error", "line")) < before


def test_claims_are_filtered(browser: Browser, pages: Pages) -> None:
    with opened(browser, pages.claims) as shown:
        assert len(shown.table(".matrix")) == 2
        shown.tab.select_option("#claims-filter select[data-status]", "refuted")
        assert [row[1] for row in shown.table(".matrix")] == ["iterates"]
        assert shown.tab.locator("article:visible").count() == 1
        shown.tab.locator("#claims-filter input").fill("nothing of the kind")
        assert shown.tab.locator("#claims-filter [role=status]").inner_text() == "0 of 2"


@pytest.mark.parametrize("kind", a_few(["run", "sweep", "runs", "claims", "diverging", "alone"], ["run", "sweep", "claims"]))
def test_every_page_fits_its_window_and_can_be_read(browser: Browser, pages: Pages, kind: str) -> None:
    """At both widths, light and dark, with a name for every control, an order of headings, and nothing but one main part."""
    of = {"diverging": DIVERGING, "alone": ALONE}
    path = pages.of(kind, pages.folders.run(kind, of[kind])) if kind in of else getattr(pages, kind)
    for width, scheme in ((WIDE, "light"), (NARROW, "dark")):
        with opened(browser, path, width, color_scheme=scheme) as shown:
            assert shown.overflow() == 0
            _check_structure(shown)


def _check_structure(shown: Shown) -> None:
    """What a screen reader relies on."""
    assert shown.tab.get_attribute("html", "lang") == "en"
    assert shown.tab.locator("main").count() == shown.tab.locator("h1").count() == 1
    nameless = shown.tab.eval_on_selector_all(
        "input, select, button",
        "all => all.filter(one => !(one.labels?.length || one.textContent.trim() || one.ariaLabel)).map(one => one.outerHTML)",
    )
    assert nameless == []
    levels = shown.tab.eval_on_selector_all("h1, h2, h3, h4", "all => all.map(one => Number(one.tagName[1]))")
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert shown.tab.eval_on_selector_all("img:not([alt])", "all => all.length") == 0
    shown.tab.keyboard.press("Tab")
    assert shown.tab.evaluate("document.activeElement.textContent") == "Skip to the results"
    assert shown.tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_page_prints(browser: Browser, pages: Pages, tmp_path: Path) -> None:
    with opened(browser, pages.run) as shown:
        assert len(shown.tab.pdf(path=tmp_path / "page.pdf")) > 20_000
        shown.tab.emulate_media(media="print")
        assert not shown.tab.locator("#error .controls").is_visible()
        assert shown.tab.locator("#config-text").is_visible()
