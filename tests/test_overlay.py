"""Several runs side by side: values, paired differences and labels against the runs' own files; one figure of all."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from kit.experiments import SGD, written
from nonconv.cli import app
from nonconv.experiment.binding import read_cell
from nonconv.report.figures.axes import own_style
from nonconv.report.figures.overlay_figure import overlay_figure
from nonconv.report.labels import LONGEST, labels
from nonconv.report.overlay import read_overlay, split_label
from nonconv.results.sweep_files import read_ends
from nonconv.statistics.paired import paired
from nonconv.study import loop as study

BASE: dict[str, Any] = SGD | {"paths": 60, "steps": 40, "xi": ["minimizer", 0.5]}
CONFIGS: dict[str, dict[str, Any]] = {
    "sgd": BASE,
    "adam": BASE | {"optimizer": "adam", "iterates": ["last", {"name": "polyak", "after": 0.5}]},
    "long": BASE | {"steps": 90, "objective": BASE["objective"] | {"dim": 3}, "xi": ["minimizer", "start"]},
    "other seed": BASE | {"seed": 99},
    "diverges": BASE | {"learning_rate": 900.0, "steps": 300},
    "even": BASE | {"record": {"spacing": "linear", "points": 5}, "optimizer": "momentum"},
    "bare": BASE | {"xi": "last", "floors": {"twin": False, "window": False, "cauchy": False}},
    "one path": BASE | {"paths": 1},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Finished runs without figures, by name."""
    from kit.engines import use_reference

    place, found = tmp_path_factory.mktemp("runs"), {}
    with pytest.MonkeyPatch.context() as patched:
        use_reference(patched)
        for name, config in CONFIGS.items():
            cell = read_cell(written(place / f"in {name}", config), [])
            study.run(cell, place / name, 1, draw=lambda folder: dict)
            found[name] = place / name
    return found


