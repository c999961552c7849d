"""What is shown of networks: every number against a direct computation from what the engine left, the text, the figures."""

import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pytest
from numpy.typing import NDArray

from kit.command import bad, good
from kit.experiments import SGD, written
from kit.layout import check_layout, laid_out, texts
from kit.runs import drawn
from nonconv.checks import expectations
from nonconv.cli import run_config
from nonconv.components.definitions import Group
from nonconv.engine.blocks import Block, Examined, block_size, simulate, summary_steps
from nonconv.engine.fused import Fused
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.numerics.arithmetic import Array
from nonconv.numerics.moments import effective_number, estimate, lower_bound, moments
from nonconv.report.figures.axes import STYLE
from nonconv.report.figures.catalogue import figure_names
from nonconv.report.figures.drawing import draw_folder
from nonconv.report.figures.figures import paths_figure
from nonconv.report.figures.network_figures import groups_figure, risk_figure
from nonconv.report.network_text import findings
from nonconv.report.run import Run, read_run
from nonconv.report.summary import markdown, setting
from nonconv.report.tables import table
from nonconv.results import network, verdict_files
from nonconv.results.columns import read_columns
from nonconv.statistics.comoments import comoments
from nonconv.statistics.floors import measured, rows
from nonconv.statistics.trends import followed, trends
from nonconv.statistics.verdict import Observed, judge
from nonconv.study import loop as study
from nonconv.theory.structure import structure

pytestmark = pytest.mark.compiles  # the kernels of networks

STOP = np.zeros(1, dtype=np.uint8)
PATHS = 24
TINY: dict[str, Any] = {
    "seed": 5,
    "paths": PATHS,
    "steps": 64,
    "objective": {"name": "mlp", "hidden": [5], "data": {"name": "function", "inputs": 3, "held_out": 20}},
    "optimizer": "adam",
    "learning_rate": 0.02,
    "batch_size": 4,
    "record": {"points": 12, "paths": 3},
}
OFF = {"twin": False, "window": False, "cauchy": False}
CLASSES = {"name": "teacher", "inputs": 3, "outputs": 3, "labels": "classes", "held_out": 20}


def mlp(**changes: Any) -> dict[str, Any]:
    return {"objective": TINY["objective"] | changes}


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "classes": mlp(data=CLASSES, loss="cross_entropy", hidden=[4, 4]),
    "exploding": {"optimizer": "sgd", "learning_rate": 50.0, "steps": 300, "xi": ["start", 0.5, "last"]},
    "linear": mlp(hidden=[]),
    "none held out": mlp(data=TINY["objective"]["data"] | {"held_out": 0}),
    "one path": {"paths": 1},
    "no floors": {"floors": OFF},
    "one step": {"steps": 1, "record": {"points": 1, "paths": 0}},
    "four coordinates": {
        "record": {"points": 12, "paths": 3, "coordinates": ["output.bias", "hidden.weight[2,1]", 1]},
        "xi": [0.25],
    },
    "window only": {"floors": OFF | {"window": True}},
}


class Result(NamedTuple):
    """A run, and the block it must have been made of."""

    cell: Cell
    block: Block
    run: Run

    @property
    def seen(self) -> Examined:
        assert self.block.examined is not None
        return self.block.examined

    def column(self, file: str, name: str, **where: str) -> Array:
        found = [
            row
            for row in read_columns(self.run.folder / file).records()
            if all(row[key] == value for key, value in where.items())
        ]
        return np.array([float(row[name] or "nan") for row in found])


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Result]:
    """A case, run once."""
    made: dict[str, Result] = {}

    def find(name: str) -> Result:
        if name not in made:
            made[name] = result_of(tmp_path_factory.mktemp("network"), CASES[name])
        return made[name]

    return find


def result_of(folder: Path, config: dict[str, Any]) -> Result:
    cell = read_cell(written(folder / "in", TINY | config), [])
    study.run(cell, folder / "out", workers=1, draw=drawn)
    assert cell.paths <= block_size(cell.program), "all paths are one block"
    return Result(cell, simulate(cell.program, Fused(cell.program), 0, cell.paths, STOP), read_run(folder / "out"))


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with mpl.rc_context(STYLE):
        yield


