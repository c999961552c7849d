"""Plug-ins: a user's own components beside ours, in one config alone, with an identity, and with what they read."""

import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import yaml

from kit.command import bad, good
from kit.plugins import COUPLED_LAW, LAW, LION, PLAIN, TEXTS, changed, config, finished, no_figures, told, write
from nonconv.checks.verification import verify_folder
from nonconv.components.definitions import Component
from nonconv.components.reads import freeze
from nonconv.components.reads import write as write_down
from nonconv.components.registry import NameTaken, Registry, collecting
from nonconv.config.catalogue import BUILT_IN
from nonconv.config.plugins import load_files
from nonconv.config.schema import json_schema
from nonconv.config.spec import experiment_model
from nonconv.engine import kernel_files
from nonconv.engine.blocks import simulate
from nonconv.engine.fused import Fused
from nonconv.engine.reference import Reference
from nonconv.experiment.binding import read_cell
from nonconv.faults.errors import ConfigError, PluginError
from nonconv.objectives import OBJECTIVES
from nonconv.optimizers import OPTIMIZERS
from nonconv.optimizers.sgd import SGD
from nonconv.store.folder import MANIFEST, Folder
from nonconv.study import loop as study

pytestmark = pytest.mark.usefixtures("plugin_folder")


# Registering


def test_register_collects_and_refuses() -> None:
    found: list[tuple[str, Component]] = []
    with pytest.raises(RuntimeError, match="register works only in a plug-in: a file that a config names under plugins"):
        OPTIMIZERS.register(SGD)
    with collecting(lambda kind, component: found.append((kind, component))):
        assert Registry("optimizer", "optimizers").register(SGD) is SGD
        with pytest.raises(NameTaken, match="the optimizer 'sgd' is now built in; rename yours, or delete it"):
            OPTIMIZERS.register(SGD)
        with pytest.raises(ValueError, match="objectives are of the class Objective or Coupled, not Optimizer"):
            OBJECTIVES.register(SGD)
    assert found == [("optimizer", SGD)]
    with pytest.raises(RuntimeError):
        OPTIMIZERS.register(SGD)


def test_a_catalogue_is_a_value() -> None:
    """Equal for the same plug-ins; nonconv's own registries are part of it as they are."""
    write("lion.py", LION)
    one, two = load_files([Path("lion.py")]), load_files([Path("lion.py")])
    assert one == two
    assert hash(one) == hash(two)
    assert one != BUILT_IN
    assert [*one["optimizer"]] == [*OPTIMIZERS, "my_lion"]
    assert one["objective"] is OBJECTIVES
    assert experiment_model(one) is experiment_model(two)


def test_configs_with_different_plugins_at_once() -> None:
    """Each knows its own file only, in one process and while threads read the other; nothing is changed back."""
    write("lion.py", LION)
    write("king.py", LION.replace("= 0.99\n", "= 0.5\n"))
    lion, king, plain = config("a.yaml"), config("b.yaml", plugins=["king.py"]), write("c.yaml", yaml.safe_dump(PLAIN))

    def read(path: Path) -> float | None:
        cell = read_cell(path, [])
        return getattr(cell.program.optimizer.parameters, "beta2", None)

    before = read_cell(lion, [])
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read, [lion, king, plain] * 8))
    assert found == [0.99, 0.5, None] * 8
    after = read_cell(lion, [])
    assert after.program.optimizer == before.program.optimizer
    assert study.first_paths(before, 4, 1).tolist() == study.first_paths(after, 4, 1).tolist()
    with pytest.raises(ConfigError, match="unknown optimizer 'my_lion'"):
        read_cell(plain, ["optimizer=my_lion"])


