"""`import nonconv`: configs in, results out. Nothing is printed, nothing exits, and the numbers are those of the commands."""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from enum import StrEnum
from html.parser import HTMLParser
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

import nonconv
from kit.command import good, variables
from kit.experiments import BLOCK, SGD, written
from kit.runs import contents, interrupt_after, undrawn
from nonconv.api import sweeping
from nonconv.engine import blocks
from nonconv.report.figures import drawing_process
from nonconv.terminal import progress, sweep_progress

SMALL = SGD | {"paths": 40}
"""A whole block and a rest."""
HEAVY = {"numpy", "scipy", "yaml", "pydantic", "rich", "typer", "matplotlib", "numba", "pandas", "polars"}


@pytest.fixture(autouse=True)
def _quick_and_elsewhere(reference: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The reference engine, small blocks, no figures, threads, a working folder of its own."""
    monkeypatch.setattr(drawing_process, "figure_process", lambda: nullcontext(undrawn))
    monkeypatch.setattr(blocks, "LARGEST_BLOCK", BLOCK)
    monkeypatch.setattr(sweeping, "_safe_executor", lambda: "threads")
    monkeypatch.chdir(tmp_path)


def run(config: Any, **options: Any) -> nonconv.Result:
    """As a notebook calls it, without types."""
    return nonconv.run(config, **options)


def load(folder: Path) -> nonconv.Result:
    """The result of a run."""
    result = nonconv.load(folder)
    assert isinstance(result, nonconv.Result)
    return result


def problems(call: Callable[[], Any]) -> tuple[str, ...]:
    """What is wrong with a config, one text each."""
    with pytest.raises(nonconv.ConfigError) as caught:
        call()
    return caught.value.problems


# Names


def test_public_names_are_there_and_nothing_else() -> None:
    assert sorted(nonconv.__all__) == nonconv.__all__
    assert all(getattr(nonconv, name).__doc__ for name in nonconv.__all__)
    assert set(nonconv.__all__) <= set(dir(nonconv))
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        nonconv.runn  # noqa: B018  # asked for, which raises
    page = (Path(nonconv.__file__).parents[1] / "docs" / "python.md").read_text()
    names = page.partition("## Names")[2].partition("## Configs")[0]
    assert sorted(re.findall(r"^\| `([A-Z]\w+|\w+(?=\())", names, re.MULTILINE)) == nonconv.__all__


@pytest.mark.processes
def test_import_loads_nothing() -> None:
    code = "import sys, nonconv; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=variables())
    assert "nonconv" in done.stdout.split()
    assert HEAVY & set(done.stdout.split()) == set()


def test_components_are_listed_also_once_their_packages_are_imported() -> None:
    import nonconv.optimizers  # puts the package where the name is

    assert "adam" in nonconv.optimizers()
    assert nonconv.optimizers()["adam"].summary.startswith("Adam")
    assert "quadratic" in nonconv.objectives()
    assert "csv" in nonconv.data()
    assert "digits" in nonconv.datasets()
    assert "excess_risk" in nonconv.quantities()
    assert "power" in nonconv.learning_rates()
    assert "power" in nonconv.batch_sizes()
    assert "polyak" in nonconv.iterates()
    assert str(nonconv.learning_rates()).startswith("constant: The same rate")


# Runs


def test_a_run_is_that_of_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    config = written(Path("in"), SMALL)
    result = run(config, seed=2, **{"objective.data.p_high": 0.5})
    assert capfd.readouterr() == ("", "")
    assert result.folder == Path("outputs") / result.folder.name
    assert good("run", config, "--set", "seed=2", "--set", "objective.data.p_high=0.5").startswith("UNDECIDED")
    assert result.verdict == "undecided"
    assert result.config["objective"]["data"]["p_high"] == 0.5
    table = (result.folder / "error.csv").read_text().splitlines()
    assert [*result.error] == table[0].split(",")
    assert result.error.rows == len(table) - 1
    last = dict(zip(result.error, table[-3].split(","), strict=True))
    at_end = result.error.where(xi="minimizer", step=60)
    assert at_end["mse"].tolist() == [float(last["mse"])]
    assert result.error["step"].dtype == np.int64
    assert result.paths["theta"].shape == (40, len(np.unique(result.error["step"])), 1)
    assert load(result.folder).error["mse"].tobytes() == result.error["mse"].tobytes()


def test_a_mapping_is_a_config() -> None:
    of_file = nonconv.run(written(Path("in"), SMALL), out="one")
    of_mapping = nonconv.run(SMALL, out="two", name="experiment")
    assert contents(of_file.folder) == contents(of_mapping.folder)
    assert nonconv.run(SMALL, steps=61).folder.name.startswith("config-")


class Word(StrEnum):
    ADAM = "adam"


def test_values_of_numpy_and_others_are_values() -> None:
    odd: dict[str, Any] = {
        "seed": np.int64(1),
        "steps": np.uint8(60),
        "optimizer": Word.ADAM,
        "learning_rate": np.array(0.05),
        "xi": ("minimizer", np.array([0.5])),
        "objective": SMALL["objective"] | {"data": {"name": np.str_("two_point"), "p_high": np.float32(0.25)}},
    }
    plain = {"optimizer": "adam", "xi": ["minimizer", [0.5]]}
    assert nonconv.run(SMALL, **odd).folder == nonconv.run(SMALL | plain).folder


def test_every_problem_names_its_key() -> None:
    bad = SMALL | {"seed": 1j, "paths": float("nan"), "optimizer": {"name": "adm", 3: 4}, "xi": ["minimizer", {1, 2}]}
    found = problems(lambda: run(bad, stepps=3, **{"objective.data.p_high": np.float64(2.0), "a..b": 1}))
    text = "\n".join(found)
    for part in (
        "config: seed: a complex cannot be a value of a config\n  allowed: numbers",
        "config: paths: cannot be nan",
        "config: optimizer.3: a key must be a text, got 3",
        "config: optimizer: unknown optimizer 'adm'",
        "config: xi[1]: a set cannot be a value of a config",
        "argument: stepps: unknown key",
        "did you mean steps?",
        "argument: objective.data.p_high: must be",
        "argument: a..b: is not a config key",
    ):
        assert part in text, part


def test_a_mapping_without_end_is_refused() -> None:
    loop: dict[str, Any] = dict(SMALL)
    loop["objective"] = loop
    assert "config: is nested too deeply" in problems(lambda: nonconv.run(loop))
    assert "config: has more than 100000 values" in problems(lambda: nonconv.run(SMALL, start=np.zeros(200_000)))[0].replace(
        "argument", "config"
    )


@pytest.mark.parametrize(
    ("call", "text"),
    [  # some have wrong types: that is what is refused
        (lambda: nonconv.run(3), "config: an int is no config\n  allowed: the name of a file, or a mapping of its keys"),  # type: ignore[arg-type]
        (lambda: nonconv.run(""), "config: the name of the file is empty"),
        (lambda: nonconv.run(SMALL, workers=-1), "workers: must be a whole number >= 0, got -1"),
        (lambda: nonconv.run(SMALL, name="a/b"), "name: 'a/b' cannot be the name of a folder"),
        (lambda: nonconv.sweep(SMALL, {"seed": [1]}, executor="thread"), "executor: unknown executor 'thread'"),
        (lambda: nonconv.sweep(SMALL, [1]), "grid: a list is no grid"),  # type: ignore[arg-type]
        (lambda: nonconv.load("nowhere"), "there is no folder nowhere"),
        (lambda: nonconv.load(None), "folder: None is not the name of a folder"),  # type: ignore[arg-type]
        (lambda: run(SMALL, out=3), "out: 3 is not the name of a folder"),
        (lambda: run(SMALL, out="."), ". holds files that nonconv did not write; choose another out, or force=True to"),
    ],
)
def test_wrong_use(call: Callable[[], Any], text: str) -> None:
    Path("mine.txt").touch()
    with pytest.raises(nonconv.UsageError) as caught:
        call()
    assert str(caught.value).startswith(text)


def test_progress_is_shown_where_it_is_asked_for(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.0)
    monkeypatch.setattr(sweep_progress, "PLAIN_SECONDS", 0.0)
    nonconv.run(SMALL, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "32 of 40 paths" in err
    nonconv.sweep(SMALL, {"seed": [1, 2]}, progress=True, executor="threads")
    assert "2 of 2 cells" in capfd.readouterr().err


def test_ctrl_c_leaves_what_the_same_call_continues() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match=r"Stopped. Saved in one: 32 of 80 paths. The same call continues."):
        nonconv.run(SMALL, paths=80, out="one", workers=1, progress=interrupt_after(1))
    assert signal.getsignal(signal.SIGINT) is before
    seen: list[int] = []
    result = nonconv.run(SMALL, paths=80, out="one", progress=seen.append)
    assert seen[0] > 32
    assert contents(result.folder) == contents(nonconv.run(SMALL, paths=80, out="two").folder)


def test_in_threads_and_in_an_event_loop() -> None:
    found: list[Any] = []
    threads = [Thread(target=lambda seed=seed: found.append(nonconv.run(SMALL, seed=seed, out=f"t{seed}"))) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    async def in_loop() -> Any:
        return nonconv.sweep(SMALL, {"seed": [1, 2]}, executor="threads")

    swept = asyncio.run(in_loop())
    assert sorted(result.summary["seed"] for result in found) == [1, 2]
    assert swept.frame()["seed"].tolist() == [1, 2]


# Frames


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(library: str) -> None:
    result = nonconv.run(SMALL)
    frame = result.frame("error", library)
    assert [*frame.columns] == [*result.error]
    assert np.array_equal(frame["mse"].to_numpy(), result.error["mse"])
    paths = result.frame("paths", library)
    assert [*paths.columns] == ["run", "step", "x0"]
    assert np.array_equal(paths["x0"].to_numpy(), result.paths["theta"].ravel())


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    result = nonconv.run(SMALL)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(nonconv.UsageError, match="pandas is not installed: pip install pandas"):
        result.frame()
    with pytest.raises(nonconv.UsageError, match="did you mean error"):
        result.frame("eror")
    with pytest.raises(KeyError, match="did you mean 'mse'"):
        result.error["mze"]


# Sweeps


def test_a_sweep_is_a_table_and_its_cells(capfd: pytest.CaptureFixture[str]) -> None:
    swept = nonconv.sweep(SMALL, {"learning_rate.value": np.array([0.05, 0.1]), "seed": range(1, 3)})
    assert capfd.readouterr() == ("", "")
    frame = swept.frame()
    assert frame["learning_rate.value"].tolist() == [0.05, 0.05, 0.1, 0.1]
    assert frame["cell"].tolist() == swept.cells.ids
    assert [cell.summary["seed"] for cell in swept] == frame["seed"].tolist() == [1, 2, 1, 2]
    one = swept.at({"learning_rate.value": 0.1, "seed": 2})
    assert one.error.where(xi="minimizer", step=60)["mse"][0] == frame["mse_minimizer"][3]
    assert swept[-1].folder == swept[swept.cells.ids[3]].folder == one.folder
    again = nonconv.load(swept.folder)
    assert isinstance(again, nonconv.SweepResult)
    assert again.verdicts == {"undecided": 4}
    with pytest.raises(nonconv.UsageError, match=r"2 cells of .* with seed = 1, not one"):
        swept.at({"seed": 1})
    again = nonconv.sweep(SMALL, {"learning_rate.value": [0.05, 0.1], "seed": [1, 2]})
    assert again.folder == swept.folder


def test_runs_are_compared_path_by_path() -> None:
    first, second = nonconv.run(SMALL), nonconv.run(SMALL, optimizer="momentum")
    found = nonconv.compare(sgd=first, momentum=second.folder)
    assert set(found["run"].tolist()) == {"sgd", "momentum"}
    at = (found["run"] == "momentum") & (found["quantity"] == "mse: minimizer")
    ends = (result.error.where(xi="minimizer", step=60)["mse"][0] for result in (second, first))
    assert abs(found["difference"][at][0] - (next(ends) - next(ends))) < 1e-12
    with pytest.raises(nonconv.UsageError, match="two or more"):
        nonconv.compare(first)


def test_validate_returns_the_resolved_config_and_runs_nothing() -> None:
    assert nonconv.validate(SMALL)["optimizer"]["name"] == "sgd"
    assert not Path("outputs").exists()
    grid = SMALL | {"sweep": {"learning_rate.value": [0.1, -1.0]}}
    (problem,) = problems(lambda: nonconv.validate(grid))
    assert problem.startswith("config: learning_rate.value: must be")
    assert problem.endswith("in the cell learning_rate.value=-1.0")


def test_cells_that_fail_cost_no_others() -> None:
    toint = SMALL | {"objective": {"name": "toint", "knots": "uniform"}, "optimizer": "adam", "xi": ["start", "last"]}
    swept = nonconv.sweep(toint, {"objective.spacing": [1e-9, 0.01]}, workers=1)
    assert swept.verdicts.get("failed") == 1
    failed = swept[0]
    assert failed.verdict == "failed"
    assert "take a larger spacing" in failed.reason
    assert swept.failures == {swept.cells.ids[0]: failed.reason}
    with pytest.raises(nonconv.UsageError, match="has no result: objective toint"):
        failed.error  # noqa: B018  # asked for, which raises
    assert not hasattr(failed, "_repr_html_")
    assert [cell.verdict for cell in swept] == ["failed", swept[1].verdict]
    assert swept.frame()["verdict"].tolist() == ["", swept[1].verdict]


# Notebooks


class Page(HTMLParser):
    """What a page has: tags with attributes, and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data


TAGS = "div h4 p ul li table thead tr th tbody td img details summary"


def test_a_notebook_shows_results_that_need_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing_process, "figure_process", lambda: nullcontext(lambda folder: lambda: {"error.png": b"png"}))
    claim = "<script>alert(1)</script> & <b>bold</b>"
    result = nonconv.run(SMALL, claim=claim, name="<i>")
    page = Page(result._repr_html_())
    assert claim in page.text
    assert "<i>" in page.text
    assert {tag for tag, _ in page.tags} == set(TAGS.split())
    (image,) = [attributes for tag, attributes in page.tags if tag == "img"]
    assert (image["alt"], image["src"]) == ("error", "data:image/png;base64,cG5n")
    assert "undecided" in repr(result)
    told = str(result).splitlines()
    assert told[0].startswith("UNDECIDED ")
    assert told[1].startswith("  why ")
    assert max(map(len, told)) <= 80
    of_cells = nonconv.sweep(SMALL, {"seed": [1, 2]}, claim=claim)
    assert str(of_cells).startswith("UNDECIDED           all 2 cells")
    swept = Page(of_cells._repr_html_())
    assert claim in swept.text
    assert "2 cells" in swept.text
    assert Page(result.error._repr_html_()).text.startswith("step")


