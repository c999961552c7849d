"""Kernels as machine code: what names them, what is kept of them, and what calls them."""

import ast
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

from kit.machine import OUTSIDE, SCALE, scaled
from nonconv.data import DATA, continuous
from nonconv.engine import compiler, draws, kernel_files, machine, separable
from nonconv.engine.machine import Function
from nonconv.engine.object_files import Code, Kinds
from nonconv.numerics import arithmetic, normal, rng
from nonconv.objectives import quadratic
from nonconv.objectives.quadratic import QUADRATIC
from nonconv.optimizers import OPTIMIZERS, adam, sgd
from nonconv.system.atomic import HALF_WRITTEN

FAILING = SCALE.replace("    a, b = pair", "    if factor < 0.0:\n        raise ValueError('negative')\n    a, b = pair")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NONCONV_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kernels"


EXPECTED = [30.0, 52.0]


def files(folder: Path, kind: str) -> list[Path]:
    return sorted(folder.glob(f"*.{kind}"))


# Names


def kernel_of(optimizer: str, data: str) -> Function:
    """A kernel that this process has not loaded."""
    made: Function = separable.kernel.__wrapped__(QUADRATIC, DATA[data], OPTIMIZERS[optimizer], "single")
    return made


def test_kernel_text_is_deterministic() -> None:
    texts = {
        (optimizer, data, form): separable.kernel_text(QUADRATIC, DATA[data], OPTIMIZERS[optimizer], form)
        for optimizer in OPTIMIZERS
        for data in DATA
        for form in separable.STEP_TEMPLATES
    }
    assert len(set(texts.values())) == len(texts)
    for (optimizer, data, form), text in texts.items():
        assert text == separable.kernel_text(QUADRATIC, DATA[data], OPTIMIZERS[optimizer], form)
        ast.parse(text)


@pytest.mark.parametrize(
    ("module", "matters"),
    [
        (rng, True),
        (arithmetic, True),
        (compiler, True),
        (draws, True),
        (kernel_files, True),
        (quadratic, True),
        (continuous, True),
        (normal, True),
        (adam, True),
        (sgd, False),
    ],
    ids=lambda value: value.__name__ if isinstance(value, ModuleType) else None,
)
def test_kernel_is_named_by_its_sources(module: ModuleType, matters: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change in anything that is compiled gives another file; a change elsewhere does not."""
    before, source = kernel_of("adam", "normal").kernel, kernel_files.source
    monkeypatch.setattr(kernel_files, "source", lambda name: source(name) + ("# changed" if name == module.__name__ else ""))
    assert (kernel_of("adam", "normal").kernel != before) == matters


@pytest.mark.parametrize("module", kernel_files.COMPILE_TIME_MODULES)
def test_the_source_of_a_module_that_is_not_imported(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = kernel_files.source(module)
    monkeypatch.delitem(sys.modules, module)
    assert kernel_files.source(module) == imported
    assert module not in sys.modules


# On disk

RUN = """
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
import numpy as np
from nonconv.engine.blocks import simulate
from nonconv.engine.fused import Fused
from nonconv.experiment.binding import read_cell
program = read_cell(Path(sys.argv[1]), []).program
block = simulate(program, Fused(program), 0, 8, np.zeros(1, dtype=np.uint8))
print("numba" in sys.modules, block.theta.tobytes().hex())
"""
CONFIG = "{steps: 10, optimizer: sgd, learning_rate: 0.1, objective: {name: quadratic, data: two_point}}"


@pytest.mark.slow
def test_the_second_process_does_without_the_compiler(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, encoding="utf-8")

    (first, theta), (second, same) = run_alone(path), run_alone(path)
    assert (first, second) == ("True", "False")
    assert theta == same


def run_alone(path: Path) -> tuple[str, str]:
    """Simulate a config in a process: whether it has imported numba, and the iterates."""
    done = subprocess.run([sys.executable, "-c", RUN, str(path)], capture_output=True, text=True, check=True)
    compiled, theta = done.stdout.split()
    return compiled, theta


@pytest.mark.slow
@pytest.mark.parametrize("data", ["diabetes", "teacher"])
def test_so_does_a_network(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the cache of all tests, since a network takes long to compile. A teacher's examples allocate an array."""
    monkeypatch.undo()  # of `cache`
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.replace("quadratic, data: two_point", f"mlp, hidden: [2], data: {data}"), encoding="utf-8")
    (_, theta), (second, same) = run_alone(path), run_alone(path)
    assert second == "False"
    assert theta == same


