"""Call the command line, in this process or in another."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

import nonconv
from nonconv.cli import app
from nonconv.terminal import compiling


def call(*arguments: object) -> Result:
    """One command in this process. Nothing a user can cause shows a traceback."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if "-v" not in arguments:
        assert "Traceback" not in result.stderr
    return result


def good(*arguments: object) -> str:
    """A command that ends well: its stdout."""
    result = call(*arguments)
    assert result.exit_code == 0, result.stderr
    assert "\x1b" not in result.output
    return result.stdout


def bad(*arguments: object, code: int = 2) -> str:
    """A command that cannot be carried out: nothing on stdout, and this on stderr."""
    result = call(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    return result.stderr


def documented(*arguments: object) -> dict[str, Any]:
    """The one JSON document of a command."""

    def refuse(name: str) -> float:
        raise AssertionError(name)

    document: dict[str, Any] = json.loads(good(*arguments), parse_constant=refuse)
    assert document["schema_version"] == 1
    return document


def process(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The real program, without what it says where this machine has not compiled a kernel yet."""
    done = process_as_it_is(*arguments, **environment)
    done.stderr = compiled_before(done.stderr)
    return done


def compiled_before(said: str) -> str:
    """What a program would have said on a machine that had compiled its kernels before."""
    return "".join(line for line in said.splitlines(keepends=True) if not line.startswith(compiling.WHAT))


def process_as_it_is(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The real program, and all that it says."""
    command = [sys.executable, "-m", "nonconv", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=variables(**environment), timeout=120)


def variables(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(nonconv.__file__).parents[1])} | more