@pytest.mark.slow
@pytest.mark.compiles
@pytest.mark.processes
@pytest.mark.filterwarnings("default")
def test_the_notebook_runs(tmp_path: Path) -> None:
    """docs/notebook.ipynb is committed without outputs; run, it shows what its words say."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    page = Path(nonconv.__file__).parents[1] / "docs" / "notebook.ipynb"
    notebook = nbformat.read(page, 4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", variables()["PYTHONPATH"])
        nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [[output for output in cell.outputs if output.output_type != "stream" or output.name != "stderr"] for cell in code]
    first, tail, verdicts, compared, *_, own = (outputs for outputs in shown if outputs)
    assert "does_not_converge" in first[0]["data"]["text/plain"]
    assert "lecture: does not converge" in Page(first[0]["data"]["text/html"]).text
    assert "minimizer" in tail[0]["data"]["text/plain"]
    assert verdicts[0]["text"] == "does_not_converge | converges\n"
    assert compared
    assert "does_not_converge" in own[0]["data"]["text/plain"]
    assert not [output for outputs in shown for output in outputs if output.output_type == "error"]


SCRIPT = """
import nonconv

swept = nonconv.sweep({config}, {{"seed": [1, 2, 3]}}, workers=2)
print(swept.frame()["verdict"].tolist(), nonconv.run({config}).verdict)
"""


@pytest.mark.slow
@pytest.mark.compiles
@pytest.mark.processes
def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    """Forks and the figure process do not import the script again."""
    (tmp_path / "script.py").write_text(SCRIPT.format(config=SMALL))
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False, env=variables(), timeout=300
    )
    assert (done.stdout, done.stderr) == ("['undecided', 'undecided', 'undecided'] undecided\n", "")
