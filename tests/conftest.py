"""What every test module has: the quick selection, small blocks, folders of their own, a style of figures."""

import gc
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NoReturn

import pytest

pytest.register_assert_rewrite("kit")

# What is printed is as wide as COLUMNS says, and a runner of tests may set that.
os.environ.pop("COLUMNS", None)
FIRST = ("test_docs.py", "test_states.py", "test_api.py", "test_sweeps.py", "test_cli.py")
"""Files with tests of ten seconds and more: they come first, so that no worker waits for another at the end."""
LEFT_OUT = ("slow", "compiles", "processes")
"""Markers of what `--quick` leaves out; pyproject.toml says what they mean."""


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "leave out what is slow, compiles or starts processes; runs use the reference engine"
    parser.addoption("--quick", action="store_true", help=text)
    parser.addoption("--thorough", action="store_true", help="run also what repeats other tests for more of what ships")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in FIRST)
    markers = (*(LEFT_OUT if config.getoption("--quick") else ()), *(() if config.getoption("--thorough") else ("thorough",)))
    left_out = [item for item in items if any(map(item.get_closest_marker, markers))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish() -> None:
    """Thousands of tests and all that they import last to the end: no search for garbage need walk through them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _quick(request: pytest.FixtureRequest) -> Iterator[None]:
    """With `--quick`: the reference engine for all runs, and an error in tests that lack a marker."""
    if not request.config.getoption("--quick"):
        yield
        return
    from kit.engines import use_reference
    from nonconv.engine import fused
    from nonconv.engine.machine import Function

    with pytest.MonkeyPatch.context() as patched:
        use_reference(patched)
        patched.setattr(Function, "_code", _refuse_kernel)
        patched.setattr(fused, "_kernel", _refuse_kernel)
        patched.setattr(subprocess.Popen, "__init__", _refuse_process)
        patched.setattr(BaseProcess, "start", _refuse_process)
        yield


@pytest.fixture(scope="session", autouse=True)
def _compiled_before() -> Iterator[None]:
    """Commands in this process say what they would if the kernel had been compiled before."""
    from nonconv.terminal.compiling import Lines

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Lines, "start", lambda lines, again: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _checkout_looked_at_once(pytestconfig: pytest.Config) -> Iterator[None]:
    """A thousand runs ask git for the state of this checkout, in which nothing changes meanwhile."""
    from nonconv.store import surroundings

    ask, known = surroundings._git, cache(surroundings._git)

    def answer(*arguments: str) -> str:
        return known(*arguments) if Path.cwd() == pytestconfig.rootpath else ask(*arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(surroundings, "_git", answer)
        yield


@pytest.fixture
def plugin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test begins in a folder of its own, and leaves nonconv's own registries as they are."""
    from nonconv.config.catalogue import BUILT_IN

    monkeypatch.chdir(tmp_path)
    before = {kind: [*registry] for kind, registry in BUILT_IN.items()}
    yield
    assert {kind: [*registry] for kind, registry in BUILT_IN.items()} == before


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs use the reference engine: where a message is tested, nothing need be compiled."""
    from kit.engines import use_reference

    use_reference(monkeypatch)


def _refuse_kernel(*arguments: Any) -> NoReturn:
    pytest.fail("this test compiles, or loads a kernel: mark it `compiles`")


_start = subprocess.Popen.__init__


def _refuse_process(process: Any, command: Any = None, *arguments: Any, **options: Any) -> None:
    """All but git, which every run asks for the state of the checkout."""
    if command and command[0] == "git":
        _start(process, command, *arguments, **options)
    else:
        pytest.fail("this test starts a process: mark it `processes`")
