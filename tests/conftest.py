"""What every test module has: the quick selection, small blocks, folders of their own, a style of figures."""

import subprocess
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn

import pytest

pytest.register_assert_rewrite("kit")

LEFT_OUT = ("slow", "compiles", "processes")
"""Markers of what `--quick` leaves out; pyproject.toml says what they mean."""


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "leave out what is slow, compiles or starts processes; runs use the reference engine"
    parser.addoption("--quick", action="store_true", help=text)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--quick"):
        left_out = [item for item in items if any(map(item.get_closest_marker, LEFT_OUT))]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session", autouse=True)
def _quick(request: pytest.FixtureRequest) -> Iterator[None]:
    """With `--quick`: the reference engine for all runs, and an error in tests that lack a marker."""
    if not request.config.getoption("--quick"):
        yield
        return
    from kit.engines import use_reference
    from nonconv.engine.machine import Function

    with pytest.MonkeyPatch.context() as patched:
        use_reference(patched)
        patched.setattr(Function, "_code", _refuse("compiles"))
        patched.setattr(subprocess.Popen, "__init__", _refuse("processes"))
        patched.setattr(BaseProcess, "start", _refuse("processes"))
        yield


def _refuse(marker: str) -> Any:
    def refuse(*arguments: Any, **options: Any) -> NoReturn:
        pytest.fail(f"this test {marker.replace('processes', 'starts a process')}: mark it `{marker}`")

    return refuse