def check_interval(found: Result, file: str, names: tuple[str, str, str, str], samples: Array, **where: str) -> None:
    """A mean over the paths, in the last axis of samples, with its interval unless few paths dominate it."""
    for name, expected in zip(names, interval_of(samples), strict=True):
        np.testing.assert_array_equal(found.column(file, name, **where), expected)


def interval_of(samples: Array) -> tuple[Array, ...]:
    """Mean, standard error and interval of numbers of which nothing but the sample is known."""
    m = moments(samples)
    carrying = effective_number(m)
    trusted = (carrying >= min(30, samples.shape[-1] / 8)) | (m.n_finite < m.n)
    value, *interval = estimate(m, skewed=carrying < samples.shape[-1] / 1.6)
    return value, *(np.where(trusted, field, np.nan) for field in interval)


TABLE: dict[str, Any] = mlp(data={"name": "diabetes", "held_out": 0.2}) | {"batch_size": 8}


def test_the_training_loss_is_that_of_the_rows_that_are_learned_from(tmp_path: Path) -> None:
    """By hand, in NumPy; a law of examples has none, since its risk is that mean."""
    found = result_of(tmp_path, TABLE)
    learning = found.cell.program.learning
    assert learning is not None
    assert learning.training is not None
    x, y = learning.training
    assert x.shape[1] + learning.held_out[0].shape[1] == 442, "all rows"
    groups = {group.name: group for group in learning.groups}

    def weights(name: str, theta: Array) -> Array:
        own = theta[groups[name].first : groups[name].last]
        return own.reshape(-1, groups[name].fan_in) if groups[name].fan_in else own[:, None]

    by_path = []
    for theta in np.moveaxis(found.block.theta[-1], 1, 0):
        hidden = np.maximum(weights("hidden.weight", theta) @ x + weights("hidden.bias", theta), 0.0)
        error = weights("output.weight", theta) @ hidden + weights("output.bias", theta) - y
        by_path.append(np.square(error).sum(axis=0).mean())
    assert found.column("risk.csv", "training_loss")[-1] == pytest.approx(np.mean(by_path), rel=1e-12)
    end = found.run.summary["network"]["training_loss"]["end"]
    assert end["value"] == found.column("risk.csv", "training_loss")[-1]
    assert f"Training loss (mean over {x.shape[1]} rows): " in markdown(found.run)
    assert "training_loss" in found.run.paths["end_of"]
    slope = found.run.summary["network"]["training_loss"]["slope"]
    half = found.run.summary["network"]["training_loss"]["half"]
    doublings = np.log2(end["step"] / half["step"])
    assert slope["value"] == pytest.approx(np.log2(end["value"] / half["value"]) / doublings, rel=1e-12)


def test_no_training_loss_of_a_law(result: Callable[[str], Result]) -> None:
    assert "training_loss" not in result("plain").run.summary["network"]
    assert "training_loss" not in read_columns(result("plain").run.folder / "risk.csv").texts


def test_a_sweep_has_what_networks_end_with(tmp_path: Path) -> None:
    """Risk and training loss with intervals, slopes and paired differences, and idle units: those of each cell's files."""
    axis = {"sweep": {"learning_rate": [0.001, 0.02]}, "floors": OFF, "steps": 32}
    good("sweep", written(tmp_path / "in", TINY | TABLE | axis), "-o", tmp_path / "out", "-q", "--executor", "threads")
    swept = read_columns(tmp_path / "out" / "sweep.csv")
    for k, cell in enumerate(swept["cell"]):
        of = json.loads((tmp_path / "out" / "cells" / cell / "summary.json").read_text())["network"]
        for name in ("risk", "training_loss"):
            end, slope = of[name]["end"], of[name]["slope"]
            ends = [float(swept[f"{name}{part}"][k]) for part in ("", "_se", "_low", "_high")]
            assert ends == [end[field] for field in ("value", "se", "ci_low", "ci_high")]
            assert float(swept[f"slope_{name}"][k]) == slope["value"]
            assert (swept[f"difference_{name}"][k] == "") == (k == 0)
        assert float(swept["idle"][k]) == of["idle_share"]
    assert not {"risk_lower", "slope_idle"} & swept.texts.keys()
    assert float(swept["difference_risk"][1]) == pytest.approx(float(swept["risk"][1]) - float(swept["risk"][0]), rel=1e-9)