@pytest.mark.processes
def test_a_file_is_executed_once_per_content() -> None:
    write("lion.py", LION + "\nprint('executed')\n")
    done = subprocess.run(
        [sys.executable, "-c", "from nonconv.config.plugins import *\nfor k in range(3): load_files([Path('lion.py')])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "executed\n"


def test_registered_for_one_config_alone() -> None:
    """Another one that does not name the file cannot use what it defines, nor is it shown."""
    write("lion.py", LION)
    assert read_cell(config(), []).program.optimizer.component.name == "my_lion"
    other = config("other.yaml", plugins=[])
    with pytest.raises(ConfigError, match="unknown optimizer 'my_lion'"):
        read_cell(other, [])
    assert "my_lion" not in json.dumps(json_schema())


def test_every_kind_of_component() -> None:
    for name in ("ramp.py", "schedules.py", "styblinski_tang.py"):
        write(name, TEXTS[name])
    path = config(
        plugins=["ramp.py", "schedules.py", "styblinski_tang.py"],
        objective={"name": "styblinski_tang", "data": {"name": "ramp", "width": 2}},
        optimizer="adam",
        learning_rate={"name": "logarithmic", "first": 0.1, "warmup": 3},
        batch_size="alternating",
        start={"name": "ramp", "width": 1},
        xi=[1, "start"],
    )
    folder = finished(path, "out")
    assert verify_folder(folder, 1).text.endswith("bitwise equal")
    assert {file.name for file in (folder / "plugins").iterdir()} == {"ramp.py", "schedules.py", "styblinski_tang.py"}


@pytest.mark.compiles
def test_a_coupled_objective_on_a_law() -> None:
    """Its data are any distribution, drawn coordinate by coordinate or by rows; both engines agree, and it has a minimizer."""
    write("chain.py", COUPLED_LAW)
    Path("rows.csv").write_text("a,b\n1,2\n3,5\n0,1\n")
    for data, mean in (
        ({"name": "two_point", "low": 0, "high": 2}, [1.0, 1.0]),
        ({"name": "csv", "file": "rows.csv", "columns": ["a", "b"]}, [4 / 3, 8 / 3]),
    ):
        path = config(plugins="chain.py", objective={"name": "chain", "dim": 2, "data": data}, optimizer="sgd")
        cell = read_cell(path, [])
        assert [xi.label for xi in cell.xi] == ["minimizer"]
        assert cell.minimizer == pytest.approx(mean)
        assert np.all(cell.program.start == 0.0)
        stop = np.zeros(1, dtype=np.uint8)
        ours, theirs = (simulate(cell.program, engine(cell.program), 0, 5, stop).theta for engine in (Fused, Reference))
        assert ours.tobytes() == theirs.tobytes()
    assert "8 of 8 checks passed" in good("explain", "chain.py", "--test")


def test_a_network_of_plugins() -> None:
    """The objective, its data, its start and the optimizer are all of files, and go with the folder."""
    names = ["affine.py", "absolute.py", "lion.py"]
    for name in names:
        write(name, TEXTS[name])
    path = config(plugins=names, objective={"name": "affine", "data": {"name": "absolute", "width": 2}}, start="unit")
    cell = read_cell(path, [])
    assert cell.resolved["xi"] == ["path_mean", "last"]
    assert cell.coordinates == ((1, "bias[0]"), (0, "weight[0,0]"))
    folder = finished(path, "out")
    assert verify_folder(folder, 1).text.endswith("bitwise equal")
    assert read_cell(folder / "config.yaml", []).identity == cell.identity
    refused = bad("validate", config(plugins=names, objective={"name": "affine", "data": "digits"}))
    assert "objective.data: learns one target\n" in refused
    assert "  allowed: data of one target\n" in refused


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            'OneOf("dataset")',
            'OneOf("start")',
            "parameter data: of an objective must be annotated as in nonconv/objectives/mlp.py",
        ),
        (
            "    data: Annotated",
            "    rows: Annotated",
            "Linear: needs the parameter data, annotated as in nonconv/objectives/mlp.py",
        ),
        ("    gain: Gain = 1.0", "", "Unit: needs the parameters law and gain, annotated as in nonconv/data/initial.py"),
        (
            "penalty=penalty",
            "penalty=lambda k, theta: 0.0",
            "penalty: must be a function at the top level of the file, under its own",
        ),
        ("loss=loss", "loss=lambda *a: None", "loss: must be a function at the top level of the file, under its own"),
    ],
)
def test_networks_that_are_refused(old: str, new: str, says: str) -> None:
    changed("affine.py", old, new)
    assert says in bad("explain", "affine.py")