def test_an_array_is_allocated_by_the_compiler_where_its_runtime_is_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """In another version of numba, say."""
    monkeypatch.setattr(machine, "RUNTIME", "elsewhere")
    assert not machine._offer_runtime()


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are compiled from here on."""
    texts: list[str] = []
    make = compiler.machine_code

    def recorded(name: str, text: str, definitions: Iterable[Callable[..., Any]], kinds: Kinds) -> Code:
        texts.append(text)
        return make(name, text, definitions, kinds)

    monkeypatch.setattr(compiler, "machine_code", recorded)
    return texts


@pytest.mark.compiles
def test_kept_and_loaded(cache: Path, compiled: list[str]) -> None:
    assert [scaled(), scaled()] == [EXPECTED] * 2
    assert len(compiled) == 1
    assert [len(files(cache, kind)) for kind in ("py", "o")] == [1, 1]
    assert not list(cache.rglob(f"{HALF_WRITTEN}*"))


@pytest.mark.compiles
def test_arguments_of_other_kinds_are_another_function(cache: Path, compiled: list[str]) -> None:
    function = Function("advance", SCALE)
    assert scaled(function=function) == EXPECTED
    assert scaled(function=function, out=np.zeros(2, np.float32)) == EXPECTED
    assert scaled(function=function) == EXPECTED
    assert len(compiled) == len(files(cache, "o")) == 2


@pytest.mark.compiles
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content.replace(b"\n", b" ", 1),
        lambda content: content.replace(b"advance", b"advancf", 1),
        lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    ],
    ids=["empty", "last byte", "half", "no head", "another name", "one bit"],
)
def test_a_damaged_file_is_compiled_again(damage: Any, cache: Path, compiled: list[str]) -> None:
    """A linker given half a file ends the process."""
    assert scaled() == EXPECTED
    (path,) = files(cache, "o")
    path.write_bytes(damage(path.read_bytes()))
    assert [scaled(), scaled()] == [EXPECTED] * 2
    assert len(compiled) == 2


def _put_folder(path: Path) -> None:
    path.mkdir()
    (path / "file").write_text("in the way", encoding="utf-8")


@pytest.mark.compiles
@pytest.mark.parametrize("kind", ["py", "o", "lock"])
@pytest.mark.parametrize(
    "put", [_put_folder, os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["folder", "pipe", "link"]
)
def test_something_else_under_the_name_of_a_file(put: Any, kind: str, cache: Path, compiled: list[str]) -> None:
    """It is replaced, except for a lock, which all do without then."""
    assert scaled() == EXPECTED
    (path,), (code,) = files(cache, kind), files(cache, "o")
    code.unlink()
    path.unlink(missing_ok=True)  # the code itself is gone already
    put(path)
    assert [scaled(), scaled()] == [EXPECTED] * 2
    assert len(compiled) == 2


@pytest.mark.compiles
@pytest.mark.parametrize(
    "put", [lambda path: path.write_bytes(b"half"), _put_folder, os.mkfifo], ids=["file", "folder", "pipe"]
)
def test_what_a_killed_process_left_goes(put: Any, cache: Path, compiled: list[str]) -> None:
    assert scaled() == EXPECTED
    (code,) = files(cache, "o")
    code.unlink()
    put(code.with_name(f"{HALF_WRITTEN}{code.name}"))
    assert [scaled(), scaled()] == [EXPECTED] * 2
    assert len(compiled) == 2
    assert not list(cache.rglob(f"{HALF_WRITTEN}*"))


@pytest.mark.compiles
def test_the_code_of_another_kernel_under_the_name_of_this_one(cache: Path, compiled: list[str]) -> None:
    """Whole, but for other arguments or another text: it would read memory that is not its own."""
    functions = Function("advance", SCALE), Function("advance", SCALE.replace("+ shift", "- shift"))
    assert [scaled(function=function) for function in functions] == [EXPECTED, [24.0, 46.0]]
    paths = [next(cache.glob(f"{function.kernel}.*.o")) for function in functions]
    contents = [path.read_bytes() for path in paths]
    paths[0].write_bytes(contents[1])
    assert [scaled(), scaled()] == [EXPECTED] * 2
    assert paths[0].read_bytes() != contents[1]
    assert len(compiled) == 3


@pytest.mark.compiles
def test_the_text_in_the_cache_is_not_what_is_compiled(cache: Path) -> None:
    assert scaled() == EXPECTED
    (text,), (code,) = files(cache, "py"), files(cache, "o")
    text.write_text(SCALE.replace("+ shift", "- shift"), encoding="utf-8")
    code.unlink()
    assert scaled() == EXPECTED
    assert text.read_text(encoding="utf-8") == SCALE


@pytest.mark.compiles
def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled: list[str]) -> None:
    """The kernel is then compiled for this process alone, and is the same."""
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("NONCONV_CACHE_DIR", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert [scaled(), scaled()] == [EXPECTED] * 2
    assert len(compiled) == 2


@pytest.mark.compiles
def test_another_processor_has_files_of_its_own(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that machines share."""
    assert scaled() == EXPECTED
    monkeypatch.setattr(llvm, "get_host_cpu_name", lambda: "another")
    assert scaled() == EXPECTED
    assert len(files(cache, "o")) == 2


# Calling


@pytest.mark.compiles
def test_what_numba_brings_is_found(cache: Path) -> None:
    """Also by a process that has not compiled it: gamma(3) = 2."""
    assert scaled(OUTSIDE, 3.0) == EXPECTED
    (path,) = files(cache, "o")
    _, needs = json.loads(path.read_bytes().split(b"\n")[1])
    assert needs
    command = "from kit.machine import OUTSIDE, scaled; print(scaled(OUTSIDE, 3.0))"
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True, cwd=Path(__file__).parent
    )
    assert ast.literal_eval(done.stdout) == EXPECTED


def test_a_strided_array_is_refused() -> None:
    with pytest.raises(ValueError, match="contiguous"):
        scaled(out=np.zeros(4)[::2])


@pytest.mark.compiles
def test_a_failure_is_not_overlooked() -> None:
    """What a definition raises is raised at its line."""
    function = Function("advance", FAILING)
    assert scaled(function=function) == EXPECTED
    with pytest.raises(ValueError, match=r"^negative$") as caught:
        scaled(function=function, factor=-1.0)
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert FAILING.splitlines()[(last.lineno or 0) - 1].strip() == "raise ValueError('negative')"
    assert Path(last.filename).stem == function.kernel


@pytest.mark.compiles
def test_what_numba_raises_without_a_line_is_raised_as_it_is() -> None:
    text = SCALE.replace("_nrt=False", "_nrt=True").replace("import njit", "import njit\nimport numpy as np")
    function = Function(
        "advance", text.replace("    a, b = pair\n", "    a, b = pair\n    out[:] = np.empty(int(factor)).size\n")
    )
    assert scaled(function=function) == EXPECTED
    with pytest.raises(ValueError, match="negative dimensions not allowed"):
        scaled(function=function, factor=-1.0)
