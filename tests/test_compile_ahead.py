"""The process that compiles parts of a network beside this one."""

import io
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.networks import make
from nonconv.engine import compile_ahead as ahead
from nonconv.engine import coupled, kernel_files, machine
from nonconv.engine.blocks import simulate
from nonconv.engine.coupled_pieces import WHOLE, finisher, learner
from nonconv.engine.fused import Fused
from nonconv.engine.machine import Function, Part
from nonconv.objectives.mlp import MLP

TEXT = """\
from numba import njit
from nonconv.engine.compiler import ONLY_FROM_KERNELS


@njit(**ONLY_FROM_KERNELS)
def part(number):
    return
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("NONCONV_CACHE_DIR", str(tmp_path))
    return kernel_files.cache_folder()


def some_parts(number: int = ahead.LEAST_PARTS) -> list[Part]:
    return [Part(Function("part", f"{TEXT}# {k}\n"), (WHOLE,)) for k in range(number)]


def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is started from now on, instead of processes: the parts that each would get."""
    found: list[Any] = []

    class Process:
        def __init__(self, command: list[str], **_options: Any) -> None:
            assert "-P" in command, "it would import what lies in the user's folder"
            self.stdin = self
            self.sent = io.BytesIO()

        def __enter__(self) -> io.BytesIO:
            return self.sent

        def __exit__(self, *_error: object) -> None:
            found.append(pickle.loads(self.sent.getvalue()))

    monkeypatch.setattr("nonconv.engine.compile_ahead.subprocess.Popen", Process)
    monkeypatch.setattr("nonconv.engine.compile_ahead.atexit.register", lambda *arguments: None)
    monkeypatch.setattr(ahead, "default_workers", lambda: 2)
    return found


@pytest.mark.compiles
def test_loops_have_the_kinds_that_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise they would be compiled twice."""
    called: dict[str, Any] = {}
    call = Function.__call__

    def noted(function: Function, *arguments: Any) -> None:
        called[function.name] = machine.kinds_of(arguments)
        call(function, *arguments)

    monkeypatch.setattr(Function, "__call__", noted)
    held_out = np.ones((4, 3)), np.ones((1, 3))
    program = make({}, held_out=held_out)
    simulate(program, Fused(program), 0, 8, np.zeros(1, dtype=np.uint8))
    assert {name: kinds for name, kinds in called.items() if name in coupled.LOOP_KINDS} == coupled.LOOP_KINDS


@pytest.mark.compiles
def test_another_process_compiles_from_the_last_part_on(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it was sent is enough to make every part, of definitions too, with the names that this process looks for."""
    of_network = learner(MLP, machine.kinds_of((0,)), 8), finisher(MLP, machine.kinds_of((0,)))
    assert all(part.function.definitions for part in of_network)
    sent, parts = started(monkeypatch), some_parts()
    ahead.compile_ahead([*of_network, *parts])
    assert [text for _, text, _, _ in sent[0]] == [part.function.text for part in reversed([*of_network, *parts])]
    for (name, text, names, _), part in zip(sent[0], reversed([*of_network, *parts]), strict=True):
        assert Function(name, text, *(ahead._definition(*one) for one in names)).kernel == part.function.kernel
    monkeypatch.setattr(sys, "stdin", type("Input", (), {"buffer": io.BytesIO(pickle.dumps(sent[0][:3]))}))
    ahead.compile_parts()
    assert all(part.function.file(part.kinds).is_file() for part in parts)
    assert not list(cache.glob("*.half"))


def test_when_no_process_is_started(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where parts are few or on disk, where there is one processor, for plug-ins, and where it cannot be done."""
    sent, parts = started(monkeypatch), some_parts()
    ahead.compile_ahead(parts[1:])
    parts[0].function._addresses[(WHOLE,)] = 1
    ahead.compile_ahead(parts)
    monkeypatch.setattr(ahead, "is_foreign", lambda function: True)
    foreign = [Part(Function("part", f"{TEXT}# {k}\n", print_nothing), (WHOLE,)) for k in range(3)]
    ahead.compile_ahead(foreign)
    monkeypatch.setattr(ahead, "default_workers", lambda: 1)
    ahead.compile_ahead(some_parts())
    assert not sent
    monkeypatch.setattr(ahead, "default_workers", lambda: 2)
    ahead.compile_ahead(some_parts())
    assert len(sent) == 1  # control

    def fail(*_arguments: Any, **_options: Any) -> None:
        raise OSError("no processes left")

    monkeypatch.setattr("nonconv.engine.compile_ahead.subprocess.Popen", fail)
    ahead.compile_ahead(some_parts())


def print_nothing() -> None:
    """Stands for a plug-in's definition."""


def test_one_process_at_a_time(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one would only wait for the first."""
    cache.mkdir(parents=True)
    monkeypatch.setattr(sys, "stdin", None)  # it is not read
    with kernel_files.alone_or_not_at_all("ahead") as first:
        assert first
        ahead.compile_parts()
