"""Pages without a browser: what they hold is what the data files hold, whatever is in the folder."""

import csv
import functools
import json
import math
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pytest

import nonconv
from kit.command import bad, call, documented, good
from kit.pages import ALONE, DIVERGING, FAILING, HOSTILE, ITERATES, OTHER, SWEEP, Folders, Page, as_rows
from nonconv.faults.errors import UsageError
from nonconv.page import curves, script
from nonconv.page.make import make_page
from nonconv.page.overlay_page import differences
from nonconv.report.overlay import read_overlay
from nonconv.store.folder import undamaged

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return Folders(tmp_path_factory.mktemp("pages") / "outputs")


@functools.cache
def page_of(*given: Path) -> Page:
    """The page of folders, made once for all tests that read it."""
    return Page(make_page(given))


@pytest.fixture(scope="module", autouse=True)
def _short_script() -> Iterator[None]:
    """The bundle of Vega is a megabyte that is the same everywhere; one test makes it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(script, "_bundle", lambda: "/* Vega */")
        patched.setattr(script, "_read", lambda path, name: b"/* Vega */")
        yield


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def shown(text: str) -> float | None:
    """A number of a data file as a chart has it."""
    return float(text) if text and math.isfinite(float(text)) else None


def test_a_run_s_curves_are_the_rows_of_its_files(folders: Folders) -> None:
    """Every iterate and every ξ, in full precision; floors and quantities too."""
    folder = folders.run("iterates", ITERATES)
    page = page_of(folder)
    found = {(row["step"], row["iterate"], row["what"]): row for row in page.rows("error", "points")}
    errors = rows_of(folder / "error.csv")
    for row in errors:
        point = found.pop((int(row["step"]), row["iterate"], row["xi"]))
        assert [point[name] for name in ("value", "low", "high")] == [shown(row[name]) for name in ("mse", "ci_low", "ci_high")]
        assert (point["n"], point["finite"]) == (int(row["n"]), int(row["n_finite"]))
    assert all(what.startswith("exact expectation") for _, _, what in found)
    floors = {(row["step"], row["iterate"], row["what"]): row for row in page.rows("error", "segments")}
    names = {"twin_mean": "twin floor", "window": "window floor", "cauchy_mean": "Cauchy floor"}
    known = [row for row in rows_of(folder / "floors.csv") if row["floor"] in names]
    assert len(known) == len(floors) > 0
    for row in known:
        floor = floors[int(row["step"]), row["iterate"], names[row["floor"]]]
        assert [floor[name] for name in ("value", "low", "high", "lower")] == [
            shown(row[name]) for name in ("value", "ci_low", "ci_high", "lower")
        ]
    risk = [row for row in rows_of(folder / "quantities.csv") if row["quantity"] == "excess_risk"]
    assert [row["value"] for row in page.rows("quantity-1", "points")] == [shown(row["value"]) for row in risk]


def test_every_xi_floor_and_iterate_has_a_switch(folders: Folders) -> None:
    page = page_of(folders.run("iterates", ITERATES))
    switches = [given["data-switch"] for tag, given in page.elements if tag == "input" and "data-switch" in given]
    assert {"last", "polyak", "minimizer", "path_mean", "(0.25 0.5)", "twin floor", "window floor", "Cauchy floor"} <= {
        *switches
    }
    for tag, given in page.elements:
        assert tag != "input" or given.get("type") in ("checkbox", "radio", "range")


def test_a_page_tells_verdict_config_and_provenance(folders: Folders) -> None:
    folder = folders.run("iterates", ITERATES)
    page, manifest = page_of(folder), undamaged(folder)
    verdict = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
    answers = {"does_not_converge": "Does not converge", "converges": "Converges", "undecided": "Undecided"}
    assert f"last: {answers[verdict['verdict']]}" in page.text
    assert f"polyak: {answers[verdict['iterates']['polyak']['verdict']]}" in page.text
    for text in ("seed 1", manifest["identity"], manifest["versions"]["numpy"], manifest["machine"]["cpu"]):
        assert text in page.text
    config = (folder / "config.yaml").read_text(encoding="utf-8")
    assert " ".join(config.split()) in page.text
    assert str(folder.parent) not in page.text


def test_nothing_of_a_user_becomes_markup(folders: Folders) -> None:
    """A claim with a script in it is shown as it is written."""
    page = Page(make_page([folders.run("iterates", ITERATES)], title="<i>mine</i>"))
    assert " ".join(HOSTILE.split()) in page.text
    assert "<i>mine</i>" in page.text
    assert len(page.scripts) == 3
    assert "alert(1)" not in page.scripts[2][1]
    assert not [tag for tag, _ in page.elements if tag in ("b", "i")]


def test_a_page_asks_for_nothing_and_its_links_lead_somewhere(folders: Folders) -> None:
    for folder in (folders.run("iterates", ITERATES), folders.sweep("sweep", SWEEP)):
        page = page_of(folder)
        assert len(page.ids) == len(set(page.ids))
        for link in page.links:
            assert link.startswith("data:") or link.removeprefix("#") in page.ids
        for _, given in page.elements:
            for name in ("aria-labelledby", "aria-describedby", "aria-controls"):
                assert set((given.get(name) or "").split()) <= set(page.ids)


def test_charts_are_valid_descriptions(folders: Folders) -> None:
    """They are not validated where they are made, which would take half of the time."""
    for folder in (folders.run("iterates", ITERATES), folders.sweep("sweep", SWEEP)):
        figures = page_of(folder).told["figures"]
        assert figures
        for figure in figures.values():
            for spec in (figure["variants"][name] for name in list(figure["variants"])[:1]):
                alt.LayerChart.from_dict(spec) if "layer" in spec else alt.Chart.from_dict(spec)


def test_a_run_that_diverges_says_so(folders: Folders) -> None:
    folder = folders.run("diverging", DIVERGING)
    page = page_of(folder)
    assert "Diverges" in page.text
    assert "minimizer: not finite from step" in page.text
    lost = [row for row in page.rows("error", "points") if row["what"] == "minimizer" and row["value"] is None]
    assert lost[-1]["step"] == 2000
    assert (lost[-1]["n"], lost[-1]["finite"]) == (8, 0)


def test_a_run_of_one_path_has_no_bands(folders: Folders) -> None:
    page = page_of(folders.run("alone", ALONE))
    points = page.rows("error", "points")
    assert all(row["low"] is None for row in points if row["what"] == "minimizer")
    assert all(row["value"] is not None for row in points)


def test_a_sweep_s_map_and_table_are_its_rows(folders: Folders) -> None:
    folder = folders.sweep("sweep", SWEEP)
    page = page_of(folder)
    cells, known = as_rows(page.told["sweep"]["cells"]), rows_of(folder / "sweep.csv")
    colours = page.told["figures"]["map"]["variants"]
    assert [row["cell"] for row in cells] == [row["cell"] for row in known]
    assert [row["verdict"] for row in cells] == [row["verdict"].replace("_", " ") for row in known]
    column = next(name for name in colours if cells[0][name] == shown(known[0]["mse_minimizer"]))
    assert [row[column] for row in cells] == [shown(row["mse_minimizer"]) for row in known]
    assert {row["text"] for row in cells if row[f"{column}_sign"] == "∞"} == {
        row["text"] for row, line in zip(cells, known, strict=True) if line["mse_minimizer"] == "inf"
    }
    assert [key["key"] for key in page.told["sweep"]["keys"]] == ["learning_rate", "optimizer", "seed"]
    assert len(page.told["sweep"]["rows"]) == len(known)


def test_a_cell_s_curves_are_its_files(folders: Folders) -> None:
    folder = folders.sweep("sweep", SWEEP)
    page = page_of(folder)
    cell = rows_of(folder / "sweep.csv")[1]["cell"]
    table = good("table", f"{folder}#{cell}", "--format", "csv")
    known = {(int(row["step"]), row["xi"]): shown(row["mse"]) for row in csv.DictReader(table.splitlines())}
    found = {(row["step"], row["what"]): row["value"] for row in page.rows("cell", "points") if row["cell"] == cell}
    assert found.items() <= known.items()
    assert max(found)[0] == 300
    assert page.told["figures"]["cells"]["data"]["points"] == page.told["figures"]["cell"]["data"]["points"]


def test_cells_that_failed_are_shown(folders: Folders) -> None:
    page = page_of(folders.sweep("failing", FAILING))
    cells = as_rows(page.told["sweep"]["cells"])
    assert [row["status"] for row in cells] == ["done", "failed"]
    assert cells[1]["verdict"] == "failed"
    assert "✕" in {value for name, value in cells[1].items() if name.endswith("_sign")}
    assert "knots" in cells[1]["reason"]


def test_several_runs_share_a_chart(folders: Folders) -> None:
    places = [folders.run("iterates", ITERATES), folders.run("other", OTHER)]
    page = Page(make_page(places, ["one <b>", ""]))
    points = page.rows("error", "points")
    assert {"one <b>", "one <b>: polyak"} < {row["iterate"] for row in points}
    assert "E|Θ − minimizer|²" in page.text
    assert "learning_rate.value" in page.text


def test_a_log_beside_a_run(folders: Folders, tmp_path: Path) -> None:
    """It has no config that runs, no seed and no rates; nothing is paired, and no column says what pairing gains."""
    rng, steps = np.random.default_rng(1), np.arange(10, 401, 10)
    log = {"theta": rng.standard_normal((60, len(steps), 2)), "step": steps}
    logged = nonconv.judge(log, out=tmp_path / "log").folder
    text = Page(make_page([logged])).text
    assert "60 runs of 400 steps" in text
    assert not any(word in text for word in ("nan at", "Learning rate", "It reproduces this folder", "Seed", "60 paths"))
    overlay = read_overlay([folders.run("iterates", ITERATES), logged])
    table = differences(overlay)
    assert table is not None
    assert "narrower by pairing" not in table.header
    assert {len(row) for row in table.rows} == {len(table.header)}


def test_a_folder_of_claims_has_a_row_for_each(folders: Folders, tmp_path: Path) -> None:
    for name in (folders.run("iterates", ITERATES), folders.run("other", OTHER), folders.sweep("failing", FAILING)):
        shutil.copytree(name, tmp_path / "claims" / name.name)
    (tmp_path / "claims" / "unfinished").mkdir()
    page = Page(make_page([tmp_path / "claims"]))
    lines = [given for tag, given in page.elements if tag == "tr" and "data-claim" in given]
    assert [line["data-status"] for line in lines] == ["none", "refuted", "none"]
    named = Page(make_page(sorted((tmp_path / "claims").iterdir())[:3], claims=True))
    assert [given for tag, given in named.elements if tag == "tr" and "data-claim" in given] == lines
    for text in ("3 claims, 2 expectations", "1 of 2", "E|Θ − minimizer|² at step 600 below 1e-09"):
        assert text in page.text


def test_a_claim_that_cannot_be_checked_says_why(folders: Folders, tmp_path: Path) -> None:
    """And costs no other."""
    for name in (folders.run("iterates", ITERATES), folders.run("other", OTHER)):
        shutil.copytree(name, tmp_path / name.name)
    (tmp_path / "iterates" / "error.csv").write_text("step\n")
    page = Page(make_page([tmp_path]))
    lines = [given for tag, given in page.elements if tag == "tr" and "data-claim" in given]
    assert [line["data-status"] for line in lines] == ["problem", "none"]
    assert "It could not be checked: iterates: missing, or changed since written: error.csv" in page.text


def test_long_curves_are_thinned_and_say_so(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    """With both ends, and from the file all the same."""
    folder = folders.run("other", OTHER)
    monkeypatch.setattr(curves, "MOST_POINTS", 20)
    monkeypatch.setattr(curves, "FEWEST_STEPS", 4)
    page = Page(make_page([folder]))
    steps = [row["step"] for row in page.rows("error", "points") if row["what"] == "minimizer"]
    known = [int(row["step"]) for row in rows_of(folder / "error.csv") if row["xi"] == "minimizer"]
    assert (len(steps), steps[0], steps[-1]) == (5, known[0], known[-1])
    assert set(steps) < set(known)
    assert f"Of {len(known)} recorded steps 5 are drawn; error.csv has all." in page.text


def test_the_same_folder_gives_the_same_bytes(folders: Folders, tmp_path: Path) -> None:
    folder = folders.sweep("sweep", SWEEP)
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert make_page([folder]) == make_page([copy])


def test_the_script_is_kept_and_made_again_if_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("NONCONV_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(script, "_read", _plain_read)
        patched.setattr(script, "_bundle", lambda: "made")
        assert script.vega_script() == "made"
        (kept,) = (tmp_path / "cache" / "pages").iterdir()
        patched.setattr(script, "_bundle", lambda: "made again")
        assert script.vega_script() == "made"
        kept.write_bytes(kept.read_bytes().replace(b"made", b"mad!"))
        assert script.vega_script() == "made again"
        shutil.rmtree(tmp_path / "cache")
        (tmp_path / "cache").write_text("no folder")
        assert script.vega_script() == "made again"


_plain_read, _plain_bundle = script._read, script._bundle


def test_the_bundle_is_the_same_each_time_and_ends_no_element() -> None:
    one = _plain_bundle()
    assert one == _plain_bundle()
    assert one.rstrip().endswith("window.vegaEmbed=$t6;") or "window.vegaEmbed" in one
    assert "</script" not in one.lower()
    assert 700_000 < len(one.encode()) < 1_200_000


def test_versions_that_do_not_go_together_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alt, "SCHEMA_VERSION", "v9.9.9")
    with pytest.raises(UsageError, match="do not go together\n  install newer ones: pip install -U altair"):
        _plain_bundle()


# The command


def test_the_command_writes_one_file(folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folders.run("other", OTHER)
    before = sorted(path.name for path in folder.rglob("*"))
    monkeypatch.chdir(tmp_path)
    assert good("report", folder) == "other.html\n"
    assert Path("other.html").read_bytes() == make_page([folder])
    facts = documented("report", folder, "--json", "-o", "deep/page.html", "--title", "Mine")
    assert (facts["file"], facts["bytes"]) == ("deep/page.html", len(Path("deep/page.html").read_bytes()))
    assert "<title>Mine</title>" in Path("deep/page.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in folder.rglob("*")) == before


def test_the_page_is_opened_where_it_is_asked_for(folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setenv("BROWSER", "one that is there")
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setenv("BROWSER", "mine")
    good("report", folders.run("other", OTHER), "--open", "-o", tmp_path / "a b.html")
    assert opened == [(tmp_path / "a b.html").as_uri()]  # and since that has said nothing, there may be no browser


def test_what_is_no_folder_is_told(folders: Folders, tmp_path: Path) -> None:
    run, sweep = folders.run("other", OTHER), folders.sweep("sweep", SWEEP)
    (tmp_path / "empty").mkdir()
    assert bad("report", run.with_name("othe")) == f"there is no folder {run.with_name('othe')}\n  did you mean {run}?\n"
    assert "is not an output folder of nonconv" in bad("report", tmp_path / "empty")
    assert "is not a folder; a page is about" in bad("report", run / "error.csv")
    told = bad("report", run, sweep)
    assert f"{run} is a run; {sweep} is a sweep" in told
    assert "allowed: one run, several runs, one sweep, or one folder" in told
    assert "is a folder" in bad("report", run, "-o", tmp_path)
    assert "cannot be written" in bad("report", run, "-o", "/dev/null/page.html")
    assert "Usage:" in bad("report")


def test_missing_libraries_are_asked_for(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    told = bad("report", folders.run("other", OTHER))
    assert told == "a page needs altair, which is not installed\n  install it: pip install 'nonconv[report]'\n"


def test_a_damaged_file_is_told(folders: Folders, tmp_path: Path) -> None:
    copy = shutil.copytree(folders.run("other", OTHER), tmp_path / "copy")
    (copy / "error.csv").write_text("step\n")
    assert "changed since written: error.csv" in bad("report", copy)
    result: Any = call("report", copy, "-v")
    assert result.exit_code == 2