# Identity


def test_without_plugins_nothing_changes() -> None:
    """No new key, and so the same identity as before there were any."""
    cell = read_cell(write("config.yaml", yaml.safe_dump(PLAIN)), [])
    empty = read_cell(write("config.yaml", yaml.safe_dump(PLAIN | {"plugins": []})), [])
    assert "plugins" not in cell.resolved
    assert cell.plugins == ()
    assert cell.identity == empty.identity == "a010968938b55b24ab15ae15c21a7a0d3d4938e765fe88ae6800900873c7d9ab"


def test_identity_is_of_the_content() -> None:
    write("lion.py", LION)
    write("far/away/lion.py", LION)
    here = read_cell(config(), [])
    assert here.resolved["plugins"][0]["file"] == "lion.py"
    assert [plugin.path for plugin in here.plugins] == [Path("lion.py")]
    assert read_cell(config(plugins="lion.py"), []).identity == here.identity
    assert read_cell(config(plugins=here.resolved["plugins"]), []).identity == here.identity
    assert read_cell(config(), ["plugins=[far/away/lion.py]"]).identity == here.identity
    assert read_cell(config(plugins=[]), ["plugins=far/away/lion.py"]).identity == here.identity
    write("lion.py", LION + "\n")
    assert read_cell(config(), []).identity != here.identity


@pytest.mark.slow
def test_an_edited_file_takes_the_place_of_the_old_one() -> None:
    write("lion.py", LION)
    before = read_cell(config(), [])
    changed("lion.py", "direction = sign(", "direction = -sign(").write_text(LION.replace("1.0, select", "3.0, select"))
    after = read_cell(config(), [])
    assert after.program.optimizer.component is not before.program.optimizer.component
    assert study.first_paths(after, 4, 1).tolist() != study.first_paths(before, 4, 1).tolist()
    write("lion.py", LION)
    again = read_cell(config(), [])
    assert again.program.optimizer.component is before.program.optimizer.component
    assert study.first_paths(again, 4, 1).tolist() == study.first_paths(before, 4, 1).tolist()


def test_two_configs_with_two_files_of_one_name() -> None:
    write("a/lion.py", LION)
    write("b/lion.py", LION.replace("= 0.9\n", "= 0.5\n"))
    a, b = config("a/config.yaml"), config("b/config.yaml")
    assert [read_cell(path, []).program.optimizer.parameters.beta1 for path in (a, b, a)] == [0.9, 0.5, 0.9]


KERNEL = """
import sys
from pathlib import Path
import numpy as np
from nonconv.engine.blocks import simulate
from nonconv.engine.fused import Fused
from nonconv.engine.separable import kernel
from nonconv.experiment.binding import read_cell
program = read_cell(Path("config.yaml"), []).program
simulate(program, Fused(program), 0, 8, np.zeros(1, dtype=np.uint8))
definitions = (part.component for part in (program.objective, program.data, program.optimizer))
print(kernel(*definitions, "single").kernel, "numba" in sys.modules)
"""