# risk.csv and noise.csv


@pytest.mark.parametrize("name", ["plain", "classes", "exploding"])
def test_the_risk_at_the_start_and_the_recorded_steps(result: Callable[[str], Result], name: str) -> None:
    found = result(name)
    np.testing.assert_array_equal(found.column("risk.csv", "step"), [0, *found.cell.program.record])
    check_interval(found, "risk.csv", ("risk", "se", "ci_low", "ci_high"), found.seen.risk)
    assert set(found.column("risk.csv", "n")) == {PATHS}
    np.testing.assert_array_equal(found.column("risk.csv", "n_finite"), np.isfinite(found.seen.risk).sum(axis=1))


def test_the_risk_is_the_loss_of_the_held_out_examples(result: Callable[[str], Result]) -> None:
    """By hand, of the start, of the linear network."""
    found = result("linear")
    assert found.cell.program.learning is not None
    x, y = found.cell.program.learning.held_out
    weights, bias = found.block.start[:-1], found.block.start[-1]
    risk = np.square(weights.T @ x + bias[:, None] - y).mean(axis=1)
    assert found.column("risk.csv", "risk")[0] == pytest.approx(risk.mean(), rel=1e-12)


def test_only_classes_can_be_wrong(result: Callable[[str], Result]) -> None:
    found = result("classes")
    check_interval(found, "risk.csv", network.WRONG_COLUMNS, found.seen.wrong)  # type: ignore[arg-type]
    assert list(read_columns(found.run.folder / "risk.csv").records()[0]) == [*network.RISK_COLUMNS, *network.WRONG_COLUMNS]
    assert list(read_columns(result("plain").run.folder / "risk.csv").records()[0]) == list(network.RISK_COLUMNS)


@pytest.mark.parametrize("name", ["plain", "exploding"])
def test_the_noise_at_the_noted_steps(result: Callable[[str], Result], name: str) -> None:
    found = result(name)
    record = found.cell.program.record
    np.testing.assert_array_equal(found.column("noise.csv", "step"), record[summary_steps(record)])
    for what, samples in (("gradient", found.seen.gradient), ("noise", found.seen.noise)):
        names = (what, f"{what}_se", f"{what}_ci_low", f"{what}_ci_high")
        check_interval(found, "noise.csv", names, samples)
        finite = np.isfinite(samples).sum(axis=1)
        np.testing.assert_array_equal(found.column("noise.csv", f"{what}_n_finite"), finite)
    with np.errstate(invalid="ignore"):
        scale = found.column("noise.csv", "noise") / found.column("noise.csv", "gradient")
    np.testing.assert_array_equal(found.column("noise.csv", "scale"), scale)
    assert list(read_columns(found.run.folder / "noise.csv").records()[0]) == list(network.NOISE_COLUMNS)


# Groups


def part(block: Block, own: slice) -> Block:
    """The block as if there were no other coordinates."""
    several = {name: tuple(each[:, own] for each in getattr(block, name)) for name in ("twins", "sampled", "sampled_twins")}
    return Block(**block.__dict__ | {"seen": block.seen[:, own]} | several)


GROUPS = {"hidden": slice(0, 20), "output": slice(20, 26), "output.bias": slice(25, 26)}
"""Of the plain network: 3 x 5 weights and 5 biases, 5 weights and a bias."""


def test_the_floors_of_each_group(result: Callable[[str], Result]) -> None:
    found = result("plain")
    plan = found.cell.program.plan
    file = read_columns(found.run.folder / "group_floors.csv").records()
    assert list(file[0]) == ["group", *verdict_files.FLOOR_COLUMNS]
    assert list(dict.fromkeys(row["group"] for row in file)) == list(GROUPS)
    for name, own in GROUPS.items():
        samples = measured(plan, part(found.block, own))
        check_interval(found, "group_floors.csv", ("value", "se", "ci_low", "ci_high"), samples, group=name)
        lower = np.where(np.isnan(interval_of(samples)[1]), np.nan, lower_bound(moments(samples), 0.05 / len(rows(plan))))
        np.testing.assert_array_equal(found.column("group_floors.csv", "lower", group=name), lower)
        for of in ("step", "lag"):
            expected = [getattr(row, of) for row in rows(plan)]
            np.testing.assert_array_equal(found.column("group_floors.csv", of, group=name), expected)


