"""What is told of plug-ins that cannot be used, and of definitions that fail."""

from pathlib import Path
from typing import Any

import pytest

from kit.command import bad, call
from kit.plugins import LION, TEXTS, changed, config, finished, told, write
from nonconv.checks.verification import verify_folder
from nonconv.experiment.binding import read_cell
from nonconv.faults.blame import blaming
from nonconv.faults.errors import ConfigError
from nonconv.optimizers import OPTIMIZERS

pytestmark = pytest.mark.usefixtures("plugin_folder")


# What is told of files that cannot be used


def test_no_such_file() -> None:
    assert told() == ("config.yaml:2:3: plugins[0]: there is no file lion.py\n  2 | - lion.py\n    |   ^^^^^^^")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (["lion.txt"], "config.yaml:2:3: plugins[0]: lion.txt is not a Python file; its name must end in .py"),
        ([{"file": "lion.py", "sha256": "12"}], "config.yaml:2:9: plugins[0].sha256: lion.py has changed; its digest is now"),
        ([{"fil": "lion.py"}], "config.yaml:2:3: plugins[0].fil: unknown key"),
        ([3], "config.yaml:2:3: plugins[0]: must be a Python file, or a mapping of file, sha256; got 3"),
        ([""], "config.yaml:2:3: plugins[0].file: must be text, not empty; got ''"),
        (["lion.py", "b/lion.py"], "config.yaml:3:3: plugins[1]: lion.py has the same name; in the output folder both"),
        (["folder.py"], "config.yaml:2:3: plugins[0]: folder.py cannot be read: it is a folder, not a file"),
        (["latin.py"], "config.yaml:2:3: plugins[0]: latin.py is not UTF-8 text"),
    ],
)
def test_entries_that_name_no_plugin(files: list[Any], says: str) -> None:
    write("lion.py", LION)
    write("b/lion.py", LION + "\n")
    Path("folder.py").mkdir()
    Path("latin.py").write_bytes(b"x = '\xe9'\n")
    assert says in told(plugins=files)


def test_what_follows_from_a_missing_plugin_is_not_told() -> None:
    says = told(plugins=["none.py"], steps=0)
    assert "unknown optimizer" not in says
    assert "steps: must be a whole number >= 1 and <= 1000000000000, got 0" in says