def call(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == code, result.stderr
    return result.stdout if code == 0 else result.stderr


def test_values_and_differences_are_those_of_the_files(runs: dict[str, Path]) -> None:
    names = ("sgd", "adam", "long", "other seed")
    document = json.loads(call("compare", *(runs[name] for name in names), "--json"))
    ends = [read_ends(runs[name]) for name in names]
    for k, (name, told) in enumerate(zip(names, document["runs"], strict=True)):
        summary = json.loads((runs[name] / "summary.json").read_text())
        verdict = json.loads((runs[name] / "verdict.json").read_text())
        last = {row["xi"]: row for row in summary["errors"] if row["step"] == summary["steps"]}
        values = {row["name"]: row for row in told["values"]}
        assert (told["verdict"], told["folder"], told["steps"]) == (verdict["verdict"], str(runs[name]), summary["steps"])
        assert values["mse: minimizer"]["value"] == last["minimizer"]["mse"]
        assert values["mse: minimizer"]["ci_high"] == last["minimizer"]["ci_high"]
        assert values["window"]["value"] == verdict["floors"]["window"]["value"]
        assert ("mse: 0.5" in values) == (name != "long"), "a ξ that no other run has is not shown"
        assert told["same_data"] is (name != "other seed")
        for row in told["differences"]:
            pair = paired(ends[k].numbers[ends[k].of.index(row["name"])], ends[0].numbers[ends[0].of.index(row["name"])])
            assert (row["value"], row["ci_low"], row["ci_high"]) == (pair.value, pair.ci_low, pair.ci_high)
        assert bool(told["differences"]) is (k > 0)
    assert {"key": "seed", "values": ["1", "1", "1", "99"]} in document["varied"]


def test_the_table_and_the_figure_are_written_with_o(runs: dict[str, Path], tmp_path: Path) -> None:
    asked = [f"plain={runs['sgd']}", f"<b>_x</b>={runs['adam']}", runs["diverges"]]
    said = call("compare", *asked, "-o", tmp_path / "out", "--format", "svg")
    assert said.splitlines()[-2:] == [str(tmp_path / "out" / name) for name in ("comparison.csv", "comparison.svg")]
    assert "differences to plain" in said
    assert "diverges" in said
    with (tmp_path / "out" / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    (own,) = (row for row in rows if row["run"] == "<b>_x</b>" and row["quantity"] == "mse: minimizer")
    known = next(row for row in json.loads((runs["adam"] / "summary.json").read_text())["errors"] if row["step"] == 40)
    assert float(own["value"]) == known["mse"]
    lost = next(row for row in rows if row["status"] == "inf")
    assert (lost["value"], lost["difference"]) == ("", "")
    text = (tmp_path / "out" / "comparison.svg").read_text()
    assert "&lt;b&gt;_x&lt;/b&gt;" in text
    again = call("plot", *asked, "-o", tmp_path / "again", "--format", "svg")
    assert again.splitlines() == [str(tmp_path / "again" / "comparison.svg")]
    assert (tmp_path / "again" / "comparison.svg").read_text() == text, "same bytes every time"


def test_curves_of_the_figure_are_those_of_error_csv(runs: dict[str, Path]) -> None:
    names = ("sgd", "adam", "long", "diverges", "even", "one path")
    overlay = read_overlay([f"{name}={runs[name]}" for name in names])
    with own_style():
        figure = overlay_figure(overlay)
        figure.draw_without_rendering()
    top = figure.axes[0]
    for member in overlay.members:
        known = member.run.errors["minimizer"].mse
        lines = [np.atleast_1d(np.asarray(line.get_ydata(), dtype=float)) for line in top.lines]
        drawn = [line for line in lines if len(line) == len(known)]
        assert any(np.array_equal(line[line < 1e200], known[known < 1e200]) for line in drawn), member.label
    assert [text.get_text() for text in figure.legends[0].get_texts()][: len(names)] == list(names)
    styles = {(line.get_color(), str(line.get_linestyle()), line.get_marker()) for line in figure.legends[0].get_lines()}
    assert len(styles) == len(figure.legends[0].get_lines()), "no two lines look the same"
    below = next(axes for axes in figure.axes if "path\xa0by\xa0path" in axes.get_xlabel())
    assert [text.get_text() for text in below.get_yticklabels()] == list(names[1:])
    assert top.get_ylim()[1] < 1e6, "a run that diverges leaves the others room"


@pytest.mark.parametrize("names", [("bare", "bare"), ("one path", "one path"), ("bare", "diverges"), ("diverges", "diverges")])
def test_odd_runs_are_drawn(runs: dict[str, Path], names: tuple[str, str]) -> None:
    with own_style():
        overlay_figure(read_overlay([runs[name] for name in names])).draw_without_rendering()


def test_labels_are_what_differs() -> None:
    adam, sgd = {"name": "adam", "beta2": 0.9, "eps": 1e-8}, {"name": "sgd"}
    assert labels([{"optimizer": adam}, {"optimizer": sgd}], ["a", "b"]) == ["adam", "sgd"]
    assert labels([{"optimizer": adam}, {"optimizer": adam | {"beta2": 0.5}}], ["a", "b"]) == ["β₂ = 0.9", "β₂ = 0.5"]
    three: list[dict[str, Any]] = [{"optimizer": adam}, {"optimizer": adam | {"eps": 1.0}}, {"optimizer": sgd}]
    assert labels(three, ["a", "b", "c"]) == ["adam (ε 1e−08)", "adam (ε 1)", "sgd"]
    rates: list[dict[str, Any]] = [
        {"learning_rate": {"name": "constant", "value": value}, "claim": str(value)} for value in (0.1, 0.01)
    ]
    assert labels(rates, ["a", "b"]) == ["γ = 0.1", "γ = 0.01"]
    assert labels([{"seed": 1}, {"seed": 1}], ["a", "b"]) == ["a", "b"], "nothing differs"
    assert labels([{"seed": 1}, {"seed": 2}, {"seed": 2}], ["a", "b", "c"]) == ["seed = 1", "seed = 2 (b)", "seed = 2 (c)"]
    wordy = [{"objective": {"name": "formula", "loss": "x" * (LONGEST + k)}} for k in (1, 2)]
    assert labels(wordy, ["a", "b"]) == ["a", "b"], "too long to be read in a legend"


def test_a_path_may_hold_an_equals_sign(tmp_path: Path) -> None:
    (tmp_path / "a=b").mkdir()
    assert split_label(f"{tmp_path}/a=b") == ("", f"{tmp_path}/a=b")
    assert split_label(f"{tmp_path}/a=b#cell") == ("", f"{tmp_path}/a=b#cell")
    assert split_label(f"x={tmp_path}/a=b") == ("x", f"{tmp_path}/a=b")
    assert split_label("=out") == ("", "=out")


def test_errors_say_what_is_wrong(runs: dict[str, Path], tmp_path: Path) -> None:
    one, two = runs["sgd"], runs["adam"]
    assert call("compare", one, code=2) == "compare takes two or more runs: nonconv compare RUN RUN\n"
    assert call("compare", f"x={one}", f"x={two}", one, code=2) == f"{one} and {two} have the same label, 'x'\n"
    assert "unknown format 'gif'\n  allowed: png, svg, pdf" in call("compare", one, two, "--format", "gif", code=2)
    assert call("plot", one, tmp_path / "none", code=2) == f"there is no folder {tmp_path / 'none'}\n"
    (tmp_path / "file").write_text("")
    assert f"{tmp_path / 'file' / 'x'}" in call("plot", one, two, "-o", tmp_path / "file" / "x", code=2)