def test_the_layers_add_up(result: Callable[[str], Result]) -> None:
    found = result("plain")
    total = sum(found.column("group_floors.csv", "value", group=name) for name in ("hidden", "output"))
    np.testing.assert_allclose(found.column("floors.csv", "value"), total, rtol=1e-12)


@pytest.mark.slow
def test_each_group_is_judged_by_its_own_floors(tmp_path: Path) -> None:
    """With enough paths and steps for an answer."""
    found = result_of(tmp_path, {"paths": 208, "steps": 256, "record": {"points": 4, "paths": 0}})
    plan, told = found.cell.program.plan, found.run.verdict["groups"]
    assert list(told) == list(GROUPS)
    for name, own in GROUPS.items():
        block = part(found.block, own)
        numbers = comoments(followed(plan, block, measured(plan, block), []))
        verdict = judge(Observed(plan, 256, 208, 0, True, trends(plan, ()), numbers, structure=structure(found.cell)))
        assert (told[name]["verdict"], told[name]["reason"]) == (verdict.answer, verdict.reason)
        assert told[name]["observed"] == [32, 256]
        assert told[name]["coordinates"] == own.stop - own.start
        assert set(told[name]["slopes"]) == {"twin", "window", "cauchy"}
        for slope, expected in verdict.slopes.items():
            assert told[name]["slopes"][slope]["value"] == pytest.approx(expected.value, rel=1e-9)
        assert (
            told[name]["floors"]["window"]["value"] == found.column("group_floors.csv", "value", group=name, floor="window")[-1]
        )
    assert "too few" not in told["hidden"]["reason"], "the paths suffice"


# paths.npz


def test_the_kept_coordinates_have_names(result: Callable[[str], Result]) -> None:
    found = result("plain")
    paths = found.run.paths
    assert paths["coordinate_name"].tolist() == ["output.bias[0]", "output.weight[0,0]", "hidden.bias[0]", "hidden.weight[0,0]"]
    np.testing.assert_array_equal(paths["coordinate"], [26, 21, 16, 1])
    np.testing.assert_array_equal(paths["theta"], found.block.theta[:, paths["coordinate"] - 1, :3].transpose(2, 0, 1))


# summary.json


def test_the_summary_of_a_network(result: Callable[[str], Result]) -> None:
    found = result("classes")
    told, record = found.run.summary["network"], found.cell.program.record
    late = 1 + summary_steps(record)[-2:]
    for name, samples in (("risk", found.seen.risk), ("wrong", found.seen.wrong)):
        for when, r in (("start", 0), ("half", late[0]), ("end", late[1])):
            value, se, low, high = (float(number[0]) for number in interval_of(samples[r : r + 1]))
            assert told[name][when] == {
                "step": 0 if r == 0 else record[r - 1], "value": value, "status": "finite", "se": se, "ci_low": low,
                "ci_high": high, "n": PATHS, "n_finite": PATHS,
            }  # fmt: skip
    assert (told["layers"], told["units"], told["held_out"]) == ([3, 4, 4, 3], 8, 20)
    assert told["spoiled"] == {
        "worse": np.count_nonzero(found.seen.risk[-1] > found.seen.risk[0]),
        "dead": np.count_nonzero(found.seen.dead),
        "idle": np.count_nonzero(found.seen.idle),
    }
    assert told["idle_share"] == pytest.approx(found.seen.idle.mean())
    assert told["noise"]["step"] == 64
    assert told["noise"]["scale"] == found.column("noise.csv", "scale")[-1]


def test_expecting_idle_units_and_dead_networks(result: Callable[[str], Result]) -> None:
    """Shares of paths, with the standard errors of the binomial law that is expected."""
    found = result("classes")
    checked = expectations.read_result(found.run.folder, exact=False)
    for name, count in found.run.summary["network"]["spoiled"].items():
        share = count / PATHS
        wrong = share - 0.45 if share > 0.5 else share + 0.45
        within = [{"quantity": name, "of": of, "standard_errors": 4.0} for of in (share, wrong)]
        bounds = {name: {"above": wrong} if wrong > share else {"below": wrong}}
        rows = expectations.evaluate({"within": within, "outcomes": bounds}, checked)
        assert [row.status for row in rows] == ["met", "refuted", "refuted"], name
    for name in ("dead", "idle"):
        config = written(found.run.folder.parent / "wrong", TINY | CASES["linear"] | {"expect": {"outcomes": {name: "none"}}})
        assert f"expect.outcomes.{name}: is about hidden units, which the config" in bad("validate", str(config))


