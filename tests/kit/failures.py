"""Writes that fail, as on a full disk or at a kill."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


class Killed(BaseException):
    """Stands for kill -9: nothing is cleaned up after it."""


def failing_write(monkeypatch: pytest.MonkeyPatch, number: int, failure: BaseException, after: bool = False) -> None:
    """Let the given write fail when its file is half there, or when it has just landed."""
    left = [number]
    owner, name = (Path, "replace") if after else (os, "fsync")
    plain: Callable[..., Any] = getattr(owner, name)

    def write(*arguments: Any) -> Any:
        left[0] -= 1
        if left[0] or after:
            result = plain(*arguments)
        if not left[0]:
            raise failure
        return result

    monkeypatch.setattr(owner, name, write)
    if isinstance(failure, Killed):
        unlink = Path.unlink

        def unlink_while_alive(path: Path, missing_ok: bool = False) -> None:
            if left[0] > 0:
                unlink(path, missing_ok)

        monkeypatch.setattr(Path, "unlink", unlink_while_alive)
