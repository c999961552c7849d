"""The experiments that ship: each valid, each with its claim on the first line, each runs."""

import json
from collections import Counter
from pathlib import Path

import pytest

from kit.runs import drawn
from kit.shipped import CONFIGS, FOLDER, MET, SMALL, quickly
from nonconv.config import files
from nonconv.config import validate as validation
from nonconv.config.plugins import load_named
from nonconv.config.spec import experiment_model
from nonconv.experiment.binding import read_cell
from nonconv.report.run import Run, read_run
from nonconv.results.columns import read_columns
from nonconv.statistics.measured_block import OUTCOMES
from nonconv.study import loop as study

EXPECTED = {
    "adam_const",
    "adam_asymptotically_constant",
    "adam_decay",
    "rmsprop_const",
    "sgd_const",
    "sgd_decay",
    "adam_growing_batch",
    "adam_decay_skewed",
    "quadratic_real_data",
    "toint",
    "toint_betas",
    "toint_decay",
    "toint_decay_fixed",
    "toint_dim",
    "toint_eps",
    "toint_eps_inside",
    "toint_perturbed",
    "toint_scale",
    "toint_uniform",
}
CAUGHT = {"toint_uniform", "toint_decay_fixed"}

every_config = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)


def test_the_expected_configs_are_there() -> None:
    assert {path.stem for path in CONFIGS} >= EXPECTED


@every_config
def test_the_claim_is_the_first_line_and_a_sentence(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    cell = read_cell(path, [])
    assert first.partition(": ")[0] == "claim"
    assert cell.claim
    assert cell.claim in first
    assert cell.claim.endswith(".")


def test_no_two_configs_are_the_same_experiment_or_make_the_same_claim() -> None:
    cells = [read_cell(path, []) for path in CONFIGS]
    assert len({cell.identity for cell in cells}) == len({cell.claim for cell in cells}) == len(cells)


def expected_outcomes(name: str, run: Run) -> dict[str, int]:
    """As the claims say."""
    if run.config["objective"]["name"] != "toint":
        return {"finite": 64}
    if name == "toint_perturbed":
        rows = read_columns(run.folder / "outcomes.csv").records()
        for row in rows:
            start = float(row["start"])
            assert abs(start) > 0.01 or row["outcome"] == ("escaped" if start > 0 else "caught")
        return Counter(row["outcome"] for row in rows)
    return {"caught" if name in CAUGHT else "escaped": 64}


@pytest.mark.slow
@pytest.mark.parametrize("path", MET, ids=lambda path: path.stem)
def test_it_runs_at_reduced_size(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quickly(path, monkeypatch)
    cell = read_cell(path, SMALL)
    study.run(cell, tmp_path / "out", workers=2, draw=drawn)
    run = read_run(tmp_path / "out")
    assert run.step[-1] == 200
    assert run.summary["claim"] == cell.claim
    assert run.summary["outcomes"] == dict.fromkeys(OUTCOMES, 0) | expected_outcomes(path.stem, run)
    assert list(run.errors) == [xi.label for xi in cell.xi]
    stored = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert stored["config"]["paths"] == 64


@pytest.mark.slow
def test_theorem_1_1_applies_where_the_claim_says_so(tmp_path: Path) -> None:
    """Of the configs that cite it as their reason, Adam's are within its assumptions."""
    for name in ("adam_const", "adam_asymptotically_constant"):
        cell = read_cell(FOLDER / f"{name}.yaml", SMALL)
        assert "Theorem 1.1" in cell.claim
        study.run(cell, tmp_path / name, workers=2, draw=drawn)
        assert read_run(tmp_path / name).summary["theorem_1_1"] == {"applies": True, "departures": []}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_model_of_what_a_config_names_reads_it_as_the_model_of_everything_does(path: Path) -> None:
    document = files.read(path, [])
    document.catalogue, _ = load_named(document)
    one, all_of_it = experiment_model(validation.cut_catalogue(document)), experiment_model(document.catalogue)
    assert one.model_validate(document.data).model_dump() == all_of_it.model_validate(document.data).model_dump()