BROKEN = {
    "not Python": ("LionState(0.0)\n", "LionState(0.0\n", "lion.py:39:21: not Python: '(' was never closed\n  39 |"),
    "exception": (
        "def start",
        "x = 1 / 0\ndef start",
        "lion.py:38:5: cannot be executed: ZeroDivisionError: division by zero\n",
    ),
    "exit": ("def start", "raise SystemExit\ndef start", "lion.py:38:1: cannot be executed: SystemExit\n"),
    "import": ("import numpy as np", "import numpty as np", "lion.py:5:1: cannot be executed: ModuleNotFoundError: No module"),
    "missing field": ("        update=update,\n", "", "lion.py:56:5: cannot be executed: TypeError: "),
    "nothing": ("OPTIMIZERS.register(", "print(", "lion.py: registers no component\n  allowed: for example from nonconv"),
    "name taken": ('name="my_lion"', 'name="adam"', "lion.py:55:1: the optimizer 'adam' is now built in; rename yours"),
    "no word": ('name="my_lion"', 'name="li-on"', "lion.py:14:7: optimizer li-on: the name must be a word"),
    "wrong kind": (
        "OPTIMIZERS.register(",
        "from nonconv.data import DATA\nDATA.register(",
        "lion.py:56:1: cannot be executed: ValueError: data distributions are of the class Distribution, not Optimizer",
    ),
    "annotation": (
        "beta2: Annotated[float",
        "beta2: Annotated[complex",
        "lion.py:24:5: parameter beta2: the annotation complex is not understood; write float, int, bool, str, Literal",
    ),
    "ambiguous annotation": (
        "beta2: Annotated[float",
        "beta2: Annotated[int | float",
        "lion.py:24:5: parameter beta2: the annotation int | float is not understood",
    ),
    "unknown annotation": (
        "beta2: Annotated[float",
        "beta2: Annotated['flaot'",
        "lion.py:14:7: Lion: its annotations cannot be read: NameError: name 'flaot' is not defined",
    ),
    "reserved name": ("beta1: Annotated", "json: Annotated", "lion.py:23:5: parameter json: this name is reserved by"),
    "no docstring": (
        '    """Lion: the',
        '    x: str = """Lion: the',
        "lion.py:14:7: optimizer my_lion: Lion needs a docstring",
    ),
    "lambda": ("update=update", "update=lambda c, s, g: (g, s)", "lion.py:64:9: update: must be a function at"),
    "no NamedTuple": ("class LionState(NamedTuple)", "class LionState(object)", "lion.py:27:7: state: must be a NamedTuple"),
    "renamed": ("OPTIMIZERS.register(", "Other = LionPerStep; del LionPerStep\nOPTIMIZERS.register(", "NameError"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_files_that_are_no_plugin(case: str) -> None:
    old, new, says = BROKEN[case]
    changed("lion.py", old, new)
    assert says in told()
    assert "my_lion" not in OPTIMIZERS, "half a plug-in is left behind"
    assert "unknown optimizer" not in told()


@pytest.mark.usefixtures("reference")
def test_a_name_that_another_plugin_has() -> None:
    """Also when both were loaded before, each for itself; and each can be used by itself afterwards."""
    write("lion.py", LION)
    write("king.py", LION + "\n")
    king = read_cell(config(plugins=["king.py"]), [])
    says = told(plugins=["lion.py", "king.py"])
    assert says.startswith("king.py:55:1: the optimizer 'my_lion' is already registered by lion.py\n")
    assert told(plugins=["lion.py", "king.py"]) == says
    again = read_cell(config(plugins=["king.py"]), [])
    assert again.program.optimizer.component is king.program.optimizer.component
    assert verify_folder(finished(config(plugins=["king.py"]), "out"), 1).good


def test_a_name_twice_in_one_file() -> None:
    twice = LION + LION[LION.index("OPTIMIZERS.register(") :]
    write("lion.py", twice)
    line = len(twice[: twice.rindex("OPTIMIZERS.register(")].splitlines()) + 1
    assert told().startswith(f"lion.py:{line}:1: the optimizer 'my_lion' is already registered by this file\n")


def test_plugins_load_no_files() -> None:
    """What they read would not be part of a run's identity."""
    changed("ramp.py", "sample=sample\n", "sample=sample, load=lambda h, files: h\n")
    assert "ramp.py:34:5: load: is for nonconv's own components" in bad("explain", "ramp.py")


@pytest.mark.slow
@pytest.mark.usefixtures("reference")
def test_one_content_under_two_names() -> None:
    """Each run's folder has the file under the name that its config gives it."""
    for name in ("my-lion.py", "my_lion.py"):
        write(name, LION)
        folder = finished(config(plugins=[name]), name.removesuffix(".py"))
        assert [file.name for file in (folder / "plugins").iterdir()] == [name]
        assert verify_folder(folder, 1).good


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            'Annotated[Any, OneOf("data"), ',
            "Annotated[float, ",
            "styblinski_tang.py:17:5: parameter data: of an objective must be",
        ),
        ("dim: Annotated[int, Interval(ge=1, le=10**6)", "dim: Annotated[float, Interval(ge=1)", "18:5: parameter dim: of an"),
        ("depth: Annotated[float, Interval(gt=0)", "scale: Annotated[str", "19:5: parameter scale: of an objective must be"),
        (
            "        loss=loss,",
            "        loss=loss,\n        on_orbit=loss,",
            "styblinski_tang.py:30:1: on_orbit: is for nonconv's own toint",
        ),
    ],
)
def test_what_only_our_own_objectives_can_do(old: str, new: str, says: str) -> None:
    changed("styblinski_tang.py", old, new)
    assert says in told(
        plugins=["styblinski_tang.py"], objective={"name": "styblinski_tang", "data": "uniform"}, optimizer="sgd"
    )


def test_an_objective_without_dim_has_one_coordinate() -> None:
    changed("styblinski_tang.py", '    dim: Annotated[int, Interval(ge=1, le=10**6), Doc("number of coordinates")] = 1\n', "")
    write("rows.csv", "x,y\n1,2\n-1,3\n")
    changes: dict[str, Any] = {"plugins": ["styblinski_tang.py"], "optimizer": "sgd", "start": 0.5}
    data: dict[str, Any] = {"name": "csv", "file": "rows.csv", "columns": ["x"]}
    assert read_cell(config(objective={"name": "styblinski_tang", "data": data}, **changes), []).program.dim == 1
    data["columns"] = ["x", "y"]
    says = told(objective={"name": "styblinski_tang", "data": data}, **changes)
    assert "objective.data: styblinski_tang has one coordinate, but the data have 2 columns" in says
    assert "dim" not in says


def test_a_parameter_that_every_learning_rate_has() -> None:
    changed("schedules.py", "first:", "warmup:")
    assert "parameter warmup: every learning rate already has a parameter of this name" in told(plugins=["schedules.py"])


def test_all_problems_at_once() -> None:
    changed("lion.py", "Annotated[float", "Annotated[complex")
    write("other.py", "1 +")
    says = told(plugins=["lion.py", "other.py", "none.py"], steps=0)
    for part in ("parameter beta1", "parameter beta2", "other.py:1:4: not Python", "no file none.py", "steps: must be"):
        assert part in says


# What is told when a definition fails


