"""The tests themselves: what a contributor may rely on."""

import ast
from pathlib import Path

TESTS = Path(__file__).parent


def imported(text: str) -> set[str]:
    """The modules that a Python text imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def test_no_test_module_imports_another() -> None:
    """Helpers live in tests/kit, fixtures in conftest.py. Control: an import of that kind is seen."""
    modules = {path.stem for path in TESTS.glob("test_*.py")}
    assert imported("from test_study import SGD\nimport test_cli") & modules == {"test_study", "test_cli"}
    for path in (*TESTS.glob("test_*.py"), TESTS / "conftest.py", *TESTS.glob("kit/*.py")):
        assert imported(path.read_text(encoding="utf-8")) & modules == set(), path.name