def test_what_is_not_finite_is_null_and_has_a_status(result: Callable[[str], Result]) -> None:
    found = result("exploding")
    text = (found.run.folder / "summary.json").read_text()
    told = json.loads(text, parse_constant=pytest.fail)["network"]
    assert told["risk"]["start"]["status"] == "finite"
    end = told["risk"]["end"]
    assert (end["value"], end["se"], end["n_finite"]) == (None, None, 0)
    assert end["status"] in ("nan", "overflow")
    assert told["noise"]["scale"] is None
    assert told["noise"]["status"] in ("nan", "overflow")
    assert told["wrong"] is None, "these are no classes"
    assert told["spoiled"]["worse"] == PATHS
    for group in found.run.verdict["groups"].values():
        assert group["verdict"] == "diverges"
        assert group["floors"]["window"]["value"] is None


def test_without_held_out_examples(result: Callable[[str], Result]) -> None:
    found = result("none held out")
    told = found.run.summary["network"]
    assert {name for name, value in told.items() if value is None} == {"risk", "wrong", "spoiled", "idle_share", "noise"}
    assert told["held_out"] == 0
    assert found.block.examined is None
    assert figure_names(found.run.folder) == ("error", "paths", "floors", "groups")
    assert not {"risk.csv", "noise.csv"} & {path.name for path in found.run.folder.iterdir()}
    assert findings(found.run)[0] == "Risk and gradient noise were not measured, since no examples are held out."
    assert "`group_floors.csv`" in markdown(found.run)
    assert "`risk.csv`" not in markdown(found.run)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ((Group("w", 0, 6, 2, 3), Group("b", 6, 9), Group("v", 9, 12, 3, 1)), [2, 3, 1]),
        ((Group("w", 0, 6, 2, 3), Group("v", 6, 8, 2, 1)), []),
        ((Group("b", 0, 3),), []),
    ],
    ids=["layers", "no chain", "no weights"],
)
def test_the_widths_of_a_chain_of_layers(groups: tuple[Group, ...], expected: list[int]) -> None:
    assert network.widths(groups) == expected


# Text