FAILING: dict[str, tuple[str, str, str, str]] = {
    "at_step raises": (
        "lion.py",
        "    return LionPerStep(*",
        "    raise KeyError(3)\n    return LionPerStep(*",
        "lion.py:43:5: cannot be run: KeyError: 3\n  43 |     raise KeyError(3)\n     |     ^^^^^^^^^^^^^^^^^",
    ),
    "at_step is no table": (
        "lion.py",
        "np.full_like(n, value)",
        "value",
        "lion.py:42:1: at_step must return LionPerStep, each field an array of the shape of n\n",
    ),
    "at_rate is no table": (
        "lion.py",
        "at_step=at_step,",
        "at_rate=lambda h, n, rate: rate,",
        "at_rate must return LionPerStep, each field an array of the shape of n\n",
    ),
    "start is no state": (
        "lion.py",
        "LionState(0.0)\n",
        "(0.0,)\n",
        "lion.py:38:1: start must return LionState, all of it floats",
    ),
    "start is text": (
        "lion.py",
        "LionState(0.0)\n",
        "LionState('a')\n",
        "lion.py:38:1: start must return LionState, all of it",
    ),
    "no such attribute": (
        "lion.py",
        "c.weight_g * g",
        "c.weight * c.g",
        "lion.py:52:47: cannot be run: AttributeError: 'LionPerStep' object has no attribute 'g'\n",
    ),
    "not for the compiler": (
        "lion.py",
        "LionState(m)\n",
        "LionState(np.float64(f'{1}'))\n",
        "lion.py:52:5: cannot be compiled: No implementation of function Function(<class 'str'>) found for signature:",
    ),
    "one value": (
        "lion.py",
        "    return sign(c",
        "    return g\n    return sign(c",
        "lion.py:50:1: cannot be compiled: ",
    ),
    "raise in a kernel": (
        "lion.py",
        "    m = c.decay",
        "    if c.decay > 0.5:\n        raise ValueError\n    m = c.decay",
        ":52:9: ",
    ),
    "exit in at_step": (
        "lion.py",
        "    return LionPerStep(*",
        "    raise SystemExit(3)\n    return LionPerStep(*",
        "lion.py:43:5: cannot be run: SystemExit: 3\n",
    ),
    "exit in a kernel": (
        "lion.py",
        "    m = c.decay",
        "    if c.decay > 0.5:\n        raise SystemExit\n    m = c.decay",
        "lion.py:52:9: cannot be run: SystemExit\n",
    ),
    "law raises": ("ramp.py", "    moments = ", "    h.nothing\n    moments = ", "ramp.py:21:5: cannot be run: AttributeError"),
    "law is none": (
        "ramp.py",
        "    return Law.same(dim, *moments, symmetric=False)",
        "    return 1",
        "ramp.py:20:1: law must return",
    ),
    "prepare is short": (
        "ramp.py",
        "np.full(dim, h.width)",
        "np.full(1, h.width)",
        "ramp.py:25:1: prepare must return RampConst",
    ),
    "rate raises": (
        "schedules.py",
        "    return h.first",
        "    return h.last",
        "schedules.py:17:12: cannot be run: AttributeError",
    ),
    "rate is a number": (
        "schedules.py",
        "    return h.first / (1.0 + np.log(n))",
        "    return 1.0",
        "schedules.py:16:1: value must",
    ),
    "limits are none": (
        "schedules.py",
        "    return Limits(0.0, 0.0)",
        "    return None",
        "schedules.py:20:1: limits must return Limits",
    ),
    "size is a half": ("schedules.py", "1.0 + np.mod", "0.5 + np.mod", "schedules.py:28:1: batch sizes must be whole numbers"),
}


@pytest.mark.compiles
@pytest.mark.parametrize("case", FAILING)
def test_definitions_that_fail(case: str) -> None:
    """By whatever part of nonconv they are called, the plug-in's line is named, with exit code 2."""
    name, old, new, says = FAILING[case]
    for other, text in TEXTS.items():
        write(other, text)
    changed(name, old, new)
    path = config(
        plugins=["lion.py", "ramp.py", "schedules.py"],
        objective={"name": "quadratic", "dim": 2, "data": {"name": "ramp", "width": 2}},
        learning_rate={"name": "logarithmic", "first": 0.1},
        batch_size="alternating",
    )
    with pytest.raises(ConfigError) as caught:
        finished(path, "out")
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("check", "says"), [("[][1]", "IndexError"), ("int('q')", "ValueError"), ("h.nothing", "AttributeError")]
)
def test_a_check_that_raises(check: str, says: str) -> None:
    changed("lion.py", "        update=update,", f"        update=update,\n        check=lambda h: {check},")
    assert f"lion.py:65:25: cannot be run: {says}" in told()


def test_a_failure_that_names_no_line() -> None:
    changed("lion.py", "        update=update,", "        update=update,\n        check=lambda h: True,")
    assert told() == (
        "lion.py: TypeError: 'bool' object is not iterable\n"
        "  nonconv explain lion.py --test says what a plug-in does wrong; if it finds nothing, please report this"
    )


def test_an_exit_of_the_calling_program_is_its_own() -> None:
    write("lion.py", LION)
    cell = read_cell(config(), [])
    assert cell.plugins
    with pytest.raises(SystemExit), blaming(lambda: cell.plugins):
        raise SystemExit


@pytest.mark.compiles
def test_verbose_shows_all() -> None:
    changed("lion.py", "LionState(m)\n", "LionState(np.float64(f'{1}'))\n")
    assert "Traceback" not in bad("run", config(), "-o", "out")
    assert "Traceback" in call("run", config(), "-o", "out", "-v").stderr