@pytest.mark.compiles
@pytest.mark.slow
def test_kernels_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next process compiles nothing; for an edited file there is another kernel, of which nothing is there."""
    monkeypatch.setenv("NONCONV_CACHE_DIR", str(tmp_path / "cache"))
    config()

    def name_and_whether_compiled() -> tuple[str, bool]:
        done = subprocess.run([sys.executable, "-c", KERNEL], capture_output=True, text=True, check=True)
        name, compiled = done.stdout.split()
        return name, compiled == "True"

    write("lion.py", LION)
    name, compiled = name_and_whether_compiled()
    assert compiled
    assert name_and_whether_compiled() == (name, False)
    write("lion.py", LION.replace("1.0, select", "2.0, select"))
    other, compiled = name_and_whether_compiled()
    assert other != name
    assert compiled, "there is nothing it could load"


@pytest.mark.compiles
@pytest.mark.slow
def test_what_the_kernel_of_a_network_raises_ends_the_run_at_its_line() -> None:
    """NumPy sees the 256 held-out examples at once, the kernel eight examples of eight paths."""
    loop = "    for i in each(n):"
    changed("absolute.py", loop, f'    if n == 64:\n        raise ValueError("too many")\n{loop}')
    network = {"name": "mlp", "hidden": [4], "data": {"name": "absolute", "noise": 0.5}}
    path = config(plugins=["absolute.py"], objective=network, optimizer="sgd", batch_size=8, steps=3, paths=8)
    with pytest.raises(PluginError, match=r"^absolute.py:\d+:9: cannot be run: ValueError: too many\n.*\n *\| {9}\^{28}$"):
        finished(path, "out")


# What it reads besides its own text

NUMPY = "import numpy as np\n"
AT_STEP_OF_LION = "    return LionPerStep("
UPDATE_OF_LION = "sign(c.weight_m"


def reading(head: str, at_step: str = "", update: str = "") -> str:
    """Lion with these lines before its classes, and in a function of NumPy's or of the kernel."""
    text = LION.replace(NUMPY, f"{NUMPY}{head}\n")
    text = text.replace(AT_STEP_OF_LION, f"    {at_step}\n{AT_STEP_OF_LION}") if at_step else text
    return text.replace(UPDATE_OF_LION, f"{update} * {UPDATE_OF_LION}") if update else text


def test_arrays_cannot_change_wherever_they_are_held() -> None:
    """What is read of a value is what was written down: also within a mapping, a tuple of tuples, a frozen dataclass."""

    @dataclass(frozen=True)
    class Holder:
        table: Any

    held = [np.zeros(2) for _ in range(3)]
    for value in (MappingProxyType({"a": held[0]}), ((held[1],),), Holder(held[2])):
        assert write_down(value)
        freeze(value)
    for array in held:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