ARCHITECTURES = {
    "plain": "adam on mlp 3-5-1 relu (function data, 26 parameters)",
    "classes": "adam on mlp 3-4-4-3 relu (teacher data, 51 parameters)",
    "linear": "adam on mlp 3-1 linear (function data, 4 parameters)",
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_architecture_is_named(result: Callable[[str], Result], name: str) -> None:
    assert f"{ARCHITECTURES[name]}, learning rate 0.02, batch size 4, seed 5." in setting(result(name).run)


def half_width(row: dict[str, Any]) -> float:
    return float(row["ci_high"] - row["ci_low"]) / 2


def test_the_sentences_hold_the_numbers(result: Callable[[str], Result]) -> None:
    run = result("classes").run
    n, (risk, wrong, noise, spoiled, exchanged) = run.summary["network"], findings(run)
    start, end = n["risk"]["start"], n["risk"]["end"]
    assert risk.startswith("Risk (mean loss of 20 held-out examples): ")
    told = [float(word) for word in risk.replace(",", " ").split() if word.replace(".", "").isdigit()]
    assert told[1:3] == pytest.approx([start["value"], half_width(start)], rel=0.05)
    assert risk.endswith("at step 64.")
    assert told[-3:-1] == pytest.approx([end["value"], half_width(end)], rel=0.05)
    assert f"{100 * n['wrong']['end']['value']:.0f}." in wrong.split(", ")[-1]
    assert wrong.endswith(" % at step 64.")
    assert f"= {n['noise']['scale']:.3g} examples" in noise
    assert "the batch size is 4." in noise
    assert f"not finite: {n['spoiled']['worse']} of 24. " in spoiled
    assert f"{100 * n['idle_share']:.3g} % of the 8 hidden units." in spoiled
    assert "a path with itself (ξ = path_mean and last: one per path)." in exchanged


def test_a_noise_scale_that_held_out_examples_cannot_tell(result: Callable[[str], Result]) -> None:
    run = result("plain").run
    scale = run.summary["network"]["noise"]["scale"]
    assert ("only 20 held-out examples estimate G." in findings(run)[1]) == (scale > 5)


def test_without_hidden_units_nothing_is_idle_and_nothing_exchanged(result: Callable[[str], Result]) -> None:
    assert result("linear").run.summary["network"]["idle_share"] is None
    *_, spoiled = findings(result("linear").run)
    assert spoiled.startswith("Paths whose final risk is above their first, or not finite: ")
    assert "idle" not in spoiled


def test_a_fixed_xi_is_not_said_to_be_of_each_path(result: Callable[[str], Result]) -> None:
    assert findings(result("four coordinates").run)[-1].endswith("Every statistic compares a path with itself.")
    assert "(ξ = start and last: one per path)" in findings(result("exploding").run)[-1]


def test_an_exploding_run_is_told(result: Callable[[str], Result]) -> None:
    risk, noise, spoiled, _ = findings(result("exploding").run)
    assert " nan (24 of 24 paths) at step 300." in risk
    assert noise.endswith(" at step 300: not finite.")
    assert "not finite: 24 of 24. " in spoiled
    assert "| hidden | 20 | diverges | not finite (24 of 24 paths) | not finite (24 of 24 paths) |  |" in markdown(
        result("exploding").run
    )


def test_summary_md_has_the_sentences_the_groups_and_the_figures(result: Callable[[str], Result]) -> None:
    run = result("plain").run
    text = (run.folder / "summary.md").read_text(encoding="utf-8")
    assert all(f"- {sentence}\n" in text for sentence in findings(run))
    assert (
        "| group | coordinates | verdict | twin floor | window floor | window floor, lower bound |\n| --- | ---: | --- |"
        in text
    )
    window = run.verdict["groups"]["hidden"]["floors"]["window"]
    assert f" | {window['lower']:.3g} |" in text
    assert "| output.bias | 1 | undecided | " in text
    assert text.count("![risk](figures/risk.png)") == text.count("![groups](figures/groups.png)") == 1
    assert text.endswith(
        "Network: `risk.csv` (held-out examples), `noise.csv` (gradient noise), `group_floors.csv` (floors per group).\n"
    )
    assert "| group |" not in markdown(result("no floors").run)


def test_the_terminal_shows_them(result: Callable[[str], Result], capsys: pytest.CaptureFixture[str]) -> None:
    run = result("plain").run
    run_config._print_result(run, verbose=True)
    shown = capsys.readouterr().out
    words = " ".join(shown.split())
    assert [sentence for sentence in findings(run) if sentence not in words] == []
    assert re.search(r"^ *output\.bias +1 +undecided", shown, re.MULTILINE)
    run_config._print_result(result("no floors").run, verbose=True)
    assert "output.bias" not in capsys.readouterr().out


def test_tables_are_of_the_error_as_ever(result: Callable[[str], Result]) -> None:
    run = result("plain").run
    assert table(run, "csv") == (run.folder / "error.csv").read_bytes()
    assert table(run, "md").startswith(b"| step | path_mean | last |\n")


# Figures

EXPECTED_FIGURES = dict.fromkeys(CASES, ("floors", "risk", "groups")) | {"one step": ("risk",)}


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["plain", "classes", "exploding", "one path", "one step"])
def test_nothing_is_clipped_or_run_together(result: Callable[[str], Result], name: str) -> None:
    run = result(name).run
    assert figure_names(run.folder) == ("error", "paths", *EXPECTED_FIGURES[name])
    check_layout(laid_out(risk_figure, run))
    if "groups" in EXPECTED_FIGURES[name]:
        check_layout(laid_out(groups_figure, run), columns=2)


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_names_of_coordinates_are_not_clipped(result: Callable[[str], Result]) -> None:
    check_layout(laid_out(paths_figure, result("exploding").run))


def test_without_floors_there_are_no_groups(result: Callable[[str], Result]) -> None:
    run = result("no floors").run
    assert figure_names(run.folder) == ("error", "paths", "risk")
    assert "groups" not in run.verdict


