"""What may be wrong with a config, and the whole text that the user is told; never a traceback.

bad_configs.yaml is the table of what can be wrong, bad_networks.yaml that of networks. Here are the cases that cannot be
written there, and what holds for any text, any document and any override.
"""

import math
import os
import re
import socket
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

import golden
from nonconv.components.parameters import Parameter, parameters_of
from nonconv.config.catalogue import BUILT_IN
from nonconv.config.document import parse
from nonconv.config.files import read
from nonconv.config.spec import Experiment, Floors, Record, common_parameters, typed
from nonconv.experiment.binding import read_cell
from nonconv.experiment.identity import name_of
from nonconv.faults.errors import ConfigError
from nonconv.system import reading


def table(name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A good config and bad ones, each of which knows the good one."""
    good, *bad = golden.table(name)
    return good, [case | {"good": good["file"]} for case in bad]


GOOD, BAD = table("bad_configs.yaml")
NETWORK, BAD_NETWORKS = table("bad_networks.yaml")


def written(case: dict[str, Any]) -> str:
    """The config of a case: a file of its own, or the good one with some lines changed."""
    if "file" in case:
        return str(case["file"])
    lines = {line.partition(":")[0]: line for line in case.get("good", GOOD["file"]).splitlines()}
    lines.pop(case.get("without", ""), None)
    lines |= {line.partition(":")[0]: line for line in case.get("lines", "").splitlines()}
    return "\n".join(lines.values()) + "\n"


def told(folder: Path, config: str | bytes, *overrides: str) -> str:
    """What the user is told of a config, the folder left out of file names; nothing, of a good one."""
    path = folder / "bad.yaml"
    path.write_bytes(config if isinstance(config, bytes) else config.encode())
    try:
        read_cell(path, list(overrides))
    except ConfigError as error:
        says, problems = str(error), error.problems
    else:
        return ""
    assert problems
    assert all(problems)
    return says.replace(f"{folder}/", "").replace(str(folder), "tmp")


def told_of_case(case: dict[str, Any], folder: Path) -> str:
    """What the user is told of a case of the tables."""
    files = case.get("files", {}) | ({"rows.csv": case["rows"]} if "rows" in case else {})
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return told(folder, written(case), *case.get("set", []))


@pytest.mark.parametrize("case", [*BAD, *BAD_NETWORKS], ids=lambda case: case["id"])
def test_message(case: dict[str, Any], tmp_path: Path) -> None:
    assert told_of_case(case, tmp_path) == case["says"]


@pytest.mark.parametrize("name", ["bad_configs.yaml", "bad_networks.yaml", "bad_grids.yaml"])
def test_the_tables_are_as_their_command_writes_them(name: str) -> None:
    """golden.py finds every text of a table, and writes what it read; negative control: another text."""
    cases = [case for case in golden.table(name) if "says" in case]
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    assert golden.rewritten(text, {case["id"]: case["says"] for case in cases}) == text
    other = golden.rewritten(text, {case["id"]: f"{case['id']}: other" for case in cases})
    assert other.count(": other\n") == len(re.findall(r"^  says: \|$", text, re.MULTILINE)) >= len(cases) - 1


@pytest.mark.parametrize("good", [GOOD, NETWORK])
def test_the_good_config_is_good(good: dict[str, Any], tmp_path: Path) -> None:
    assert told(tmp_path, good["file"]) == ""


def test_no_case_stands_twice() -> None:
    cases = [*BAD, *BAD_NETWORKS]
    assert len({case["id"] for case in cases}) == len(cases)
    assert len({(written(case), *(str(case.get(key)) for key in ("set", "rows", "files"))) for case in cases}) == len(cases)


def test_all_problems_are_one_error(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("adam\n")
    with pytest.raises(ConfigError) as caught:
        read_cell(tmp_path / "bad.yaml", ["steps", "=1"])
    assert [problem.splitlines()[0].removeprefix(f"{tmp_path}/") for problem in caught.value.problems] == [
        "bad.yaml:1:1: the config is 'adam', not a mapping of keys to values",
        "--set steps: must have the form key=value, as in optimizer.beta1=0.9",
        "--set =1: must have the form key=value, as in optimizer.beta1=0.9",
    ]
    assert caught.value.exit_code == 2


def test_no_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_cell(tmp_path / "none.yaml", [])
    assert str(caught.value) == f"{tmp_path / 'none.yaml'}: there is no such file"


@pytest.mark.parametrize("written", ["adam_cnst.yaml", "adam_const", "configs/adam-const.yml", "config/adam_const.yaml"])
def test_a_misspelt_config_is_told_the_nearest(written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("configs").mkdir()
    for name in ("adam_const.yaml", "adam_decay.yaml", "notes.txt"):
        Path("configs", name).touch()
    with pytest.raises(ConfigError) as caught:
        read_cell(Path(written), [])
    assert str(caught.value) == f"{written}: there is no such file\n  did you mean {Path('configs/adam_const.yaml')}?"


def test_folder_for_a_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_cell(tmp_path, [])
    assert str(caught.value) == f"{tmp_path}: cannot be read: it is a folder, not a file"
    (tmp_path / "config.yaml").touch()
    with pytest.raises(ConfigError, match=re.escape(f"a file\n  did you mean {tmp_path / 'config.yaml'}?")):
        read_cell(tmp_path, [])


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (b"seed: 1\nclaim: d\xe9j\xe0 vu\n", "bad.yaml: line 2 is not UTF-8 text"),
        (GOOD["file"].encode("utf-16"), "bad.yaml: line 1 is not UTF-8 text"),
        (b"seed: 1\x00\n", "bad.yaml:1:8: the character U+0000 is not allowed in YAML"),
        (b"\x89PNG\r\n\x1a\n", "bad.yaml: line 1 is not UTF-8 text"),
    ],
    ids=["latin-1", "utf-16", "null character", "image"],
)
def test_not_text(config: bytes, says: str, tmp_path: Path) -> None:
    assert told(tmp_path, config) == says


def test_override_that_is_not_unicode(tmp_path: Path) -> None:
    """What a shell passes on from a file name in another encoding."""
    says = r"--set claim=\udce9t\udce9: the character U+DCE9 is not allowed in YAML"
    assert told(tmp_path, GOOD["file"], "claim=\udce9t\udce9") == says


def test_billion_laughs(tmp_path: Path) -> None:
    """Ten to the ninth values by aliases of aliases, refused after the first of them."""
    laughs = "a: &a [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]\n"
    for inner, outer in zip("abcdefgh", "bcdefghi", strict=True):
        laughs += f"{outer}: &{outer} [{', '.join([f'*{inner}'] * 10)}]\n"
    says = told(tmp_path, laughs)
    assert says.splitlines()[0] == "bad.yaml:1:44: more than 100000 values, counting aliases in full"
    assert says.count("\n\n") == 0


@pytest.mark.parametrize("deep", ["xi: " + "[" * 1000, "xi: " + "[" * 1000 + "]" * 1000, "- " * 5000, "{a: " * 5000])
def test_nested_too_deeply(deep: str, tmp_path: Path) -> None:
    assert told(tmp_path, deep) == "bad.yaml: nested too deeply"


def test_long_line_is_cut(tmp_path: Path) -> None:
    config = written({"lines": "objective: {name: quadratic, dim: 99, scale: [" + "1.5, " * 98 + "x], data: normal}"})
    shown = "1.5, " * 32
    assert told(tmp_path, config) == (
        "bad.yaml:4:537: objective.scale[98]: cannot be 'x'\n"
        f"  4 | ...{shown[-143:]}x], data: normal}}\n"
        f"    | {' ' * 146}^\n"
        "  allowed: a number > 0 or a list of numbers > 0"
    )


def test_very_long_number_is_cut(tmp_path: Path) -> None:
    assert told(tmp_path, written({"lines": "steps: " + "9" * 5000})) == (
        "bad.yaml:3:8: steps: must be a whole number >= 1 and <= 1000000000000, got inf\n"
        f"  3 | steps: {'9' * 153}...\n"
        f"    |        {'^' * 153}"
    )


CSV_LINE = "objective: {name: quadratic, data: {name: csv, file: rows.csv, columns: [x]}}"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (b"x\n\x80\n", "bad.yaml:4:54: objective.data.file: rows.csv is not UTF-8 text"),
        (b"x\n" + b"1" * 200_000, "rows.csv:2:1: not CSV: field larger than field limit (131072)"),
        (b"x\n\x1b[31m1\n", "rows.csv:2:1: x: must be a finite number, got '\\x1b[31m1'"),
    ],
    ids=["not UTF-8", "one huge field", "terminal colours"],
)
def test_not_a_table(rows: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(rows)
    told_of_it = told(tmp_path, written({"lines": CSV_LINE}))
    assert told_of_it.splitlines()[0] == says
    assert "\x1b" not in told_of_it


def test_a_table_of_rubbish_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("x\n" + "?\n" * 1000)
    says = told(tmp_path, written({"lines": CSV_LINE})).split("\n\n")
    assert says[19].splitlines()[0] == "rows.csv:21:1: x: must be a finite number, got '?'"
    assert says[20:] == ["rows.csv:22:1: stopped after 20 problems"]


@pytest.mark.parametrize(
    "data",
    [
        "{name: normal, std: 1e200}",
        "{name: uniform, high: 1e200}",
        "{name: two_point, high: 1e200}",
        "{name: truncated_normal, low: -1e200, std: 1e200}",
        "{name: discrete, values: [-1e308, 1e308], probabilities: [0.5, 0.5]}",
    ],
)
def test_data_whose_moments_are_no_floats(data: str, tmp_path: Path) -> None:
    assert "1e+100" in told(tmp_path, written({"lines": f"objective: {{name: quadratic, data: {data}}}"}))


# What holds of any input: a cell, or a ConfigError that says something. Numbers stop at 1e50, below the known overflow.

BOUNDED = settings(max_examples=200, derandomize=True, deadline=None)
PIECES = [
    *(
        "steps",
        "optimizer",
        "adam",
        "xi",
        "record",
        "name",
        "value",
        "true",
        "null",
        "~",
        ".nan",
        "1e3",
        "-1",
        "0x1",
        "_",
    ),
    *(
        ": ",
        ":",
        "- ",
        "? ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "\n",
        "\n  ",
        "\n\t",
        "---\n",
        "...\n",
        "# ",
        "<<: ",
        "%YAML 1.1\n",
    ),
    *(
        "&a ",
        "*a",
        "!!int ",
        "!a ",
        "|\n",
        ">-\n",
        "'",
        '"',
        "\\",
        "\\U00110000",
        "@",
        "`",
        "\u00e9",
        "\u2028",
        "\ufeff",
    ),
]
YAML_LIKE = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
NUMBERS = st.integers() | st.floats(-1e50, 1e50) | st.sampled_from([math.inf, math.nan, 5e-324, 10**6, 10**12, 10**400])
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=8)
EXPECTATIONS: list[Any] = [
    None,
    {},
    {"verdict": "converges"},
    {"verdict": ["diverges", "undecided"], "violations": 0, "outcomes": {"undefined": "none", "finite": {"above": 0.5}}},
    {"floor": {"twin": {"above": 0.1, "below": 2}}, "slope": {"window": {"below": 0}, "error: minimizer": {"above": -1}}},
    {"mse": [{"xi": "minimizer", "below": 1}, {"xi": [0, 1], "step": 1, "above": 0}]},
    {"within": [{"xi": "start", "of": "theory"}, {"quantity": "cauchy", "of": 3}]},
]
PLAUSIBLE = [0, 0.5, 1, 2, 20, [0, 1], [0.5, 0.5], [20], [], ["x"], ["y"], "rows.csv", "start", [[1, 2], "last"], True]
PLAUSIBLE += ["epochs", "l2", "regret", [[1, 2], [0, 1]]]


def parameters(kind: str, name: str) -> list[Parameter]:
    return [*parameters_of(BUILT_IN[kind][name].parameters), *common_parameters(kind)]


def component(kind: str) -> st.SearchStrategy[Any]:
    """A component of a kind, more or less as it should be."""
    options = [mapping(parameters(kind, name), name=st.just(name)) for name in BUILT_IN[kind]]
    return st.one_of(st.sampled_from(sorted(BUILT_IN[kind])), *options)


def mapping(found: list[Parameter], **fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """What is required and some of the rest, each more or less as it should be."""
    values = {parameter.name: value(parameter) for parameter in found}
    required = {parameter.name: values.pop(parameter.name) for parameter in found if parameter.required}
    return st.fixed_dictionaries(fixed | required, optional=values)


def value(parameter: Parameter) -> st.SearchStrategy[Any]:
    """Nine times out of ten what is allowed."""
    if parameter.kind:
        return component(parameter.kind)
    if parameter.name in ("record", "floors"):
        return mapping(parameters_of(Record if parameter.name == "record" else Floors))
    if parameter.name == "expect":
        return st.sampled_from(EXPECTATIONS)
    good = [plausible for plausible in [*PLAUSIBLE, parameter.default] if is_allowed(parameter.annotation, plausible)]
    return st.integers(0, 9).flatmap(lambda k: st.sampled_from(good) if k else st.sampled_from(PLAUSIBLE) | SCALARS)


@cache
def adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(typed(annotation))


def is_allowed(annotation: Any, value: Any) -> bool:
    try:
        adapter(annotation).validate_python(value)
    except ValidationError:
        return False
    return True


KNOWN = {kind: [p.name for name in BUILT_IN[kind] for p in parameters(kind, name)] + ["name"] for kind in BUILT_IN}
PATHS = [
    *(parameter.name for parameter in parameters_of(Experiment)),
    *(f"{kind}.{name}" for kind in BUILT_IN if kind not in ("data", "dataset") for name in KNOWN[kind]),
    *(f"objective.data.{name}" for kind in ("data", "dataset") for name in KNOWN[kind]),
    *(
        "record.points",
        "record.spacing",
        "record.x.y",
        "floors.twin",
        "xi.0",
        "xi.7",
        "start.0",
        "optimizer.3",
        "claim.x",
        ".",
        "",
    ),
    *(
        "expect.verdict",
        "expect.floor.twin",
        "expect.slope.window.above",
        "expect.slope.x.above",
        "expect.mse.0",
        "expect.within",
    ),
]
NAMES = sorted({name for path in PATHS for name in path.split(".")} | {name for kind in BUILT_IN for name in BUILT_IN[kind]})
KEYS = st.sampled_from(NAMES) | st.text(max_size=4)
ANYTHING = st.recursive(
    SCALARS | KEYS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=12
)
IN_ONE_LINE = (st.sampled_from(PLAUSIBLE) | SCALARS | ANYTHING).map(
    lambda data: yaml.safe_dump(data, default_flow_style=True, width=math.inf)
)
OVERRIDES = st.builds("{}={}".format, st.sampled_from(PATHS) | st.text(max_size=4), IN_ONE_LINE | YAML_LIKE) | st.text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples, with a data file."""
    path = tmp_path_factory.mktemp("configs")
    (path / "rows.csv").write_text("x,y\n1,2\n3,5\n")
    return path


ALMOST_GOOD = mapping(parameters_of(Experiment))


@st.composite
def experiments(draw: st.DrawFn) -> dict[str, Any]:
    """Draw one that is almost good. Hypothesis writes the name of this, not the thousands of choices that it is made of."""
    return draw(ALMOST_GOOD)


@pytest.mark.slow
@BOUNDED
@given(text=YAML_LIKE | st.text() | st.binary())
def test_any_text(text: str | bytes, folder: Path) -> None:
    assert told(folder, text)


@pytest.mark.slow
@BOUNDED
@given(data=ANYTHING)
def test_any_data(data: Any, folder: Path) -> None:
    assert told(folder, yaml.safe_dump(data))


@pytest.mark.slow
@BOUNDED
@given(data=experiments())
def test_almost_good_data(data: dict[str, Any], folder: Path) -> None:
    """What is taken is taken again, once every default is written out."""
    if told(folder, yaml.safe_dump(data)):
        return
    cell = read_cell(folder / "bad.yaml", [])
    assert told(folder, yaml.safe_dump(cell.resolved)) == ""
    assert read_cell(folder / "bad.yaml", []).identity == cell.identity


@pytest.mark.slow
@BOUNDED
@given(overrides=st.lists(OVERRIDES, min_size=1, max_size=3))
def test_any_overrides(overrides: list[str], folder: Path) -> None:
    told(folder, GOOD["file"], *overrides)


@pytest.mark.slow
@BOUNDED
@given(override=st.builds("{}={}".format, st.sampled_from(PATHS), st.sampled_from(PLAUSIBLE) | SCALARS))
def test_any_override_of_a_known_key(override: str, folder: Path) -> None:
    told(folder, GOOD["file"], override)


# Files that are none


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def socket_at(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
    return path


def huge(path: Path) -> Path:
    """A file with a hole: it takes no space."""
    with path.open("wb") as file:
        file.truncate(10**10)
    return path


NO_FILES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "pipe": (pipe, "it is a pipe, not a file"),
    "socket": (socket_at, "it is a socket, not a file"),
    "device": (lambda path: Path("/dev/zero"), "it is a device, not a file"),
    "folder": (lambda path: path.parent, "it is a folder, not a file"),
    "huge": (huge, "it has more than 1 MB"),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_neither_waited_for_nor_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    make, says = NO_FILES[kind]
    monkeypatch.chdir(tmp_path)  # names of sockets must be short
    path = make(Path("f"))
    with pytest.raises(OSError, match=says):
        reading.read_file(path, reading.MEGABYTE)
    monkeypatch.setattr(reading, "WRITER_SECONDS", 0.01)
    with pytest.raises(OSError, match="it is a pipe that nobody writes to" if kind == "pipe" else says):
        reading.read_text_source(path, reading.MEGABYTE)


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs names of open files")
def test_a_config_comes_through_a_pipe_once() -> None:
    """As from `<(command)`: also when the command begins late."""
    reading_end, writing_end = os.pipe()

    def write_late() -> None:
        time.sleep(0.05)
        os.write(writing_end, b"steps: 7\n")
        os.close(writing_end)

    Thread(target=write_late).start()
    document = read(Path(f"/dev/fd/{reading_end}"))
    os.close(reading_end)
    assert (document.data, document.problems, document.folder) == ({"steps": 7}, [], Path())
    assert name_of(Path("/dev/fd/63")) == "stdin"


def test_more_values_than_anyone_writes_are_refused_before_all_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nonconv.config.document.MOST_NODES", 10)
    (problem,) = parse("start: [" + "1," * 1000 + "1", "a.yaml").problems  # that the list never ends is not seen
    assert problem.message.startswith("more than ")