@pytest.mark.parametrize(
    ("head", "at_step", "update", "says"),
    [
        ("import neighbour", "", "", "imports neighbour from"),
        ("from neighbour import *", "", "", "imports neighbour from"),
        ("from . import neighbour", "", "", "imports a module next to it; only this file is hashed and copied"),
        (
            "import importlib\nF = importlib.import_module('neighbour').scale",
            "F(n)",
            "",
            "at_step reads F, which is from neighbour",
        ),
        ("import sys\nsys.modules['other'] = object\nimport other", "", "", "imports other, which is no installed library"),
        ("import os", "os.environ['F']", "", "at_step reads os.environ, which is an object of _Environ, which may change"),
        (
            "from os import getenv",
            "getenv('F')",
            "",
            "at_step reads getenv, which tells of time, chance, files or this process",
        ),
        ("", "import os", "", "at_step imports os; import it at the top of the file"),
        ("", "import numpy as q; q.random.rand()", "", "at_step imports numpy; import it at the top of the file"),
        ("import numpy as N", "N.load('t.npy')", "", "at_step reads N.load, which tells of time, chance, files"),
        ("from numpy import loadtxt as read", "read('t')", "", "at_step reads read, which tells of time, chance, files"),
        ("", "np.random.default_rng()", "", "at_step reads np.random.default_rng, which tells of time, chance"),
        ("from time import time as now", "now()", "", "at_step reads now, which tells of time"),
        ("", "np.random.normal()", "", "at_step reads np.random.normal, which is a method of an object of RandomState"),
        ("", "np.fromregex('t', 'x', [])", "", "at_step reads np.fromregex, which tells of time, chance, files"),
        ("", "np.savez('t.npz')", "", "at_step reads np.savez, which tells of time, chance, files"),
        ("", "np.lib.format.open_memmap('t.npy')", "", "at_step reads np.lib.format.open_memmap, which tells of time"),
        (
            "from numpy import random as r",
            "r.rand()",
            "",
            "at_step reads r.rand, which is a method of an object",
        ),
        ("", "np.loadtxt('table.txt')", "", "at_step reads np.loadtxt, which tells of time, chance, files"),
        ("", "open('table.txt')", "", "at_step reads open, which"),
        ("", "eval('1')", "", "at_step reads eval, which does not depend on its arguments alone"),
        ("", "globals()", "", "at_step reads globals, which does not depend on its arguments alone"),
        ("F = [1.0]", "", "F[0]", "update reads F, which is a list, which can change; write a tuple"),
        ("F = {'a': 1.0}", "F['a']", "", "at_step reads F, which is a dict, which can change; write types.MappingProxyType"),
        ("class C:\n    f = [1.0]", "C.f", "", "at_step reads C, which is a list, which can change; write a tuple"),
        ("F = 1.0", "global F; F = 2.0", "", "at_step changes F; what functions read must not change"),
        ("class C:\n    f = 1.0", "C.f = 2.0", "", "at_step changes C.f; what functions read must not change"),
        ("def f(n, found=[]):\n    return n", "f(n)", "", "f reads found, which is a list, which can change"),
        ("import itertools\nN = itertools.count()", "next(N)", "", "at_step reads N, which is an object of count"),
        ("", "", "(print(1) or 1.0)", "update reads print, which compiled code cannot use; nothing can be printed there"),
        ("def f(x):\n    print(x)\n    return x", "", "f(2.0)", "f reads print, which compiled code cannot use"),
    ],
)
def test_refuses_what_makes_results_depend_on_anything_else(
    head: str, at_step: str, update: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("neighbour.py", "FACTOR = 2.0\ndef scale(n):\n    return FACTOR * n\n")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    write("lion.py", reading(head, at_step, update))
    told_of = told()
    sys.modules.pop("neighbour", None)
    sys.modules.pop("other", None)
    assert says in told_of
    assert told_of.startswith("lion.py:")


FROM_OUTSIDE = {
    "environment": ("import os\nF = float(os.environ['F'])", "F"),
    "environment by name": ("from os import environ\nF = (0.0, float(environ['F']))", "F[1]"),
    "file": ("with open('table.txt') as file:\n    F = float(file.read())", "F"),
    "file of numpy": ("F = np.loadtxt('table.txt', ndmin=1)", "F[0]"),
    "default": ("import os\ndef f(x, factor=float(os.environ['F'])):\n    return factor * x", "f(1.0)"),
    "executed": ("import os\nexec('F = ' + os.environ['F'])", "F"),
    "compiled": ("import os, numba\nF = float(os.environ['F'])\n@numba.njit\ndef f(x):\n    return F * x", "f(1.0)"),
    "enumeration": ("import os\nfrom enum import Enum\nclass E(Enum):\n    F = float(os.environ['F'])", "E.F.value"),
    "imported by name": ("import importlib\nF = importlib.import_module('neighbour').FACTOR", "F"),
}


@pytest.mark.parametrize(("head", "use"), FROM_OUTSIDE.values(), ids=FROM_OUTSIDE)
def test_values_from_outside_belong_to_run_and_kernel(head: str, use: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other values it is another run and another kernel; a folder of the first does not pass for the second."""
    monkeypatch.syspath_prepend(str(Path.cwd()))
    write("lion.py", reading(head, update=use))

    def names(factor: str) -> tuple[str, str, Any]:
        monkeypatch.setenv("F", factor)
        sys.modules.pop("neighbour", None)
        write("table.txt", f"{factor}\n")
        write("neighbour.py", f"FACTOR = {float(factor)!r}  #{factor}\n")
        shutil.rmtree("__pycache__", ignore_errors=True)
        cell = read_cell(config(), [])
        kernel = kernel_files.kernel_name("", [cell.program.optimizer.component.update])
        return cell.identity, kernel, cell.resolved["plugins"][0]

    one, other, again = names("1.0"), names("2.25"), names("1.0")
    assert one == again
    assert one[0] != other[0]
    assert one[1] != other[1]
    monkeypatch.setenv("F", "2.25")
    write("table.txt", "2.25\n")
    write("neighbour.py", "FACTOR = 2.25\n")
    sys.modules.pop("neighbour", None)
    says = "lion.py reads other values of its surroundings (environment, files, libraries) than those that it ran with"
    assert says in told(plugins=[one[2]])
    sys.modules.pop("neighbour", None)


def test_values_of_its_own_text_are_pinned_by_its_digest() -> None:
    write("lion.py", reading("import math\nF = (math.sqrt(2.0), np.ones(2))", update="F[1][0]"))
    (entry,) = read_cell(config(), []).resolved["plugins"]
    assert re.fullmatch("[0-9a-f]{64}", entry["sha256"])


def test_arrays_that_functions_read_become_read_only() -> None:
    write("lion.py", reading("F = np.ones(2)", at_step="F[0] += 1.0"))
    program = read_cell(config(), []).program
    with pytest.raises(ValueError, match="read-only"):
        next(program.slices())


@pytest.mark.processes
def test_the_working_directory_is_no_place_to_import_from() -> None:
    """Neither by `nonconv` nor by `python -m nonconv`: whatever is named like a library there is not meant."""
    for name in ("neighbour", "statistics", "numpy", "yaml"):
        write(f"{name}.py", "raise SystemExit(7)\n")
    write("lion.py", reading("import neighbour"))
    command = [sys.executable, "-m", "nonconv", "validate", str(config())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "cannot be executed: ModuleNotFoundError: No module named 'neighbour'" in done.stderr


# Folders


def test_a_folder_reproduces_itself() -> None:
    write("far/lion.py", LION)
    folder = finished(config(plugins=["far/lion.py"]), "out")
    shutil.rmtree("far")
    written = yaml.safe_load((folder / "config.yaml").read_text())
    assert [entry["file"] for entry in written["plugins"]] == ["plugins/lion.py"]
    assert (folder / "plugins" / "lion.py").read_text() == LION
    manifest = json.loads((folder / MANIFEST).read_text())
    assert "plugins/lion.py" in manifest["files"]
    cell = read_cell(folder / "config.yaml", [])
    assert cell.identity == manifest["identity"]
    assert Folder(folder, cell.identity).is_finished()
    assert verify_folder(folder, 1).text.endswith("bitwise equal")
    again = finished(folder / "config.yaml", "again")
    for name in ("paths.npz", "error.csv", "config.yaml"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_a_changed_copy_is_found() -> None:
    write("lion.py", LION)
    folder = finished(config(), "out")
    (folder / "plugins" / "lion.py").write_text(LION + "\n")
    assert "have changed: plugins/lion.py" in verify_folder(folder, 1).text
    with pytest.raises(ConfigError, match="has changed; its digest is now"):
        read_cell(folder / "config.yaml", [])


def test_the_folder_has_what_was_executed() -> None:
    """Also if the file is edited between reading and running."""
    write("lion.py", LION)
    cell = read_cell(config(), [])
    write("lion.py", "edited")
    study.run(cell, Path("out"), 1, draw=no_figures)
    assert Path("out/plugins/lion.py").read_text() == LION


# The command line


def test_list_explain_and_schema_know_them() -> None:
    write("lion.py", LION)
    write("ramp.py", LAW)
    assert "my_lion" in good("list", "optimizer", "--plugin", "lion.py")
    assert "my_lion" not in good("list", "optimizer")
    both = good("list", "--plugin", "lion.py", "--plugin", "ramp.py")
    assert "my_lion" in both
    assert "ramp" in both
    assert "Chen et al. (2023)" in good("explain", "my_lion", "--plugin", "lion.py")
    assert good("explain", "lion.py") == good("explain", "my_lion", "--plugin", "lion.py")
    assert good("explain", "ramp.py").count("ramp (data)") == 1
    assert [row["name"] for row in json.loads(good("explain", "ramp.py", "--json"))["components"]] == ["ramp"]
    assert '"optimizer_lion"' in good("schema", "--plugin", "lion.py")
    assert "did you mean lion?" in bad("explain", "loin", "--plugin", "lion.py")
    assert bad("list", "--plugin", "none.py") == "there is no file none.py\n"
    assert bad("explain", "none.py") == "there is no file none.py\n"


def test_show_and_validate() -> None:
    write("lion.py", LION)
    shown = yaml.safe_load(good("show", config()))
    assert [*shown["plugins"][0]] == ["file", "sha256"]
    assert yaml.safe_load(good("show", write("shown.yaml", yaml.safe_dump(shown)))) == shown
    good("validate", config(), write("plain.yaml", yaml.safe_dump(PLAIN)))