def test_files_are_written(result: Callable[[str], Result]) -> None:
    files = draw_folder(result("plain").run.folder, ("risk", "groups"))
    assert sorted(files) == ["groups.png", "groups.svg", "risk.png", "risk.svg"]


def test_the_curves_are_the_data(result: Callable[[str], Result]) -> None:
    found = result("classes")
    top, middle, bottom = laid_out(risk_figure, found.run).axes
    for axes, name, factor in ((top, "risk", 1.0), (middle, "wrong", 100.0)):
        values = factor * found.column("risk.csv", name)
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), values[1:])
        np.testing.assert_array_equal(axes.lines[0].get_xdata(), found.run.step)
        (start,) = [line for line in axes.lines if line.get_marker() == "D"]
        assert (start.get_xdata()[0], start.get_ydata()[0]) == (axes.get_xlim()[0], values[0])  # type: ignore[index]
    assert bottom.get_ylabel() == "learning\nrate"


def test_a_panel_for_each_floor_and_a_line_for_each_group(result: Callable[[str], Result]) -> None:
    found = result("plain")
    window, twin = laid_out(groups_figure, found.run).axes
    for axes, floor in ((window, "window"), (twin, "twin_mean")):
        for container, group in zip(axes.containers, GROUPS, strict=True):
            assert container.get_label() == group
            values: NDArray[Any] = np.asarray(container[0].get_ydata())
            np.testing.assert_array_equal(values, found.column("group_floors.csv", "value", group=group, floor=floor))
    assert len(groups_figure(result("window only").run).axes) == 1


def test_floors_that_are_not_finite_are_said_to_be(result: Callable[[str], Result]) -> None:
    assert "not finite in any group" in texts(laid_out(groups_figure, result("exploding").run))
    assert "not finite in any group" not in texts(laid_out(groups_figure, result("plain").run))


def test_panels_bear_the_names_of_coordinates_and_their_points(result: Callable[[str], Result]) -> None:
    found = result("four coordinates")
    panels = laid_out(paths_figure, found.run).axes
    assert [axes.get_ylabel() for axes in panels] == ["output.bias[0]", "hidden.weight[2,1]", "hidden.weight[0,0]"]
    for k, axes in enumerate(panels):
        np.testing.assert_array_equal(axes.lines[1].get_ydata(), found.block.theta[:, found.run.paths["coordinate"][k] - 1, 0])
        assert axes.lines[-1].get_ydata() == [0.25, 0.25]
    assert len(paths_figure(result("plain").run).axes) == 4


# Other objectives


@pytest.mark.slow
def test_a_point_is_drawn_at_the_coordinate_that_is_kept(tmp_path: Path) -> None:
    quadratic = SGD["objective"] | {"dim": 3}
    config = SGD | {"objective": quadratic, "record": {"points": 5, "coordinates": [3, 1]}, "xi": [[1.0, 2.0, 3.0]]}
    study.run(read_cell(written(tmp_path / "in", config), []), tmp_path / "out", workers=1, draw=drawn)
    panels = laid_out(paths_figure, read_run(tmp_path / "out")).axes
    assert [axes.get_ylabel() for axes in panels] == ["Θₙ, coordinate 3", "Θₙ, coordinate 1"]
    assert [axes.lines[-1].get_ydata()[0] for axes in panels] == [3.0, 1.0]  # type: ignore[index]


def test_others_have_nothing_of_it(tmp_path: Path) -> None:
    study.run(read_cell(written(tmp_path / "in", SGD), []), tmp_path / "out", workers=1, draw=drawn)
    run = read_run(tmp_path / "out")
    assert not {*network.FILES} & {path.name for path in run.folder.iterdir()}
    assert figure_names(run.folder) == ("error", "paths", "floors")
    assert "network" not in run.summary
    assert "groups" not in run.verdict
    assert set(run.paths) == {
        "step", "theta", "replicate", "outcome", "failure_step", "quantile_level", "quantile", "quantile_paths", "end_of",
        "end",
    }  # fmt: skip
    assert not any(word in markdown(run) for word in ("held-out", "group", "risk.csv"))
    assert math.isfinite(run.summary["errors"][0]["mse"])
